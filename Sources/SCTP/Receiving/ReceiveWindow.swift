import NIOCore

/// How much may be held for the owner. Grows while the owner takes half of it or more within two round trips, as then the
/// window, and not the path, may be what holds the other side back.
struct ReceiveWindow {
    private(set) var size: Int
    /// What the other side was last told.
    var advertised: Int
    private let maximum: Int
    private let budget: WindowBudget?
    private var granted = 0
    private var taken = 0
    private var since: NIODeadline?

    /// Enough to complete a message that has begun.
    static let leastWithoutReady = 64 * 1024
    private static let shortestPeriod = TimeAmount.milliseconds(50)

    init(_ configuration: AssociationConfiguration) {
        self.size = configuration.receiveWindow
        self.advertised = self.size
        self.maximum = max(self.size, configuration.maximumReceiveWindow)
        self.budget = configuration.windowBudget
    }

    /// Incomplete messages may hold so much, whatever the window says.
    var hardLimit: Int { max(self.maximum, 2 * self.size) }

    /// The owner took so many bytes.
    mutating func took(_ bytes: Int, roundTrip: TimeAmount?, at now: NIODeadline) {
        guard self.size < self.maximum else { return }
        let period = max(Self.shortestPeriod, (roundTrip ?? .zero) * 2)
        guard let since, now - since <= period else {
            self.since = now
            self.taken = bytes
            return
        }
        self.taken += bytes
        guard self.taken >= self.size / 2 else { return }
        let growth = min(self.size, self.maximum - self.size)
        guard self.budget?.take(growth) ?? true else { return }
        self.granted += growth
        self.size += growth
        self.taken = 0
        self.since = now
    }

    /// Whether the other side should hear at once of a window that has opened: it had too little for a few packets, or
    /// half of all has become free since.
    func isWorthTelling(_ window: Int) -> Bool {
        let isSmall = self.advertised < min(self.size / 4, 64 * 1024)
        return isSmall && window >= self.advertised + min(self.size / 4, 64 * 1024)
    }

    /// Gives back what it was granted.
    mutating func close() {
        self.budget?.giveBack(self.granted)
        self.granted = 0
    }
}

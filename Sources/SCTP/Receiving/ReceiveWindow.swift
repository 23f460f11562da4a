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
    /// What it was granted beyond the window, for what can be delivered only when more has come.
    private var extra = 0
    private var taken = 0
    private var since: NIODeadline?

    /// Enough to complete a message that has begun.
    static let leastWithoutReady = 64 * 1024
    /// The budget is asked for so much at a time.
    private static let step = 64 * 1024
    private static let shortestPeriod = TimeAmount.milliseconds(50)

    init(_ configuration: AssociationConfiguration) {
        self.size = configuration.receiveWindow
        self.advertised = self.size
        self.maximum = max(self.size, configuration.maximumReceiveWindow)
        self.budget = configuration.windowBudget
    }

    /// What cannot be delivered yet may hold so much, whatever the window says, if the budget has it.
    var hardLimit: Int { max(self.maximum, 2 * self.size) }

    /// Takes from the budget what lets so many bytes be held, though the window has no room for them. False when there is
    /// not so much.
    mutating func extend(to bytes: Int) -> Bool {
        guard bytes <= self.hardLimit else { return false }
        let missing = bytes - self.size - self.extra
        guard missing > 0 else { return true }
        let wanted = min(max(missing, Self.step), self.hardLimit - self.size - self.extra)
        guard self.budget?.take(wanted) ?? true else { return false }
        self.extra += wanted
        return true
    }

    /// So much is held by now. What the window has room for needs nothing beyond it.
    mutating func settle(held: Int) {
        guard self.extra > 0, held <= self.size else { return }
        self.budget?.giveBack(self.extra)
        self.extra = 0
    }

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
        self.budget?.giveBack(self.granted + self.extra)
        self.granted = 0
        self.extra = 0
    }
}

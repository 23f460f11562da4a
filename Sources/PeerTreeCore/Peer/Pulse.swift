/// The sign of a stream in which nothing is written: how far it goes, and what the source's clock shows.
///
/// Who numbers the stream says it after ``interval`` in which nothing was written; everyone else passes it on, once what it
/// tells of is here and has been passed on, too.
struct Pulse {
    /// The source's clock at the newest message; 0 before the first.
    private var clock: UInt64 = 0
    /// When that was written here, or the last pulse was said.
    private var lastSaid: Instant
    /// The clock of the newest pulse that the parent said.
    private var heard: UInt64 = 0

    static let interval = TimeSpan.milliseconds(500)

    init(at now: Instant = .zero) {
        lastSaid = now
    }

    // MARK: At the source

    /// A message was written.
    mutating func wrote(_ timestamp: UInt64, at now: Instant) {
        clock = timestamp
        lastSaid = now
    }

    var deadline: Instant { lastSaid + Self.interval }

    /// - Returns: what the source's clock shows now.
    mutating func say(at now: Instant) -> UInt64 {
        clock = clock.addingSaturating((now - lastSaid).nanoseconds / 1_000)
        lastSaid = now
        return clock
    }

    // MARK: At the others

    /// There is another parent, whose word it is from now on.
    mutating func forget() {
        heard = 0
    }

    /// The parent said one that is true as far as this peer knows.
    ///
    /// - Returns: whether it is news, and time to pass one on.
    mutating func hear(_ clock: UInt64, at now: Instant) -> Bool {
        guard clock > heard else { return false }
        heard = clock
        guard now - lastSaid >= TimeSpan(nanoseconds: Self.interval.nanoseconds / 2) else { return false }
        lastSaid = now
        return true
    }
}

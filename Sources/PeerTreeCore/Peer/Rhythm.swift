/// How often something new comes, which is what silence is measured by.
struct Rhythm {
    /// From the beginning of one burst to that of the next, smoothed as round-trip times are (RFC 6298, 2.3).
    private(set) var interval: TimeSpan?
    private var deviation = TimeSpan.zero
    /// When the newest burst began, and when the newest of it came.
    private var burstBegan: Instant?
    private var lastNews: Instant?

    /// The chunks of one message come one upon the other: what follows within this time is part of the same burst.
    private static let burst = TimeSpan.milliseconds(5)
    /// A pause as long as this is no part of a rhythm.
    private static let longestInterval = TimeSpan.seconds(5)

    /// Something newer than everything before has come.
    mutating func note(at now: Instant) {
        defer { lastNews = now }
        guard let burstBegan, let lastNews else {
            self.burstBegan = now
            return
        }
        guard now - lastNews >= Self.burst else { return }
        self.burstBegan = now
        sample(min(now - burstBegan, Self.longestInterval))
    }

    private mutating func sample(_ span: TimeSpan) {
        guard let interval else {
            self.interval = span
            deviation = TimeSpan(nanoseconds: span.nanoseconds / 2)
            return
        }
        let (shorter, longer) = (min(span, interval).nanoseconds, max(span, interval).nanoseconds)
        deviation = TimeSpan(nanoseconds: (3 * deviation.nanoseconds + (longer - shorter)) / 4)
        self.interval = TimeSpan(nanoseconds: (7 * interval.nanoseconds + span.nanoseconds) / 8)
    }

    /// How long nothing new may come before that is remarkable: a few intervals, and the time that a chunk is on its way.
    func patience(roundTrip: TimeSpan?) -> TimeSpan {
        guard let interval else { return Self.leastPatience }
        let expected = 4 * interval.nanoseconds + 2 * deviation.nanoseconds + (roundTrip?.nanoseconds ?? 0)
        return max(TimeSpan(nanoseconds: expected), Self.leastPatience)
    }

    /// However dense the stream is, a scheduler may pause for as long.
    private static let leastPatience = TimeSpan.milliseconds(100)
}

/// Whether a neighbour is there, and how far away.
struct Liveness {
    /// When the link came.
    let openedAt: Instant
    /// When the last message came.
    var lastHeard: Instant
    /// When the last message was sent.
    var lastSent: Instant
    /// The neighbour's newest heartbeat, to be echoed.
    var heartbeatToEcho: (timestamp: UInt64, at: Instant)?
    /// The last measured round-trip time.
    var roundTripTime: TimeSpan?

    init(openedAt now: Instant) {
        openedAt = now
        lastHeard = now
        lastSent = now
    }

    /// Time in which the machine slept counts against nobody.
    mutating func forgive(_ pause: TimeSpan, until now: Instant) {
        lastHeard = min(now, lastHeard + pause)
    }
}

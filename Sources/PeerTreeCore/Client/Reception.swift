/// What a viewer measures of its stream.
struct Reception {
    /// How far the newest message was behind the source's clock when it came, in microseconds; nil before the first.
    private(set) var lag: UInt64?
    /// What the connection to the parent has measured. A link that is busy with the stream carries no heartbeats to
    /// measure by.
    var roundTrip: TimeSpan?
    private var bytes: UInt64 = 0
    private var since: Instant

    init(at now: Instant) {
        since = now
    }

    /// A message came. Of two clocks that disagree the source's may be ahead: then it is not behind at all.
    mutating func delivered(timestamp: UInt64, unixMicroseconds: UInt64) {
        guard timestamp > 0 else { return }
        lag = unixMicroseconds > timestamp ? unixMicroseconds - timestamp : 0
    }

    /// Bytes a second since the last time.
    mutating func rate(_ total: UInt64, at now: Instant) -> UInt64 {
        let elapsed = max((now - since).nanoseconds, 1_000_000)
        let fresh = total &- bytes
        bytes = total
        since = now
        return UInt64(min(Double(fresh) / (Double(elapsed) / 1e9), 1e15))
    }
}

/// The time of day by the monotonic clock that inputs carry.
struct WallClock {
    private var unixMicroseconds: UInt64
    private var at: Instant

    init(_ unixMicroseconds: UInt64, at now: Instant) {
        self.unixMicroseconds = unixMicroseconds
        at = now
    }

    /// Microseconds since 1970-01-01 UTC.
    func reading(at now: Instant) -> UInt64 {
        unixMicroseconds &+ (now - at).nanoseconds / 1_000
    }
}

/// How much of a live stream a link is handed ahead of what it has sent.
///
/// What was handed over cannot be skipped any more. So a link that lags is handed what it drains in
/// ``PeerConfiguration/handOutTime``, and a round trip's worth, which some transports keep in the same queue until it is
/// acknowledged.
struct HandOut {
    /// Bytes a second at which the queue drains while there is something in it; nil until that was seen.
    private(set) var rate: Double?
    /// The shortest round trip that was measured.
    private var roundTrip: TimeSpan?
    /// When the host last said how much waits, how much that was, and what was handed over since.
    private var since: Instant
    private var waiting = 0
    private var handed = 0
    /// When the round trip was asked for last.
    private var askedAt: Instant
    /// Whether there was more to hand over all the time since, so that the queue never ran dry.
    private var wasHeldBack: Bool?

    /// However slow a link is, so many bytes are handed over.
    static var least: Int { 64 << 10 }
    /// A link whose rate is not known yet is handed so many.
    static var first: Int { 256 << 10 }
    /// A longer round trip is time spent in queues.
    private static var longestRoundTrip: TimeSpan { .milliseconds(300) }
    /// How often the round trip is measured.
    private static var measuringInterval: TimeSpan { .seconds(2) }
    /// Less time says nothing about a rate.
    private static var shortestSample: TimeSpan { .milliseconds(1) }

    init(at now: Instant) {
        since = now
        askedAt = now
    }

    mutating func hand(_ bytes: Int) {
        handed += bytes
    }

    /// - Parameter isHeldBack: whether there is more to hand over than the limit allows.
    mutating func note(isHeldBack: Bool) {
        wasHeldBack = isHeldBack && wasHeldBack != false
    }

    /// When it is time to measure the round trip of a link that is too busy for heartbeats.
    var nextMeasurement: Instant { askedAt + Self.measuringInterval }

    mutating func asked(at now: Instant) {
        askedAt = now
    }

    mutating func measured(roundTrip span: TimeSpan) {
        roundTrip = min(roundTrip ?? Self.longestRoundTrip, span)
    }

    /// The host says that so many bytes wait in the queue.
    mutating func report(_ buffered: Int, at now: Instant) {
        let elapsed = now - since
        guard elapsed >= Self.shortestSample else { return }
        let drained = max(0, waiting + handed - buffered)
        let sample = Double(drained) * 1e9 / Double(elapsed.nanoseconds)
        // A queue that was empty for a part of the time drains at least as fast as that.
        if wasHeldBack == true {
            rate = rate.map { $0 + (sample - $0) / 4 } ?? sample
        } else if let rate, rate < sample {
            self.rate = sample
        }
        since = now
        waiting = buffered
        handed = 0
        wasHeldBack = nil
    }

    /// How many microseconds something takes through a queue of so many bytes.
    func delay(of buffered: Int) -> UInt64 {
        guard let rate, rate > 1 else { return 0 }
        return UInt64(min(Double(max(0, buffered)) / rate, 1e6) * 1e6)
    }

    /// How many bytes may wait in the queue.
    func limit(_ configuration: PeerConfiguration) -> Int {
        guard let rate else { return min(Self.first, configuration.highWater) }
        let time = Double(configuration.handOutTime.nanoseconds) + Double(roundTrip?.nanoseconds ?? 0)
        let bytes = min(rate * time / 1e9, 1e15)
        return min(max(Int(bytes), Self.least), configuration.highWater)
    }
}

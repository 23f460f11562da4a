package import NIOCore

/// How many messages a client may send, as a token bucket.
public struct EventRate: Sendable, Hashable {
    /// Messages a second, in the long run.
    public var perSecond: Int
    /// Messages at once after a pause.
    public var burst: Int

    /// A rate. Both numbers are taken as at least 1, a burst as at most 1,000,000.
    public init(perSecond: Int, burst: Int) {
        self.perSecond = max(perSecond, 1)
        self.burst = min(max(burst, 1), 1_000_000)
    }
}

/// Whether a client keeps to an ``EventRate``: the generic cell rate algorithm (ITU-T I.371), which needs one number.
package struct RateMeter: Sendable {
    /// When the next message would be due if messages came evenly.
    private var due = NIODeadline.uptimeNanoseconds(0)

    package init() {}

    /// Counts a message; false if it is one too many, which is then not counted.
    package mutating func admit(at now: NIODeadline, rate: EventRate) -> Bool {
        let interval = TimeAmount.nanoseconds(1_000_000_000 / Int64(rate.perSecond))
        let start = max(due, now)
        guard start - now <= interval * (rate.burst - 1) else { return false }
        due = start + interval
        return true
    }
}

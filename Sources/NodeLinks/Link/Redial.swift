import NIOCore

/// When to try to connect: at once, then less and less often, at times that differ at random.
struct Redial {
    private(set) var nextAt: NIODeadline
    private var delay: TimeAmount
    private let options: LinkOptions

    init(at first: NIODeadline, _ options: LinkOptions) {
        nextAt = first
        delay = options.redialMinimum
        self.options = options
    }

    /// An attempt came to nothing.
    mutating func fail(at now: NIODeadline, using random: inout some RandomNumberGenerator) {
        let base = max(1, delay.nanoseconds)
        nextAt = now + .nanoseconds(base + Int64.random(in: 0...base / 2, using: &random))
        let (doubled, overflow) = base.multipliedReportingOverflow(by: 2)
        delay = overflow ? options.redialMaximum : min(.nanoseconds(doubled), options.redialMaximum)
    }

    /// A connection is good.
    mutating func succeed() { delay = options.redialMinimum }

    /// Leaves it to the other node until then.
    mutating func wait(until later: NIODeadline) { nextAt = max(nextAt, later) }
}

import NIOCore

/// Spreads packets with DATA over the round trip. All that a window has room for, sent at once, is at some distance more than
/// the queue before a slow link holds, and what does not fit in counts as congestion.
///
/// Twice the window in a round trip: what acknowledgements clock is never slowed down, and a window that grows can double.
struct Pacer {
    /// Packets that may leave at once after a pause: an initial window (RFC 6928).
    private static let burstPackets = 10
    /// Below it the queues are those of this machine and its neighbours, and timers too coarse.
    static let shortestRoundTrip = TimeAmount.milliseconds(2)
    /// What becomes due within this time leaves with one wake-up.
    private static let step = TimeAmount.milliseconds(1)

    /// When a packet had to wait, when that is over.
    private(set) var deadline: NIODeadline?
    /// When all that has left would have left at the rate.
    private var paidUntil = NIODeadline.uptimeNanoseconds(0)
    private let burst: Int

    init(packetSize: Int) {
        self.burst = Self.burstPackets * packetSize
    }

    /// Bytes a second for a congestion window and a round trip; nil while packets need not wait.
    func rate(window: Int, roundTrip: TimeAmount?) -> Int? {
        guard let roundTrip, roundTrip > Self.shortestRoundTrip else { return nil }
        // A window beyond this needs no spreading, and would not fit into the product.
        let bytes = Int64(min(max(2 * window, self.burst), 1 << 32))
        return Int(clamping: bytes * 1_000_000_000 / roundTrip.nanoseconds)
    }

    /// Whether a packet may leave now.
    func admits(at rate: Int?, at now: NIODeadline) -> Bool {
        guard let rate else { return true }
        return self.debt(at: now) <= Self.time(for: self.burst, rate)
    }

    /// A packet would have left, but may not yet.
    mutating func hold(at rate: Int?) {
        self.deadline = rate.map { self.paidUntil - Self.time(for: self.burst, $0) + Self.step }
    }

    /// The wait is over, or nothing waits any more.
    mutating func release() {
        self.deadline = nil
    }

    /// A packet left.
    mutating func pay(_ bytes: Int, at rate: Int?, at now: NIODeadline) {
        guard let rate else { return }
        self.paidUntil = max(self.paidUntil, now) + Self.time(for: bytes, rate)
    }

    private func debt(at now: NIODeadline) -> TimeAmount {
        self.paidUntil > now ? self.paidUntil - now : .zero
    }

    private static func time(for bytes: Int, _ rate: Int) -> TimeAmount {
        .nanoseconds(Int64(bytes) * 1_000_000_000 / Int64(max(1, rate)))
    }
}

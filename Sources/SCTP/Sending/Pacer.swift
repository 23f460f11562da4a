import NIOCore

/// Spreads packets with DATA over the round trip. All that a window has room for, sent at once, is at some distance more than
/// the queue before a slow link holds, and what does not fit in counts as congestion.
struct Pacer {
    /// Packets that may leave at once, whatever the rate: two where the congestion control says at which rate, else an initial
    /// window (RFC 6928).
    private let burstPackets: Int
    private let hasRate: Bool
    /// Below it the queues are those of this machine and its neighbours, and timers too coarse.
    static let shortestRoundTrip = TimeAmount.milliseconds(2)
    /// What is due within this time leaves at once, and with one wake-up.
    private static let step = TimeAmount.milliseconds(1)
    /// What a late wake-up missed is made up for, if it was no later than this.
    private static let longestDelay = TimeAmount.milliseconds(5)

    /// When a packet had to wait, when that is over.
    private(set) var deadline: NIODeadline?
    /// When all that has left would have left at the rate.
    private var paidUntil = NIODeadline.uptimeNanoseconds(0)
    /// When the last wait was to be over, unless there was nothing left to send since.
    private var dueAt: NIODeadline?
    private let packetSize: Int

    init(packetSize: Int, hasRate: Bool) {
        self.burstPackets = hasRate ? 2 : 10
        self.hasRate = hasRate
        self.packetSize = packetSize
    }

    /// Bytes a second for a congestion window without a rate of its own: twice the window in a round trip. What
    /// acknowledgements clock is never slowed down, and a window that grows can double.
    func rate(window: Int, roundTrip: TimeAmount) -> Int {
        // A window beyond this needs no spreading, and would not fit into the product.
        let bytes = Int64(min(max(2 * window, self.burstPackets * self.packetSize), 1 << 32))
        return Int(clamping: bytes * 1_000_000_000 / max(1, roundTrip.nanoseconds))
    }

    /// Whether a packet may leave now.
    func admits(at rate: Int?, at now: NIODeadline) -> Bool {
        guard let rate else { return true }
        return self.paidUntil - now < self.burst(rate)
    }

    /// A packet would have left, but may not yet.
    mutating func hold(at rate: Int?) {
        self.deadline = rate.map { self.paidUntil - self.burst($0) + Self.step }
        self.dueAt = self.deadline
    }

    /// The wait is over, or nothing waits any more.
    mutating func release() {
        self.deadline = nil
    }

    /// Nothing is left that may leave.
    mutating func rest() {
        self.dueAt = nil
    }

    /// So much payload left.
    mutating func pay(_ bytes: Int, at rate: Int?, at now: NIODeadline) {
        guard let rate else { return }
        var start = now
        if let dueAt, dueAt < now, now - dueAt <= Self.longestDelay { start = dueAt }
        self.paidUntil = max(self.paidUntil, start) + Self.time(for: bytes, rate)
    }

    /// The time of what may leave at once: some packets, or with a rate what is due within a millisecond.
    private func burst(_ rate: Int) -> TimeAmount {
        let packets = Self.time(for: self.burstPackets * self.packetSize, rate)
        return self.hasRate ? max(packets, Self.step) : packets
    }

    private static func time(for bytes: Int, _ rate: Int) -> TimeAmount {
        .nanoseconds(Int64(bytes) * 1_000_000_000 / Int64(max(1, rate)))
    }
}

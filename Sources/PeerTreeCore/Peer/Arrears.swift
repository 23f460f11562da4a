/// What a child that holds a lossless stream back owes the others.
///
/// While it does, it owes the time that passes, and pays with what it is fed: each byte is worth as much time as it has
/// at the rate that is asked of it. So what counts is its progress over time, and not that it gives a sign of life.
struct Arrears {
    /// As of the last balance.
    private(set) var owed = TimeSpan.zero
    /// Whether the stream waits for the child since then.
    private(set) var isHoldingBack = false
    /// What it was fed since then.
    private var fed: UInt64 = 0
    private var since: Instant

    init(at now: Instant) {
        since = now
    }

    mutating func feed(_ bytes: Int) {
        fed += UInt64(max(0, bytes))
    }

    /// The stream begins to wait for the child, or waits no longer.
    ///
    /// - Parameter rate: bytes a second that are asked of it.
    mutating func note(isHoldingBack: Bool, rate: UInt64, at now: Instant) {
        settle(rate: rate, at: now)
        self.isHoldingBack = isHoldingBack
    }

    /// Draws the balance. While the stream does not wait for the child, it pays by time.
    mutating func settle(rate: UInt64, at now: Instant) {
        let elapsed = now - since
        let earned = earned(rate)
        since = now
        fed = 0
        if isHoldingBack {
            let due = TimeSpan(nanoseconds: min(owed.nanoseconds, 1 << 62) + min(elapsed.nanoseconds, 1 << 62))
            owed = TimeSpan(nanoseconds: due.nanoseconds - min(due.nanoseconds, earned.nanoseconds))
        } else {
            owed = TimeSpan(nanoseconds: owed.nanoseconds - min(owed.nanoseconds, max(earned, elapsed).nanoseconds))
        }
    }

    /// The time that what was fed is worth.
    private func earned(_ rate: UInt64) -> TimeSpan {
        TimeSpan(nanoseconds: UInt64(min(Double(fed) / Double(max(1, rate)), 1e6) * 1e9))
    }

    /// When the child will owe as much as `limit` if it is fed no more.
    func deadline(limit: TimeSpan, rate: UInt64) -> Instant {
        guard isHoldingBack else { return .distantFuture }
        let left = TimeSpan(nanoseconds: limit.nanoseconds - min(limit.nanoseconds, owed.nanoseconds))
        return since + left + earned(rate)
    }

    /// Time in which the machine slept counts against nobody.
    mutating func forgive(_ pause: TimeSpan, until now: Instant) {
        since = min(now, since + pause)
    }
}

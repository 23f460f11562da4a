import NIOCore

/// RACK-TLP (RFC 8985) for SCTP: a chunk is lost when one that was sent sufficiently later has arrived, and when nothing
/// comes at all, a probe finds out.
///
/// This replaces the three missing reports of RFC 9260 section 7.2.4. It also finds lost retransmissions, and lost tails.
struct LossDetection {
    /// Of the chunk most recently sent among those that have arrived.
    private(set) var newest: (order: Int, sentAt: NIODeadline, roundTrip: TimeAmount)?
    /// The highest TSN that has arrived.
    private(set) var highest: Int?
    /// Chunks have arrived in another order than they were sent in.
    private(set) var hasSeenReordering = false
    /// How much reordering is tolerated, in quarters of the least round trip.
    private var tolerance: Int64 = 1
    private var cleanRecoveries = 0

    private static let duplicateThreshold = 3
    private static let maximumTolerance: Int64 = 16
    /// So many repairs without a spurious one, and the tolerance falls back (RFC 8985 section 6.2, step 4).
    private static let patience = 16

    /// A chunk has arrived (step 2 of section 6.2).
    mutating func arrived(_ chunk: OutstandingChunk, tsn: Int, leastRoundTrip: TimeAmount?, at now: NIODeadline) {
        let elapsed = now - chunk.sentAt
        if chunk.transmissions > 1 {
            // Too soon for the last transmission: an earlier one has arrived.
            if let leastRoundTrip, elapsed < leastRoundTrip { return }
        } else if let highest, tsn < highest {
            self.hasSeenReordering = true
        }
        self.highest = max(self.highest ?? tsn, tsn)
        if let newest, chunk.order <= newest.order { return }
        self.newest = (chunk.order, chunk.sentAt, elapsed)
    }

    /// For how long after its time a chunk is still waited for (step 4).
    func window(_ estimator: RoundTripEstimator, acknowledgedByGaps: Int, isInRecovery: Bool) -> TimeAmount {
        if !self.hasSeenReordering, isInRecovery || acknowledgedByGaps >= Self.duplicateThreshold { return .zero }
        guard let least = estimator.minimum else { return .zero }
        let window = TimeAmount.nanoseconds(least.nanoseconds * self.tolerance / 4)
        return min(window, estimator.smoothed ?? window)
    }

    /// What was sent again had arrived before.
    mutating func wasSpurious() {
        self.hasSeenReordering = true
        self.tolerance = min(self.tolerance + 1, Self.maximumTolerance)
        self.cleanRecoveries = 0
    }

    mutating func recovered() {
        self.cleanRecoveries += 1
        if self.cleanRecoveries >= Self.patience { self.tolerance = 1 }
    }
}

/// A loss that is being repaired: what was reduced for it, and whether it was for nothing.
struct Recovery {
    /// Repaired when all up to this TSN is acknowledged.
    var end: Int
    /// One packet may leave beyond the congestion window (RFC 9260 section 7.2.4, rule 4).
    var mayExceed = true
}

/// Chunks taken for lost since the congestion window was last reduced. When every one of them turns out to have arrived
/// anyway, nothing had been lost: the other side reports it as a duplicate, or acknowledges it before it is sent again.
struct Suspicions {
    private var tsns: Set<Int> = []
    private var isUndoable = false

    /// More than this is not undone.
    private static let limit = 4_096

    /// The window has been reduced.
    mutating func began() {
        self.tsns.removeAll(keepingCapacity: self.tsns.count < 64)
        self.isUndoable = true
    }

    mutating func add(_ tsn: Int) {
        guard self.isUndoable else { return }
        guard self.tsns.count < Self.limit else {
            self.isUndoable = false
            return self.tsns.removeAll()
        }
        self.tsns.insert(tsn)
    }

    /// A chunk had not been lost. `isSpurious` when it had been taken for that; `isUndone` when that was true of all.
    mutating func refute(_ tsn: Int) -> (isSpurious: Bool, isUndone: Bool) {
        guard self.isUndoable, self.tsns.remove(tsn) != nil else { return (false, false) }
        guard self.tsns.isEmpty else { return (true, false) }
        self.isUndoable = false
        return (true, true)
    }
}

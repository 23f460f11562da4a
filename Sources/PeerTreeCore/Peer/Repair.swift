/// What is missing at the frontier, and what was asked of whom: for this peer itself and on behalf of others.
///
/// Each range is asked of one neighbour at a time. The next one is asked when that one says that it lacks it, or when
/// nothing of it has come for a while; after the last one it is the first one's turn again.
struct Repair {
    /// Missing numbers at the frontier. It keeps its range while chunks of it come in.
    struct Hole {
        let range: SequenceRange
        /// When it is reported as a gap; later, the longer chunks of it keep coming.
        fileprivate(set) var deadline: Instant
        /// When the next neighbour is asked.
        fileprivate(set) var nextAttempt: Instant
        /// The neighbours that were asked for it.
        fileprivate(set) var asked: [LinkID] = []
        /// Those that were asked in this round.
        fileprivate var round: [LinkID] = []
        /// Those that said that they lack it.
        fileprivate var lacking: [LinkID] = []
        /// Whether the source is known to have written that far.
        fileprivate(set) var isConfirmed = false
        fileprivate var frontier: UInt64
    }

    /// What this peer asked its parent for on behalf of others.
    struct Fetch {
        let range: SequenceRange
        let askedLink: LinkID
        let requester: LinkID
        let deadline: Instant
    }

    private(set) var hole: Hole?
    var fetches: [Fetch] = []

    /// At most so many requests of others are remembered.
    static var maximumFetches: Int { 64 }

    /// Forgets everything: the stream begins anew.
    mutating func removeAll() {
        hole = nil
        fetches.removeAll()
    }

    /// When the next neighbour is asked, or somebody is told that nothing came.
    var deadline: Instant {
        fetches.reduce(hole?.nextAttempt ?? .distantFuture) { min($0, $1.deadline) }
    }

    // MARK: The hole

    mutating func open(_ range: SequenceRange, deadline: Instant, firstAttempt: Instant) {
        hole = Hole(range: range, deadline: deadline, nextAttempt: firstAttempt, frontier: range.start)
    }

    mutating func close() {
        hole = nil
    }

    /// The frontier has moved within the hole: what was asked for is on its way.
    mutating func progress(to frontier: UInt64, deadline: Instant, nextAttempt: Instant) {
        guard let hole, hole.frontier < frontier else { return }
        self.hole?.frontier = frontier
        self.hole?.deadline = deadline
        if !hole.asked.isEmpty { self.hole?.nextAttempt = max(hole.nextAttempt, nextAttempt) }
    }

    /// The source has written everything below `next`.
    mutating func confirm(below next: UInt64) {
        guard let hole, hole.range.end < next else { return }
        self.hole?.isConfirmed = true
    }

    mutating func postpone(to instant: Instant) {
        hole?.nextAttempt = instant
    }

    /// Whose turn it is among `neighbours`; nil if there are none, or if all of them lack it.
    mutating func nextNeighbour(among neighbours: [LinkID], nextAttempt: Instant) -> LinkID? {
        guard var hole else { return nil }
        let able = neighbours.filter { !hole.lacking.contains($0) }
        if !able.contains(where: { !hole.round.contains($0) }) { hole.round.removeAll() }
        guard let next = able.first(where: { !hole.round.contains($0) }) else { return nil }
        hole.round.append(next)
        if !hole.asked.contains(next) { hole.asked.append(next) }
        hole.nextAttempt = nextAttempt
        self.hole = hole
        return next
    }

    /// A neighbour says that it lacks the number at the frontier.
    mutating func lacks(_ id: LinkID, _ ranges: [SequenceRange], at now: Instant) -> Bool {
        guard let hole, hole.asked.contains(id), !hole.lacking.contains(id),
            ranges.contains(where: { $0.contains(hole.frontier) })
        else { return false }
        self.hole?.lacking.append(id)
        if hole.round.last == id { self.hole?.nextAttempt = now }
        return true
    }

    // MARK: What may come

    /// Whether a chunk was asked of a neighbour.
    func expects(_ sequence: UInt64, from id: LinkID) -> Bool {
        if let hole, hole.range.contains(sequence), hole.asked.contains(id) { return true }
        return fetches.contains { $0.askedLink == id && $0.range.contains(sequence) }
    }

    /// Whether somebody else waits for a chunk.
    func isFetching(_ sequence: UInt64) -> Bool {
        fetches.contains { $0.range.contains(sequence) }
    }

    /// A neighbour is gone: what it was asked for is asked of the next; those who wait for it must look elsewhere.
    mutating func forget(_ id: LinkID, at now: Instant) -> [Fetch] {
        if let hole, hole.asked.contains(id) {
            self.hole?.asked.removeAll { $0 == id }
            self.hole?.round.removeAll { $0 == id }
            self.hole?.lacking.removeAll { $0 == id }
            if hole.round.last == id { self.hole?.nextAttempt = now }
        }
        let orphaned = fetches.filter { $0.askedLink == id && $0.requester != id }
        fetches.removeAll { $0.askedLink == id || $0.requester == id }
        return orphaned
    }
}

extension SequenceRange {
    func contains(_ sequence: UInt64) -> Bool {
        start <= sequence && sequence < end
    }
}

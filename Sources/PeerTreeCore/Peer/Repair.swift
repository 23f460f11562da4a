/// What is missing at the frontier, and what was asked of whom: for this peer itself and on behalf of others.
///
/// Each number is asked of one neighbour at a time. The next one is asked when that one says that it lacks it, or when
/// nothing has come for a while; after the last one it is the first one's turn again.
struct Repair {
    /// From the frontier to the end of what was held when a number turned out to be missing there. Whatever else is
    /// missing in between is mended together with it: should one of several stripes be silent, that is every other
    /// number. It keeps its range while chunks of it come in.
    struct Hole {
        let range: SequenceRange
        /// When what is missing is reported as a gap unless the stream is lossless; later, the longer chunks of it keep
        /// coming.
        fileprivate(set) var deadline: Instant
        /// Since when something is missing at the frontier.
        fileprivate var missingSince: Instant
        /// For how long the source could be asked, and nobody sent anything of what it had written.
        fileprivate var confirmedFor = TimeSpan.zero
        fileprivate var lastConfirmed: Instant?
        /// Since when there has been no sign at all that it will be mended.
        fileprivate(set) var quietSince: Instant
        /// When the next neighbour is asked.
        fileprivate(set) var nextAttempt: Instant
        /// The neighbours that were asked for it.
        fileprivate(set) var asked: [LinkID] = []
        /// Those that were asked in this round.
        fileprivate var round: [LinkID] = []
        /// What they said that they lack.
        fileprivate var lacking: [Lack] = []
        /// Those that said once that they lack the number at the frontier. What else they send is no sign of it.
        fileprivate var denied: [LinkID] = []
        /// The source is known to have written everything below.
        fileprivate(set) var written: UInt64 = 0
        /// How far the last question went.
        fileprivate var askedBelow: UInt64 = 0
        fileprivate var frontier: UInt64

        /// Whether the way to the source was whole for so long, and all that time nothing came.
        func isUnobtainable(for span: TimeSpan) -> Bool {
            confirmedFor >= span
        }

        /// Whether all of `neighbours` said that they lack a number.
        func isLacked(_ sequence: UInt64, byAll neighbours: [LinkID]) -> Bool {
            neighbours.allSatisfy { isLacked(sequence, by: $0) }
        }

        fileprivate func isLacked(_ sequence: UInt64, by neighbour: LinkID) -> Bool {
            lacking.contains { $0.link == neighbour && $0.ranges.contains { $0.contains(sequence) } }
        }
    }

    /// What a neighbour lacks of the hole: no more than one frame can name.
    fileprivate struct Lack {
        let link: LinkID
        var ranges: [SequenceRange]
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

    /// What waits on a link that is just fast enough (``PeerConfiguration/minimumRate``), with a full send queue, has come
    /// after so long.
    private static var longestQueue: TimeSpan { .seconds(60) }

    mutating func open(_ range: SequenceRange, deadline: Instant, firstAttempt: Instant, at now: Instant) {
        hole = Hole(
            range: range,
            deadline: deadline,
            missingSince: now,
            quietSince: now,
            nextAttempt: firstAttempt,
            frontier: range.start
        )
    }

    mutating func close() {
        hole = nil
    }

    /// The frontier has moved within the hole: more of it may be on its way. Once everything has come that was asked for,
    /// whoever had it is asked for the rest.
    mutating func progress(to frontier: UInt64, deadline: Instant, nextAttempt: Instant, at now: Instant) {
        guard let hole, hole.frontier < frontier else { return }
        self.hole?.frontier = frontier
        self.hole?.missingSince = now
        self.hole?.deadline = deadline
        self.hole?.denied.removeAll()
        hopeAgain(at: now)
        if !hole.asked.isEmpty, frontier >= hole.askedBelow {
            if let last = hole.round.last { self.hole?.round.removeAll { $0 == last } }
            self.hole?.nextAttempt = now
        } else {
            self.hole?.nextAttempt = max(hole.nextAttempt, nextAttempt)
        }
    }

    /// The source has written everything below `next`.
    ///
    /// - Parameter interval: how often it is asked. What lies further back than twice as long says nothing of the time since:
    ///   the way to it may have been broken.
    mutating func confirm(below next: UInt64, interval: TimeSpan, at now: Instant) {
        guard let hole else { return }
        self.hole?.written = max(hole.written, next)
        self.hole?.quietSince = now
        self.hole?.lastConfirmed = now
        guard let last = hole.lastConfirmed else { return }
        let whole = min((now - last).nanoseconds, 2 * interval.nanoseconds)
        self.hole?.confirmedFor = TimeSpan(nanoseconds: hole.confirmedFor.nanoseconds + whole)
    }

    /// What is missing may well come now, however long it has been missing.
    mutating func hopeAgain(at now: Instant) {
        hole?.confirmedFor = .zero
        hole?.lastConfirmed = nil
        hole?.quietSince = now
    }

    /// A neighbour sent a chunk. As long as one that was asked sends, what it was asked for may wait behind that: a link
    /// keeps its order, and may be slow. But for how long is bounded: it may withhold that one thing.
    mutating func delivers(_ id: LinkID, nextAttempt: Instant, at now: Instant) {
        guard let hole, hole.asked.contains(id), !hole.denied.contains(id),
            now - hole.missingSince < Self.longestQueue
        else { return }
        hopeAgain(at: now)
        if hole.round.last == id { self.hole?.nextAttempt = max(hole.nextAttempt, nextAttempt) }
    }

    mutating func postpone(to instant: Instant) {
        hole?.nextAttempt = instant
    }

    /// Whoever lacks it now may have it then.
    mutating func askAllAgain(at instant: Instant) {
        hole?.nextAttempt = instant
        hole?.lacking.removeAll()
    }

    /// Whose turn it is among `neighbours`; nil if there are none, or if all of them lack the number at the frontier.
    mutating func nextNeighbour(among neighbours: [LinkID], nextAttempt: Instant) -> LinkID? {
        guard var hole else { return nil }
        let able = neighbours.filter { !hole.isLacked(hole.frontier, by: $0) }
        if !able.contains(where: { !hole.round.contains($0) }) { hole.round.removeAll() }
        guard let next = able.first(where: { !hole.round.contains($0) }) else { return nil }
        hole.round.append(next)
        if !hole.asked.contains(next) { hole.asked.append(next) }
        hole.nextAttempt = nextAttempt
        self.hole = hole
        return next
    }

    /// The neighbour whose turn it is was asked for everything that is missing below `end`.
    mutating func asked(below end: UInt64) {
        hole?.askedBelow = end
    }

    /// A neighbour says what it lacks.
    ///
    /// - Returns: whether that is the number at the frontier, of which it had not said so before.
    mutating func lacks(_ id: LinkID, _ ranges: [SequenceRange], at now: Instant) -> Bool {
        guard let hole, hole.asked.contains(id) else { return false }
        let index = hole.lacking.firstIndex { $0.link == id }
        var known = index.map { hole.lacking[$0].ranges } ?? []
        let isKnown = known.contains { $0.contains(hole.frontier) }
        known.removeAll { $0.end <= hole.frontier }
        known.append(contentsOf: ranges.prefix(max(0, ControlFrame.maximumRanges - known.count)))
        if let index {
            self.hole?.lacking[index].ranges = known
        } else {
            self.hole?.lacking.append(Lack(link: id, ranges: known))
        }
        guard !isKnown, known.contains(where: { $0.contains(hole.frontier) }) else { return false }
        if !hole.denied.contains(id) { self.hole?.denied.append(id) }
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
            self.hole?.lacking.removeAll { $0.link == id }
            self.hole?.denied.removeAll { $0 == id }
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

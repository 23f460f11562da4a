// Push along trees, pull to repair: holes are asked for at one neighbour after the other, and a relay that is asked for
// what it lacks asks its own parent.

/// Missing numbers at the frontier.
struct Hole {
    var range: SequenceRange
    /// When it is reported as a gap.
    let deadline: Instant
    /// The neighbours that were asked.
    var asked: [LinkID] = []
    /// When the next neighbour is asked.
    var nextAttempt: Instant
}

/// What this peer asked its parent for on behalf of others.
struct Fetch {
    let range: SequenceRange
    let askedLink: LinkID
    let requester: LinkID
    let deadline: Instant
}

extension Peer {
    /// Relays remember at most this many requests of others.
    static var maximumFetches: Int { 64 }

    /// Notices, follows and closes the hole at the frontier.
    mutating func watchHole(at now: Instant) {
        guard !isSource, let frontier, frontier < replay.end, !replay.contains(frontier) else {
            hole = nil
            return
        }
        let end = replay.firstHeld(from: frontier)
        if hole?.range.start == frontier {
            hole?.range.end = end
            return
        }
        // With one stripe a hole is certain at once; with several the missing chunks may travel in another tree.
        let patience = upstreams.count == 1 ? TimeSpan.zero : configuration.repairRequestTimeout
        hole = Hole(
            range: SequenceRange(start: frontier, end: end),
            deadline: now + configuration.repairTimeout,
            nextAttempt: now + patience
        )
        attemptRepair(at: now)
    }

    mutating func watchRepairs(at now: Instant) {
        attemptRepair(at: now)
        let expired = fetches.filter { $0.deadline <= now }
        fetches.removeAll { $0.deadline <= now }
        for fetch in expired { send(.unavailable([fetch.range]), on: fetch.requester, at: now) }
    }

    private mutating func attemptRepair(at now: Instant) {
        guard let current = hole, current.nextAttempt <= now else { return }
        if current.deadline <= now {
            giveUp(at: now)
            return
        }
        // While a new parent is being found or has yet to answer, it may well fill the hole by itself.
        let isSwitching = upstreams.contains { if case .active = $0.phase { false } else { true } }
        guard let neighbour = nextToAsk(current) else {
            if !isSwitching { giveUp(at: now) }
            return
        }
        counters.repairRequests += 1
        hole?.asked.append(neighbour)
        hole?.nextAttempt = now + configuration.repairRequestTimeout
        send(.request([current.range]), on: neighbour, at: now)
    }

    /// Parents first, then former parents, then children.
    private func nextToAsk(_ hole: Hole) -> LinkID? {
        let parents = upstreams.compactMap { $0.link } + upstreams.compactMap { $0.former }
        let children = links.values.filter { $0.role == .child && $0.frontier >= hole.range.end }.map { $0.id }
        return (parents + children).first { !hole.asked.contains($0) && links[$0]?.mode == .native }
    }

    /// The hole becomes a gap; the stream goes on behind it.
    private mutating func giveUp(at now: Instant) {
        guard let hole else { return }
        self.hole = nil
        pass(SequenceRange(start: hole.range.start, end: replay.firstHeld(from: hole.range.start)), isSkip: false)
        advance(at: now)
        pumpChildren(at: now)
        updateFlow(at: now)
        watchHole(at: now)
    }

    private mutating func pass(_ range: SequenceRange, isSkip: Bool) {
        guard range.start < range.end else { return }
        counters.chunksLost += range.end - range.start
        reassembler.abandon()
        frontier = range.end
        consumed = max(consumed, range.end)
        emit(.gap(Gap(range: range, isSkip: isSkip)))
    }

    /// The parent cut this peer back to a join point.
    mutating func skipped(_ range: SequenceRange, _ stripe: UInt8, by id: LinkID, at now: Instant) {
        guard let frontier, Int(stripe) < upstreams.count, upstreams[Int(stripe)].isFed(by: id),
            upstreams.count == 1, range.end > frontier, policy == .live
        else {
            counters.unexpectedFrames += 1
            return
        }
        hole = nil
        pass(SequenceRange(start: frontier, end: range.end), isSkip: true)
        advance(at: now)
        pumpChildren(at: now)
    }

    // MARK: Answering others

    mutating func request(_ ranges: [SequenceRange], from id: LinkID, at now: Instant) {
        var missing: [SequenceRange] = []
        for range in ranges {
            let held = SequenceRange(start: max(range.start, replay.start), end: min(range.end, replay.end))
            guard held.start < held.end else {
                missing.append(range)
                continue
            }
            if range.start < held.start { missing.append(SequenceRange(start: range.start, end: held.start)) }
            if range.end > held.end { missing.append(SequenceRange(start: held.end, end: range.end)) }
            if (links[id]?.requested.count ?? 0) < ControlFrame.maximumRanges {
                links[id]?.requested.append(held)
            }
        }
        let unobtainable = missing.filter { !fetch($0, for: id, at: now) }
        if !unobtainable.isEmpty { send(.unavailable(unobtainable), on: id, at: now) }
        pump(id, at: now)
    }

    /// Asks the own parent for what a child lacks.
    private mutating func fetch(_ range: SequenceRange, for requester: LinkID, at now: Instant) -> Bool {
        guard range.end <= replay.end, fetches.count < Self.maximumFetches, links[requester]?.role == .child,
            let parent = upstreams.compactMap({ $0.link }).first(where: { links[$0]?.mode == .native })
        else { return false }
        let deadline = now + configuration.repairTimeout
        fetches.append(Fetch(range: range, askedLink: parent, requester: requester, deadline: deadline))
        counters.repairRequests += 1
        send(.request([range]), on: parent, at: now)
        return true
    }

    func isFetching(_ sequence: UInt64) -> Bool {
        fetches.contains { $0.range.start <= sequence && sequence < $0.range.end }
    }

    /// A fetched chunk came: pass it on to whoever wanted it.
    mutating func finishFetches(with sequence: UInt64) {
        guard !fetches.isEmpty else { return }
        for fetch in fetches where fetch.range.start <= sequence && sequence < fetch.range.end {
            guard (links[fetch.requester]?.requested.count ?? .max) < 4 * ControlFrame.maximumRanges else { continue }
            links[fetch.requester]?.requested.append(SequenceRange(start: sequence, end: sequence + 1))
        }
        fetches.removeAll { $0.range.end == sequence + 1 }
    }

    mutating func unavailable(_ ranges: [SequenceRange], at id: LinkID, at now: Instant) {
        if let hole, hole.asked.last == id, ranges.contains(where: { $0.start <= hole.range.start }) {
            self.hole?.nextAttempt = now
            attemptRepair(at: now)
        }
        for fetch in fetches where fetch.askedLink == id && ranges.contains(fetch.range) {
            send(.unavailable([fetch.range]), on: fetch.requester, at: now)
        }
        fetches.removeAll { $0.askedLink == id && ranges.contains($0.range) }
    }

    mutating func serveRequests(of id: LinkID, at now: Instant) {
        guard var link = links[id], !link.requested.isEmpty else { return }
        var buffered = link.buffered
        while let range = link.requested.first, buffered < configuration.highWater {
            link.requested.removeFirst()
            if range.start + 1 < range.end {
                link.requested.insert(SequenceRange(start: range.start + 1, end: range.end), at: 0)
            }
            guard let chunk = replay[range.start] else { continue }
            transmit(chunk, on: id, at: now)
            buffered += chunk.frame.count
        }
        links[id]?.requested = link.requested
    }

    mutating func forgetRepairs(by id: LinkID, at now: Instant) {
        let orphaned = fetches.filter { $0.askedLink == id && $0.requester != id }
        fetches.removeAll { $0.askedLink == id || $0.requester == id }
        for fetch in orphaned { send(.unavailable([fetch.range]), on: fetch.requester, at: now) }
        if hole?.asked.last == id { hole?.nextAttempt = now }
    }
}

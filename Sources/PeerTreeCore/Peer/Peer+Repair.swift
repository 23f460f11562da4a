// Push along trees, pull to repair: holes are asked for at one neighbour after the other, and a relay that is asked for
// what it lacks asks its own parent.

extension Peer {
    /// Notices, follows and closes the hole at the frontier.
    mutating func watchHole(at now: Instant) {
        guard !isSource, !stream.isStartingOver, let frontier = stream.frontier else { return }
        if let hole = repair.hole {
            if hole.range.contains(frontier) {
                repair.progress(
                    to: frontier,
                    deadline: now + configuration.repairTimeout,
                    nextAttempt: now + repairPatience,
                    at: now
                )
                if !stream.replay.contains(frontier) { attemptRepair(at: now) }
                return
            }
            repair.close()
        }
        guard frontier < stream.replay.end, !stream.replay.contains(frontier) else { return }
        // The missing chunks may travel in another tree, more slowly.
        let patience = isPassed(frontier) ? TimeSpan.zero : patienceWithStripes(at: now)
        repair.open(
            SequenceRange(start: frontier, end: stream.replay.end),
            deadline: now + configuration.repairTimeout,
            firstAttempt: now + patience,
            at: now
        )
        attemptRepair(at: now)
    }

    /// How long what is missing may be on its way in another tree. With parity it is of two stripes at once. That is
    /// remarkable after a few messages, and as good as lost where one of them is known to be silent.
    private func patienceWithStripes(at now: Instant) -> TimeSpan {
        guard stream.hasRows else { return configuration.repairRequestTimeout }
        let patience = repairPatience
        let isSilent = upstreams.contains { upstream in upstream.forwardedAt.map { $0 + patience < now } ?? false }
        return isSilent ? min(patience, Self.jitter) : patience
    }

    /// By how much chunks of a row come apart.
    private static var jitter: TimeSpan { .milliseconds(20) }

    /// How long a neighbour has to answer. With parity it may lack the same, and another one does not.
    private var repairPatience: TimeSpan {
        guard stream.hasRows else { return configuration.repairRequestTimeout }
        return min(backup.rhythm.patience(roundTrip: nil), configuration.repairRequestTimeout)
    }

    /// Whether every stripe has brought a chunk beyond a number: each comes in order, so that one was left out. No more
    /// than the next thousand are looked at.
    private func isPassed(_ sequence: UInt64) -> Bool {
        var isBehind = Array(repeating: true, count: upstreams.count)
        var left = upstreams.count
        var next = stream.replay.firstHeld(from: sequence)
        let end = min(stream.replay.end, next.addingSaturating(1024))
        while next < end, left > 0 {
            if let stripe = stream.replay[next].map({ Int($0.header.stripe) }), stripe < isBehind.count,
                isBehind[stripe]
            {
                isBehind[stripe] = false
                left -= 1
            }
            next += 1
        }
        return left == 0
    }

    mutating func watchRepairs(at now: Instant) {
        attemptRepair(at: now)
        let expired = repair.fetches.filter { $0.deadline <= now }
        repair.fetches.removeAll { $0.deadline <= now }
        for fetch in expired { send(.unavailable([fetch.range]), on: fetch.requester, at: now) }
    }

    private mutating func attemptRepair(at now: Instant) {
        guard let hole = repair.hole, hole.nextAttempt <= now, let frontier = stream.frontier else { return }
        // While a new parent is being found or has yet to answer, it may well fill the hole by itself.
        let isSwitching = upstreams.contains { if case .active = $0.phase { false } else { true } }
        // A stripe that nobody feeds is waited for, as the whole stream would be.
        if isSwitching { repair.hopeAgain(at: now) }
        if isOverdue(at: now) { return giveUp(below: hole.range.end, at: now) }
        partWithSilentParent(at: now)
        // A hole below what the source never wrote is none.
        doubtPosition(at: now)
        let nextAttempt = now + repairPatience
        let neighbours = neighbours(having: stream.replay.firstHeld(from: frontier))
        if let neighbour = repair.nextNeighbour(among: neighbours, nextAttempt: nextAttempt) {
            let ranges = missing(in: hole.range)
            repair.asked(below: ranges.last?.end ?? frontier)
            counters.repairRequests += 1
            send(.request(ranges), on: neighbour, at: now)
        } else if stream.policy == .lossless {
            // Somebody has it: whoever lacks it now may be finding a parent, too, that it can ask.
            repair.askAllAgain(at: nextAttempt)
        } else if !isSwitching, let end = endOfUnobtainable(among: neighbours) {
            giveUp(below: end, at: now)
        } else {
            repair.postpone(to: min(repair.hole?.deadline ?? nextAttempt, nextAttempt))
        }
    }

    /// Whether the hole has been there for too long. A lossless stream gives up nothing because somebody is silent, who may
    /// be looking for a parent, or slow: only once the source can be asked, and nobody on the way to it has what is missing.
    private func isOverdue(at now: Instant) -> Bool {
        guard let hole = repair.hole else { return false }
        return stream.policy == .lossless
            ? hole.isUnobtainable(for: configuration.repairTimeout) : hole.deadline <= now
    }

    /// A parent of a lossless stream that neither sends what is missing, nor says that it lacks it, nor has the source
    /// asked, would be waited for without an end.
    private mutating func partWithSilentParent(at now: Instant) {
        guard stream.policy == .lossless, let hole = repair.hole, hole.quietSince + configuration.patience <= now,
            let frontier = stream.frontier
        else { return }
        let stripe = Int(frontier % UInt64(upstreams.count))
        guard case .active(let parent) = upstreams[stripe].phase else { return }
        repair.hopeAgain(at: now)
        parentStarves(stripe, parent, at: now)
    }

    /// One past the numbers from the frontier on that are here, or that nobody has although the source wrote something
    /// behind them that is here; nil if there are none. What it wrote behind all that is here may be on its way.
    private func endOfUnobtainable(among neighbours: [LinkID]) -> UInt64? {
        guard let frontier = stream.frontier, let hole = repair.hole else { return nil }
        var sequence = frontier
        var held = stream.replay.firstHeld(from: frontier)
        while sequence < hole.range.end, held < hole.written,
            sequence == held || hole.isLacked(sequence, byAll: neighbours)
        {
            if sequence == held { held = stream.replay.firstHeld(from: held + 1) }
            sequence += 1
        }
        return sequence > frontier ? sequence : nil
    }

    /// Parents first, then former parents, then the standby, then children that say that they have it.
    private func neighbours(having end: UInt64) -> [LinkID] {
        var parents = upstreams.compactMap { $0.link } + upstreams.compactMap { $0.former }
        if upstreams.count > 1 { parents = byLiveliness(parents) }
        if let usableStandby { parents.append(usableStandby) }
        let children = links.values.filter { $0.role == .child && $0.feeding.frontier >= end }.map { $0.id }
        return (parents + children).filter { links[$0]?.mode == .native }
    }

    /// Of several stripes the parents that were heard last come first: what is missing is often what one had that died.
    private func byLiveliness(_ parents: [LinkID]) -> [LinkID] {
        var sorted: [LinkID] = []
        for id in parents where !sorted.contains(id) {
            let heard = links[id]?.liveness.lastHeard ?? .zero
            let place = sorted.firstIndex { (links[$0]?.liveness.lastHeard ?? .zero) < heard }
            sorted.insert(id, at: place ?? sorted.count)
        }
        return sorted
    }

    /// What of a range has not come yet, as far as one request can name it.
    private func missing(in range: SequenceRange) -> [SequenceRange] {
        var ranges: [SequenceRange] = []
        var start = max(range.start, stream.frontier ?? 0)
        while start < range.end, ranges.count < ControlFrame.maximumRanges {
            var end = start
            while end < range.end, !stream.replay.contains(end) { end += 1 }
            if start < end { ranges.append(SequenceRange(start: start, end: end)) }
            start = end
            while start < range.end, stream.replay.contains(start) { start += 1 }
        }
        return ranges
    }

    /// What is missing below `end` becomes gaps; the stream goes on behind them.
    mutating func giveUp(below end: UInt64, at now: Instant) {
        while let frontier = stream.frontier, frontier < min(end, stream.replay.end) {
            pass(SequenceRange(start: frontier, end: min(end, stream.replay.firstHeld(from: frontier))), isSkip: false)
            advance(at: now)
        }
        pumpChildren(at: now)
        updateFlow(at: now)
        watchHole(at: now)
    }

    mutating func pass(_ range: SequenceRange, isSkip: Bool) {
        guard range.start < range.end else { return }
        counters.chunksLost = counters.chunksLost.addingSaturating(range.end - range.start)
        stream.reassembler.abandon()
        reportOversized()
        stream.frontier = range.end
        emit(.gap(Gap(range: range, isSkip: isSkip)))
    }

    /// The parent cut this peer back to a join point.
    mutating func skipped(_ range: SequenceRange, _ stripe: UInt8, by id: LinkID, at now: Instant) {
        guard let frontier = stream.frontier, Int(stripe) < upstreams.count, upstreams[Int(stripe)].isFed(by: id),
            range.end > frontier, let intake = links[id]?.intake, intake.policy == .live,
            stream.policy == .live
        else {
            counters.unexpectedFrames += 1
            return
        }
        guard range.end <= max(frontier, intake.reached(in: stripe)).addingSaturating(stream.replay.maximumChunks)
        else {
            refuse(id, at: now)
            return
        }
        links[id]?.intake.reach(range.end, in: stripe)
        upstreams[Int(stripe)].skippedBelow = range.end
        let end = endOfSkipped
        guard end > frontier else { return }
        repair.close()
        pass(SequenceRange(start: frontier, end: end), isSkip: true)
        claimPosition(end, at: now)
        advance(at: now)
        pumpChildren(at: now)
        updateFlow(at: now)
        watchHole(at: now)
    }

    /// One past what cannot be had any more, since parents have left it out: with parity it takes two of them.
    private var endOfSkipped: UInt64 {
        var (last, lastButOne) = (UInt64(0), UInt64(0))
        for upstream in upstreams {
            lastButOne = max(lastButOne, min(last, upstream.skippedBelow))
            last = max(last, upstream.skippedBelow)
        }
        return stream.hasRows ? lastButOne : last
    }

    // MARK: Answering others

    mutating func request(_ ranges: [SequenceRange], from id: LinkID, at now: Instant) {
        var missing: [SequenceRange] = []
        for range in ranges {
            let held = SequenceRange(
                start: max(range.start, stream.replay.start),
                end: min(range.end, stream.replay.end)
            )
            guard held.start < held.end else {
                missing.append(range)
                continue
            }
            if range.start < held.start { missing.append(SequenceRange(start: range.start, end: held.start)) }
            if range.end > held.end { missing.append(SequenceRange(start: held.end, end: range.end)) }
            if links[id]?.requests.add(held) == false { missing.append(held) }
        }
        obtain(missing, for: id, at: now)
        pump(id, at: now)
    }

    /// Asks for what a neighbour wants and this peer does not hold, or says that it cannot be had.
    private mutating func obtain(_ missing: [SequenceRange], for id: LinkID, at now: Instant) {
        let unobtainable = missing.filter { !fetch($0, for: id, at: now) }
        if !unobtainable.isEmpty { send(.unavailable(unobtainable), on: id, at: now) }
    }

    /// Asks the own parent for what a child lacks and this peer will not get by itself.
    private mutating func fetch(_ range: SequenceRange, for requester: LinkID, at now: Instant) -> Bool {
        guard range.end <= stream.frontier ?? 0, repair.fetches.count < Repair.maximumFetches,
            links[requester]?.role == .child,
            let parent = upstreams.compactMap({ $0.link }).first(where: { links[$0]?.mode == .native })
        else { return false }
        let deadline = now + configuration.repairTimeout
        repair.fetches.append(Repair.Fetch(range: range, askedLink: parent, requester: requester, deadline: deadline))
        counters.repairRequests += 1
        send(.request([range]), on: parent, at: now)
        return true
    }

    /// A fetched chunk came: pass it on to whoever wanted it.
    mutating func finishFetches(with sequence: UInt64) {
        guard !repair.fetches.isEmpty else { return }
        for fetch in repair.fetches where fetch.range.contains(sequence) {
            _ = links[fetch.requester]?.requests.add(SequenceRange(start: sequence, end: sequence + 1))
        }
        repair.fetches.removeAll { $0.range.end == sequence + 1 }
    }

    mutating func unavailable(_ ranges: [SequenceRange], at id: LinkID, at now: Instant) {
        if repair.lacks(id, ranges, at: now) { attemptRepair(at: now) }
        for fetch in repair.fetches where fetch.askedLink == id && ranges.contains(fetch.range) {
            send(.unavailable([fetch.range]), on: fetch.requester, at: now)
        }
        repair.fetches.removeAll { $0.askedLink == id && ranges.contains($0.range) }
    }

    mutating func serveRequests(of id: LinkID, at now: Instant) {
        guard links[id]?.requests.isEmpty == false else { return }
        fillBudget(of: id, at: now)
        guard let link = links[id] else { return }
        let limit = sendLimit(of: link)
        var requests = link.requests
        var buffered = link.queue.buffered
        var missing: [SequenceRange] = []
        while buffered < limit, let sequence = requests.next {
            let chunk = stream.replay[sequence]
            requests.spend(chunk?.frame.count ?? 0)
            guard let chunk else {
                noteMissing(sequence, in: &missing)
                continue
            }
            transmit(chunk, on: id, at: now)
            buffered += chunk.frame.count
        }
        links.update(id) { $0.requests = requests }
        obtain(missing, for: id, at: now)
    }

    /// What was asked for lies between what is held, as far as one answer can name it. What this peer is about to get itself
    /// is worth waiting for where the stream waits for nobody.
    private func noteMissing(_ sequence: UInt64, in missing: inout [SequenceRange]) {
        let frontier = stream.frontier ?? 0
        guard stream.policy == .lossless || sequence < frontier else { return }
        if let last = missing.indices.last, missing[last].end == sequence, sequence != frontier {
            missing[last].end += 1
        } else if missing.count < ControlFrame.maximumRanges {
            missing.append(SequenceRange(start: sequence, end: sequence + 1))
        }
    }

    /// How many bytes a second a neighbour may have again.
    private var budgetRate: UInt64 {
        max(stream.replay.averageRate ?? 0, UInt64(max(1, configuration.minimumRate)))
    }

    /// When a neighbour that wants more again than it may have may have some.
    var budgetDeadline: Instant {
        var next = Instant.distantFuture
        for link in links.values where !link.requests.isEmpty || link.feeding.isRepeating {
            next = min(next, link.requests.deadline(rate: budgetRate))
        }
        return next
    }

    mutating func watchBudgets(at now: Instant) {
        guard budgetDeadline <= now else { return }
        let rate = budgetRate
        for link in links.values where !link.requests.isEmpty || link.feeding.isRepeating {
            guard link.requests.deadline(rate: rate) <= now else { continue }
            fillBudget(of: link.id, at: now)
            pump(link.id, at: now)
        }
    }

    /// Lets what a neighbour may have again grow with time.
    private mutating func fillBudget(of id: LinkID, at now: Instant) {
        let rate = budgetRate
        let capacity = max(stream.replay.byteCount, ChunkHeader.maximumPayload)
        links.update(id) { $0.requests.fill(rate: rate, capacity: capacity, at: now) }
    }

    /// Takes bytes that a neighbour has again out of its budget; false if there is nothing in it.
    mutating func pay(_ bytes: Int, _ id: LinkID, at now: Instant) -> Bool {
        fillBudget(of: id, at: now)
        var isPaid = false
        links.update(id) { isPaid = $0.requests.pay(bytes) }
        return isPaid
    }

    /// A neighbour is gone: whatever it was asked is asked of others.
    mutating func forgetRepairs(by id: LinkID, at now: Instant) {
        for stripe in inquiries.indices { inquiries[stripe].forget(id) }
        for fetch in repair.forget(id, at: now) { send(.unavailable([fetch.range]), on: fetch.requester, at: now) }
    }
}

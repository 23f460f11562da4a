// Where this peer stands in the stream, and what it does when it cannot stand there.

extension Peer {
    /// Whether this peer gives the stream its numbers: the source, or whoever has a plain parent.
    var numbersStream: Bool {
        isSource
            || upstreams.contains { upstream in upstream.feedingLink.flatMap { links[$0]?.mode } == .plain }
    }

    // MARK: How far the source has got

    /// Asks how far the source has got: something here may be what it never wrote.
    ///
    /// - Parameter isUrgent: even if it was asked a moment ago, since another parent answers now.
    mutating func doubtPosition(isUrgent: Bool = false, at now: Instant) {
        let pause = isUrgent ? TimeSpan.zero : configuration.repairRequestTimeout
        // Above a parent may be somebody who has none: then another stripe leads further.
        let ways = inquiries.indices.filter { inquiredParent($0) != nil }
        let stripe = ways.first { !inquiries[$0].isUnderWay } ?? ways.first ?? 0
        guard stream.frontier != nil, !numbersStream, !stream.isStartingOver,
            inquiries[stripe].want(at: now, pause: pause)
        else { return }
        passInquiryOn(stripe, at: now)
    }

    /// A child asks.
    mutating func inquired(_ stripe: UInt8, by id: LinkID, at now: Instant) {
        guard stripe < inquiries.count else {
            counters.unexpectedFrames += 1
            return
        }
        if numbersStream {
            send(.head(stripe: stripe, next: stream.replay.end), on: id, at: now)
        } else {
            inquiries[Int(stripe)].add(id)
            passInquiryOn(Int(stripe), at: now)
        }
    }

    private mutating func passInquiryOn(_ stripe: Int, at now: Instant) {
        guard inquiries[stripe].isDue, let parent = inquiredParent(stripe) else { return }
        let held = stream.frontier.map { stream.replay.runs(from: $0, atMost: Inquiry.Standing.maximumRuns) } ?? []
        guard inquiries[stripe].ask(parent, Inquiry.Standing(frontier: stream.frontier, held: held)) else { return }
        send(.inquire(stripe: UInt8(stripe)), on: parent, at: now)
    }

    /// A question goes up the tree of one stripe, which leads to the source. From stripe to stripe it might go in a circle.
    private func inquiredParent(_ stripe: Int) -> LinkID? {
        guard stripe < upstreams.count, case .active(let link) = upstreams[stripe].phase, links[link]?.mode == .native
        else { return nil }
        return link
    }

    /// A stripe has another parent: a question that is on its way goes there, too.
    mutating func inquireAnew(_ stripe: UInt8, of id: LinkID, at now: Instant) {
        inquiries[Int(stripe)].takeBack(unless: id)
        passInquiryOn(Int(stripe), at: now)
    }

    /// The answer has come down.
    mutating func learnedHead(_ next: UInt64, _ stripe: UInt8, from id: LinkID, at now: Instant) {
        guard stripe < inquiries.count, inquiries[Int(stripe)].isOwed(by: id) else {
            counters.unexpectedFrames += 1
            return
        }
        guard let (standing, children) = inquiries[Int(stripe)].answered(by: id) else { return }
        for child in children { send(.head(stripe: stripe, next: next), on: child, at: now) }
        judge(standing, next, at: now)
        passInquiryOn(Int(stripe), at: now)
    }

    private mutating func judge(_ standing: Inquiry.Standing, _ next: UInt64, at now: Instant) {
        // What is held in a signed tree the source has written: somebody on the way of the answer lies.
        guard !needsProof || standing.firstNeverWritten(next) == nil else {
            counters.unexpectedFrames += 1
            return
        }
        guard !stream.isStartingOver, let frontier = stream.frontier, let then = standing.frontier else { return }
        guard !isPositionProven || min(then, frontier) <= next else {
            counters.unexpectedFrames += 1
            return
        }
        let neverWritten = standing.firstNeverWritten(next)
        if min(then, frontier) > next || neverWritten.map({ $0 < frontier }) == true {
            // It was passed, then or while the question was on its way.
            startOver(at: now)
        } else if let neverWritten, stream.replay.end > neverWritten {
            // It lies beyond a hole that was never there.
            stream.replay.removeAll(from: neverWritten)
            if frontier < stream.replay.start { stream.replay.reset(to: frontier) }
            repair.close()
            restartChildren(beyond: next, next: next, at: now)
            watchHole(at: now)
        } else {
            repair.confirm(below: next, interval: configuration.repairRequestTimeout, at: now)
            watchRepairs(at: now)
        }
    }

    // MARK: Starting over

    /// Nobody has what comes next here: ask every parent for a join point.
    mutating func startOver(at now: Instant) {
        stream.isStartingOver = true
        repair.removeAll()
        for index in upstreams.indices { subscribeAgain(index, at: now) }
    }

    /// What the other stripes' parents feed may be of another stream.
    mutating func subscribeAgain(allBut stripe: Int, at now: Instant) {
        for index in upstreams.indices where index != stripe { subscribeAgain(index, at: now) }
    }

    /// The parent so far goes on feeding until it answers.
    private mutating func subscribeAgain(_ index: Int, at now: Instant) {
        guard case .active(let link) = upstreams[index].phase, links[link]?.mode == .native else { return }
        partWithFormer(index, at: now)
        upstreams[index].former = link
        upstreams[index].isAskedAgain = true
        subscribe(index, on: link, at: now)
    }

    /// A parent says that what it fed does not go on.
    mutating func restarted(_ stripe: UInt8, _ next: UInt64, by id: LinkID, at now: Instant) {
        let index = Int(stripe)
        guard index < upstreams.count, upstreams[index].phase == .active(id) else {
            counters.unexpectedFrames += 1
            return
        }
        // What it never had cannot have come by it. But this peer may have come here a moment ago, ahead of it.
        if let frontier = stream.frontier, frontier > next, !isPositionProven {
            startOver(at: now)
        } else {
            subscribeAgain(index, at: now)
        }
    }

    /// The stream begins at `start` from now on: nothing of what was before can be continued.
    mutating func replaceStream(by streamID: UInt64, at start: UInt64, next: UInt64, _ now: Instant) {
        stream.id = streamID
        stream.isStartingOver = false
        stream.replay.reset(to: start)
        stream.retained.removeAll()
        stream.reassembler.abandon()
        _ = stream.reassembler.takeOversized()
        repair.removeAll()
        stream.frontier = start
        stream.reading.begin(at: start)
        emit(.gap(Gap(range: nil, isSkip: false)))
        resume()
        restartChildren(next: next, at: now)
    }

    /// The parent no longer has what comes next, by far: nobody will have it.
    mutating func jump(to start: UInt64, at now: Instant) {
        guard let frontier = stream.frontier, frontier < start else { return }
        pass(SequenceRange(start: frontier, end: start), isSkip: false)
        stream.replay.reset(to: start)
        repair.removeAll()
        restartChildren(next: start, at: now)
    }

    /// The stream goes on behind what was said to be its end.
    mutating func resume() {
        ending.sequence = nil
        ending.isSubtreeTold = false
        if ending.resume() { emit(.resumed) }
    }
}

// The side toward the parents: assignments, make before break, flow control.

extension Peer {
    mutating func assign(_ remote: RemoteID, _ stripe: UInt8, _ epoch: UInt32, at now: Instant) {
        let index = Int(stripe)
        guard index < upstreams.count, !ending.isFinal, departure.isStaying else { return }
        upstreams[index].epoch = epoch
        let isStandbyOnItsWay = backup.standby?.isConnecting(to: remote) ?? false
        noteParent(remote)
        let isSame = upstreams[index].remote == remote
        if isSame, case .active = upstreams[index].phase {
            emit(.attached(stripe: stripe, epoch: epoch))
            return
        }
        if isSame, case .connecting = upstreams[index].phase { return }
        if isSame, case .subscribing = upstreams[index].phase {
            // The server waits to hear that this assignment, too, is carried out.
            upstreams[index].isAskedAgain = false
            return
        }
        if returnToFormer(index, remote, at: now) { return }
        abandonAttempt(index, at: now)
        keepFormer(index, at: now)
        // One link carries all stripes that come from the same parent.
        let isUnderWay = isStandbyOnItsWay || isConnecting(to: remote)
        upstreams[index].remote = remote
        if let link = parentLink(to: remote) {
            subscribe(index, on: link, at: now)
        } else {
            connect(index, to: remote, isUnderWay: isUnderWay, at: now)
        }
    }

    /// The server has nobody better than the parent that this peer turns away from: whoever it has turned to meanwhile feeds
    /// it, if it will, until that one does.
    private mutating func returnToFormer(_ index: Int, _ remote: RemoteID, at now: Instant) -> Bool {
        guard let former = upstreams[index].former, let link = upstreams[index].link, former != link,
            links[former]?.remote == remote
        else { return false }
        if case .subscribing(_, let deadline) = upstreams[index].phase {
            let question = upstreams[index].question(to: link)
            upstreams[index].attempts.expectAnswer(
                of: Attempts.Late(link: link, question: question, deadline: deadline)
            )
        }
        upstreams[index].former = link
        upstreams[index].remote = remote
        upstreams[index].isAskedAgain = false
        subscribe(index, on: former, at: now)
        return true
    }

    /// Make before break: the parent so far goes on feeding until the new one does. One that has sent nothing yet is not
    /// worth as much as the one before it.
    private mutating func keepFormer(_ index: Int, at now: Instant) {
        guard case .active(let link) = upstreams[index].phase else { return }
        guard let former = upstreams[index].former, former != link else {
            upstreams[index].former = link
            return
        }
        let isProven = upstreams[index].isProven
        upstreams[index].former = isProven ? link : former
        upstreams[index].phase = .waiting(retry: .distantFuture)
        stop(index, on: isProven ? former : link, at: now)
    }

    /// The new parent feeds: the one before it is not needed any more.
    mutating func partWithFormer(_ index: Int, at now: Instant) {
        guard let former = upstreams[index].former, former != upstreams[index].link else { return }
        upstreams[index].former = nil
        stop(index, on: former, at: now)
    }

    /// Has a parent feed a stripe no longer.
    mutating func stop(_ index: Int, on link: LinkID, at now: Instant) {
        send(.unsubscribe(stripe: UInt8(index)), on: link, at: now)
        closeIfUnused(link, at: now)
    }

    func parentLink(to remote: RemoteID) -> LinkID? {
        links.values.first { $0.role == .parent && $0.remote == remote && $0.mode == .native }?.id
    }

    mutating func parentOpened(_ id: LinkID, _ remote: RemoteID, _ mode: LinkMode, at now: Instant) {
        var isWanted = false
        for index in upstreams.indices where upstreams[index].remote == remote {
            guard case .connecting = upstreams[index].phase else { continue }
            guard mode == .native || !needsProof else {
                // It has no proof of anything.
                orphan(index, .refused, at: now)
                continue
            }
            isWanted = true
            switch mode {
            case .native: subscribe(index, on: id, at: now)
            case .plain: adoptPlainParent(index, id, at: now)
            }
        }
        for index in upstreams.indices where openedLate(index, id, remote, mode, at: now) { isWanted = true }
        if !isWanted, !standbyOpened(id, remote, mode) { lose(id, .closed, closing: true, at: now) }
    }

    mutating func subscribe(_ index: Int, on link: LinkID, at now: Instant) {
        // As a standby's link it was to give a sign of life far more seldom than as a parent's.
        if !upstreams.contains(where: { $0.link == link || $0.former == link }) {
            links[link]?.liveness.lastHeard = now
        }
        if upstreams[index].attempts.late?.link == link { upstreams[index].attempts.answered() }
        upstreams[index].phase = .subscribing(link, deadline: now + configuration.subscribeTimeout)
        ask(index, on: link, at: now)
    }

    /// Asks a parent to feed a stripe.
    mutating func ask(_ index: Int, on link: LinkID, at now: Instant) {
        let start: SubscriptionStart
        if let frontier = stream.frontier, !stream.isStartingOver {
            start = .sequence(frontier)
        } else {
            start = .joinPoint
        }
        let window = unclaimedWindow
        upstreams[index].note(SubscriptionQuestion(start: start, window: window), to: link)
        let frame = ControlFrame.subscribe(
            stripe: UInt8(index),
            start: start,
            window: window,
            streamID: start == .joinPoint ? 0 : stream.id
        )
        send(frame, on: link, at: now)
    }

    private mutating func adoptPlainParent(_ index: Int, _ id: LinkID, at now: Instant) {
        if stream.frontier == nil {
            stream.policy = .paced
            begin(at: 0, now)
        } else if writing.chunker.nextSequence != stream.replay.end {
            // The numbers so far came from the source; a plain parent has none. Its messages are another stream.
            let start = writing.chunker.nextSequence
            replaceStream(by: stream.id &+ 0x9E37_79B9_7F4A_7C15, at: start, next: start, now)
        }
        activate(index, id, at: now)
    }

    mutating func subscribed(_ id: LinkID, _ answer: SubscriptionAnswer, at now: Instant) {
        let index = Int(answer.stripe)
        guard index < upstreams.count, upstreams[index].awaitsAnswer(of: id) else {
            counters.unexpectedFrames += 1
            return
        }
        if stream.isStartingOver, upstreams[index].question(to: id).start != .joinPoint {
            // It was asked before this peer knew that its position is impossible.
            ask(index, on: id, at: now)
            return
        }
        guard !contradictsOthers(answer) else {
            counters.unexpectedFrames += 1
            dismiss(id, .protocolError, .closed, at: now)
            return
        }
        guard believes(answer, from: id, at: now) else { return }
        let question = upstreams[index].question(to: id)
        guard isPossible(answer, to: question) else {
            counters.unexpectedFrames += 1
            dismiss(id, .protocolError, .notForwarding, at: now)
            return
        }
        take(answer, to: question, from: id, at: now)
        if upstreams[index].attempts.late?.link == id {
            admitLate(index, id, at: now)
        } else {
            activate(index, id, at: now)
        }
        sendCredit(on: id, forced: true, at: now)
        inquireAnew(answer.stripe, of: id, at: now)
        // With stripes, what was never written can lie ahead of the frontier, and keep out what will be.
        if let frontier = stream.frontier, answer.next < max(frontier, stream.replay.end) {
            doubtPosition(isUrgent: true, at: now)
        }
        watchHole(at: now)
    }

    /// Whether the parent of a further stripe has another stream than this peer is fed. Which of them is the source's
    /// the first one that is fed tells: should each bind the others, peers that were deceived would go on deceiving each
    /// other, since every one of them is above the others in some stripe.
    private func contradictsOthers(_ answer: SubscriptionAnswer) -> Bool {
        stream.frontier != nil && !stream.isStartingOver && answer.streamID != stream.id
            && isFedStripe(before: Int(answer.stripe))
    }

    private func isPossible(_ answer: SubscriptionAnswer, to question: SubscriptionQuestion) -> Bool {
        guard case .sequence(let asked) = question.start, answer.streamID == stream.id else {
            return answer.start <= answer.next
        }
        return answer.start == asked || (answer.start > asked && answer.start <= answer.next)
    }

    private func isFedStripe(before index: Int) -> Bool {
        upstreams[..<index].contains { if case .active = $0.phase { true } else { false } }
    }

    /// What the parent of the first stripe that is fed says of the stream holds for this peer; what a further one says, for
    /// its own link.
    private mutating func take(
        _ answer: SubscriptionAnswer,
        to question: SubscriptionQuestion,
        from id: LinkID,
        at now: Instant
    ) {
        let isAnew = stream.frontier == nil || stream.isStartingOver || answer.streamID != stream.id
        let (formerID, formerPolicy) = (stream.id, stream.policy)
        if !isFedStripe(before: Int(answer.stripe)) { stream.policy = answer.policy }
        let (limits, stripe) = (configuration, answer.stripe)
        links[id]?.intake.begin(
            answer.policy,
            stripe,
            at: answer.start,
            window: question.window,
            isAnew: isAnew,
            limits
        )
        let before = isAnew ? nil : stream.frontier
        if stream.frontier == nil {
            stream.id = answer.streamID
            begin(at: answer.start, now)
        } else if isAnew {
            replaceStream(by: answer.streamID, at: answer.start, next: answer.next, now)
            if answer.streamID != formerID { subscribeAgain(allBut: Int(answer.stripe), at: now) }
        } else if let frontier = stream.frontier,
            answer.start > frontier.addingSaturating(stream.replay.maximumChunks / 2)
        {
            jump(to: answer.start, at: now)
        } else if stream.policy != formerPolicy {
            restartChildren(next: answer.next, at: now)
        }
        // Whoever goes on where it stands is not there by this parent's word.
        if stream.frontier == answer.start, before != answer.start { claimPosition(answer.start, at: now) }
    }

    private mutating func activate(_ index: Int, _ id: LinkID, at now: Instant) {
        guard upstreams[index].phase != .active(id) else { return }
        finishAttempts(index)
        upstreams[index].phase = .active(id)
        upstreams[index].isProven = false
        backup.pull.fed(at: now)
        upstreams[index].starvation = Starvation()
        upstreams[index].skippedBelow = 0
        pulse.forget()
        let isKnown = upstreams[index].isAskedAgain && upstreams[index].former == id
        upstreams[index].isAskedAgain = false
        if !isKnown {
            emit(.attached(stripe: UInt8(index), epoch: upstreams[index].epoch))
            if let remote = upstreams[index].remote { emit(.upstream(remote)) }
        }
        // It may have come back to the very parent that it was about to leave. A plain one has no chunks to wait for.
        if upstreams[index].former == id { upstreams[index].former = nil }
        if links[id]?.mode == .plain { partWithFormer(index, at: now) }
    }

    /// This peer knows now where it begins: children that waited for that can be fed.
    private mutating func begin(at start: UInt64, _ now: Instant) {
        stream.replay.reset(to: start)
        stream.frontier = start
        stream.isStartingOver = false
        stream.reading.begin(at: start)
        startWaitingChildren(at: now)
        sayStreamToWards(at: now)
    }

    /// Closes a parent's link that feeds nothing any more, unless it is kept as that of the standby.
    mutating func closeIfUnused(_ id: LinkID, at now: Instant) {
        let isUsed = upstreams.contains { $0.link == id || $0.former == id }
        guard !isUsed else { return }
        if id == backup.standby?.link {
            if let remote = links[id]?.remote { emit(.neighbourGone(remote, .parent)) }
            return
        }
        guard let link = links.removeValue(forKey: id) else { return }
        if link.mode == .native { emit(.send(id, Buffer(bytes: ControlFrame.close(.moved).encoded()))) }
        emit(.close(id))
        emit(.neighbourGone(link.remote, .parent))
        forgetRepairs(by: id, at: now)
    }

    // MARK: Losing a parent

    mutating func parentLost(_ id: LinkID, _ reason: LossReason, at now: Instant) {
        for index in upstreams.indices {
            if upstreams[index].former == id { upstreams[index].former = nil }
            if upstreams[index].link == id {
                counters.parentsLost += 1
                orphan(index, reason, at: now)
            }
        }
        if ending.deadline != nil, !upstreams.contains(where: { $0.link != nil || $0.former != nil }) {
            end(.sourceLost)
        }
    }

    /// The parent said that it will leave: it stays the former one until a new one feeds.
    mutating func parentLeaves(_ id: LinkID, at now: Instant) {
        for index in upstreams.indices where upstreams[index].link == id {
            // One that has not begun to feed does not take the place of one that does.
            if upstreams[index].former == nil { upstreams[index].former = id }
            orphan(index, .closed, at: now)
        }
        closeIfUnused(id, at: now)
    }

    /// The parent is there, and does not forward: another one is needed. Until that feeds this one may send what it likes,
    /// unless there is a former one that does.
    mutating func parentStarves(_ index: Int, _ id: LinkID, at now: Instant) {
        counters.starvations += 1
        counters.parentsLost += 1
        let former = upstreams[index].former
        if former == nil { upstreams[index].former = id }
        orphan(index, .notForwarding, at: now)
        if former != nil, former != id { stop(index, on: id, at: now) }
    }

    mutating func orphan(_ index: Int, _ reason: LossReason, at now: Instant) {
        let isNew = if case .waiting = upstreams[index].phase { false } else { true }
        let isLost = !ending.isFinal && departure.isStaying
        if isLost, !ending.isTold, promote(index, reason, at: now) { return }
        upstreams[index].phase = .waiting(retry: now + configuration.orphanRetry)
        // Who has the end is about to go, like the parent; only one that stays asks whether there was more.
        guard isLost, !ending.isTold || !isNew else { return }
        emit(.orphaned(stripe: UInt8(index), epoch: upstreams[index].epoch, reason))
    }

    var upstreamDeadline: Instant {
        guard !ending.isFinal, departure.isStaying else { return .distantFuture }
        return upstreams.indices.reduce(.distantFuture) { next, index in
            min(next, min(upstreams[index].deadline, attemptDeadline(index)))
        }
    }

    mutating func watchUpstreams(at now: Instant) {
        guard !ending.isFinal, departure.isStaying else { return }
        for index in upstreams.indices {
            watchAttempts(index, at: now)
            switch upstreams[index].phase {
            case .waiting(let retry) where retry <= now:
                orphan(index, .closed, at: now)
            case .connecting(let deadline) where deadline <= now:
                let remote = upstreams[index].remote
                orphan(index, .unreachable, at: now)
                if let remote { cancelConnecting(to: remote) }
            case .subscribing(let link, let deadline) where deadline <= now && link == backup.standby?.link:
                // It has no slot, and answers questions all the same.
                send(.unsubscribe(stripe: UInt8(index)), on: link, at: now)
                orphan(index, .closed, at: now)
            case .subscribing(let link, let deadline) where deadline <= now:
                lose(link, .notForwarding, closing: true, at: now)
            case .waiting, .connecting, .subscribing, .active:
                break
            }
        }
    }

    // MARK: Flow control toward the parents

    /// How far a parent may send: as far as the slowest child and the application allow.
    private func creditLimit(for link: Link) -> UInt64 {
        link.intake.policy == .lossless ? losslessLimit : .max
    }

    /// How far a lossless stream may run.
    var losslessLimit: UInt64 {
        let base = stream.reading.base(frontier: stream.frontier ?? 0)
        return min(base.addingSaturating(UInt64(configuration.window)), gate)
    }

    /// What a parent may send before it hears of credit. One parent after the other must not bring a window each to an
    /// application that takes nothing.
    private var unclaimedWindow: UInt32 {
        guard stream.policy == .lossless, let frontier = stream.frontier, !stream.isStartingOver else {
            return configuration.window
        }
        let limit = losslessLimit
        return limit > frontier ? min(UInt32(clamping: limit - frontier), configuration.window) : 0
    }

    /// Grants parents more once enough has been used up, and wakes a waiting publisher.
    mutating func updateFlow(at now: Instant) {
        if writing.isBlocked, isWritable {
            writing.isBlocked = false
            emit(.writable)
        }
        sendCreditToParents(at: now)
    }

    /// Those that are about to be left have a say in the flow as long as they feed.
    mutating func sendCreditToParents(at now: Instant) {
        for upstream in upstreams {
            for case let link? in [upstream.link, upstream.former] {
                sendCredit(on: link, forced: false, at: now, threshold: true)
            }
        }
    }

    /// - Parameters:
    ///   - forced: send even if nothing changed.
    ///   - threshold: send only if a quarter of the window was used up since the last time.
    mutating func sendCredit(on id: LinkID, forced: Bool, at now: Instant, threshold: Bool = false) {
        guard let link = links[id], link.mode == .native, let frontier = stream.frontier else { return }
        let limit = creditLimit(for: link)
        let complete = isComplete(below: id)
        let granted = link.intake.granted
        let isNew = granted != (limit, frontier, complete)
        let quarter = UInt64(configuration.window / 4)
        let isMuch =
            complete != granted.complete
            || (link.intake.policy == .lossless && limit >= granted.limit && limit - granted.limit >= quarter)
        guard forced || (threshold ? isMuch : isNew) else { return }
        // What a parent was not allowed to send is missed from now on only.
        if limit > granted.limit, granted.limit <= frontier { backup.pull.fed(at: now) }
        links[id]?.intake.grant(limit, frontier: frontier, complete: complete)
        send(.credit(limit: limit, frontier: frontier, complete: complete), on: id, at: now)
    }
}

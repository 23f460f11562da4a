// The side toward the parents: assignments, make before break, flow control.

extension Peer {
    mutating func assign(_ remote: RemoteID, _ stripe: UInt8, _ epoch: UInt32, at now: Instant) {
        let index = Int(stripe)
        guard index < upstreams.count, !hasEnded, leaveDeadline == nil else { return }
        upstreams[index].epoch = epoch
        let isSame = upstreams[index].remote == remote
        if isSame, case .active = upstreams[index].phase {
            emit(.attached(stripe: stripe, epoch: epoch))
            return
        }
        if isSame, case .connecting = upstreams[index].phase { return }
        if isSame, case .subscribing = upstreams[index].phase { return }
        abandonAttempt(index)
        keepFormer(index, at: now)
        upstreams[index].remote = remote
        if let link = parentLink(to: remote) {
            subscribe(index, on: link, at: now)
        } else {
            upstreams[index].phase = .connecting(deadline: now + configuration.connectTimeout)
            emit(.connect(remote))
        }
    }

    /// Make before break: the parent so far goes on feeding until the new one does.
    private mutating func keepFormer(_ index: Int, at now: Instant) {
        guard case .active(let link) = upstreams[index].phase else { return }
        if let former = upstreams[index].former, former != link {
            upstreams[index].former = nil
            closeIfUnused(former, at: now)
        }
        upstreams[index].former = link
    }

    /// Gives up a connection that is still being made, unless another stripe waits for it too.
    private mutating func abandonAttempt(_ index: Int) {
        guard let remote = upstreams[index].remote else { return }
        switch upstreams[index].phase {
        case .connecting:
            upstreams[index].remote = nil
            if !isConnecting(to: remote) { emit(.cancelConnect(remote)) }
        case .subscribing(let link, _):
            upstreams[index].phase = .waiting(retry: .distantFuture)
            closeIfUnused(link)
        case .waiting, .active:
            break
        }
    }

    private func isConnecting(to remote: RemoteID) -> Bool {
        upstreams.contains {
            if case .connecting = $0.phase { return $0.remote == remote }
            return false
        }
    }

    private func parentLink(to remote: RemoteID) -> LinkID? {
        links.values.first { $0.role == .parent && $0.remote == remote && $0.mode == .native }?.id
    }

    mutating func parentOpened(_ id: LinkID, _ remote: RemoteID, _ mode: LinkMode, at now: Instant) {
        var isWanted = false
        for index in upstreams.indices where upstreams[index].remote == remote {
            guard case .connecting = upstreams[index].phase else { continue }
            isWanted = true
            switch mode {
            case .native: subscribe(index, on: id, at: now)
            case .plain: adoptPlainParent(index, id, at: now)
            }
        }
        if !isWanted { lose(id, .closed, closing: true, at: now) }
    }

    private mutating func subscribe(_ index: Int, on link: LinkID, at now: Instant) {
        upstreams[index].phase = .subscribing(link, deadline: now + configuration.subscribeTimeout)
        let start: SubscriptionStart = frontier.map { .sequence($0) } ?? .joinPoint
        let frame = ControlFrame.subscribe(
            stripe: UInt8(index),
            start: start,
            window: configuration.window,
            streamID: frontier == nil ? 0 : streamID
        )
        send(frame, on: link, at: now)
    }

    private mutating func adoptPlainParent(_ index: Int, _ id: LinkID, at now: Instant) {
        if frontier == nil {
            policy = .paced
            begin(at: 0, now)
        } else if chunker.nextSequence != replay.end {
            // The numbers so far came from the source; a plain parent has none. Its messages are another stream.
            replaceStream(by: streamID &+ 0x9E37_79B9_7F4A_7C15, at: chunker.nextSequence, now)
        }
        activate(index, id, at: now)
    }

    mutating func subscribed(
        _ id: LinkID,
        _ stripe: UInt8,
        _ policy: StreamPolicy,
        streamID: UInt64,
        start: UInt64,
        at now: Instant
    ) {
        let index = Int(stripe)
        guard index < upstreams.count, upstreams[index].link == id else {
            counters.unexpectedFrames += 1
            return
        }
        self.policy = policy
        if frontier == nil {
            self.streamID = streamID
            begin(at: start, now)
        } else if self.streamID != streamID {
            replaceStream(by: streamID, at: start, now)
        }
        activate(index, id, at: now)
        sendCredit(on: id, forced: true, at: now)
        watchHole(at: now)
    }

    private mutating func activate(_ index: Int, _ id: LinkID, at now: Instant) {
        guard upstreams[index].phase != .active(id) else { return }
        upstreams[index].phase = .active(id)
        emit(.attached(stripe: UInt8(index), epoch: upstreams[index].epoch))
        if let remote = upstreams[index].remote { emit(.upstream(remote)) }
        if let former = upstreams[index].former {
            upstreams[index].former = nil
            // It may have come back to the very parent that it was about to leave.
            guard former != id else { return }
            send(.unsubscribe(stripe: UInt8(index)), on: former, at: now)
            closeIfUnused(former, at: now)
        }
    }

    /// This peer knows now where it begins: children that waited for that can be fed.
    private mutating func begin(at start: UInt64, _ now: Instant) {
        replay.reset(to: start)
        frontier = start
        consumed = max(consumed, start)
        startWaitingChildren(at: now)
    }

    /// The new parent carries another stream: nothing of the old one can be continued.
    private mutating func replaceStream(by streamID: UInt64, at start: UInt64, _ now: Instant) {
        self.streamID = streamID
        replay.reset(to: start)
        retained.removeAll()
        reassembler.abandon()
        hole = nil
        fetches.removeAll()
        frontier = start
        consumed = start
        emit(.gap(Gap(range: nil, isSkip: false)))
        restartChildren(at: now)
    }

    private mutating func closeIfUnused(_ id: LinkID, at now: Instant = .zero) {
        let isUsed = upstreams.contains { $0.link == id || $0.former == id }
        guard !isUsed, let link = removeLink(id) else { return }
        if link.mode == .native { emit(.send(id, Buffer(bytes: ControlFrame.close(.moved).encoded()))) }
        emit(.close(id))
        emit(.neighbourGone(link.remote, .parent))
    }

    // MARK: Losing a parent

    mutating func connectFailed(_ remote: RemoteID, _ reason: LossReason, at now: Instant) {
        for index in upstreams.indices where upstreams[index].remote == remote {
            guard case .connecting = upstreams[index].phase else { continue }
            orphan(index, reason, at: now)
        }
    }

    mutating func parentLost(_ id: LinkID, _ reason: LossReason, at now: Instant) {
        for index in upstreams.indices {
            if upstreams[index].former == id { upstreams[index].former = nil }
            if upstreams[index].link == id {
                counters.parentsLost += 1
                orphan(index, reason, at: now)
            }
        }
        if endDeadline != nil, !upstreams.contains(where: { $0.link != nil || $0.former != nil }) { end(.sourceLost) }
    }

    /// The parent said that it will leave: it stays the former one until a new one feeds.
    mutating func parentLeaves(_ id: LinkID, at now: Instant) {
        for index in upstreams.indices where upstreams[index].link == id {
            upstreams[index].former = id
            orphan(index, .closed, at: now)
        }
    }

    private mutating func orphan(_ index: Int, _ reason: LossReason, at now: Instant) {
        upstreams[index].phase = .waiting(retry: now + configuration.orphanRetry)
        guard !hasEnded, leaveDeadline == nil else { return }
        emit(.orphaned(stripe: UInt8(index), epoch: upstreams[index].epoch, reason))
    }

    mutating func watchUpstreams(at now: Instant) {
        guard !hasEnded, leaveDeadline == nil else { return }
        for index in upstreams.indices {
            switch upstreams[index].phase {
            case .waiting(let retry) where retry <= now:
                orphan(index, .closed, at: now)
            case .connecting(let deadline) where deadline <= now:
                let remote = upstreams[index].remote
                orphan(index, .unreachable, at: now)
                if let remote, !isConnecting(to: remote) { emit(.cancelConnect(remote)) }
            case .subscribing(let link, let deadline) where deadline <= now:
                lose(link, .notForwarding, closing: true, at: now)
            case .waiting, .connecting, .subscribing, .active:
                break
            }
        }
    }

    // MARK: Flow control toward the parents

    /// How far a parent may send: as far as the slowest child and the application allow.
    private var creditLimit: UInt64 {
        guard policy == .lossless else { return .max }
        let ownLimit = max(consumed, replay.start) + UInt64(configuration.window)
        return min(ownLimit, gate)
    }

    /// Grants parents more once enough has been used up, and wakes a waiting publisher.
    mutating func updateFlow(at now: Instant) {
        if isPublishingBlocked, isWritable {
            isPublishingBlocked = false
            emit(.writable)
        }
        for upstream in upstreams {
            if let link = upstream.link { sendCredit(on: link, forced: false, at: now, threshold: true) }
        }
    }

    /// - Parameters:
    ///   - forced: send even if nothing changed.
    ///   - threshold: send only if a quarter of the window was used up since the last time.
    mutating func sendCredit(on id: LinkID, forced: Bool, at now: Instant, threshold: Bool = false) {
        guard let link = links[id], link.mode == .native, let frontier else { return }
        let limit = creditLimit
        let complete = isSubtreeComplete
        let isNew = link.granted != (limit, frontier, complete)
        let quarter = UInt64(configuration.window / 4)
        let isMuch =
            complete != link.granted.complete
            || (policy == .lossless && limit >= link.granted.limit && limit - link.granted.limit >= quarter)
        guard forced || (threshold ? isMuch : isNew) else { return }
        links[id]?.granted = (limit, frontier, complete)
        send(.credit(limit: limit, frontier: frontier, complete: complete), on: id, at: now)
    }
}

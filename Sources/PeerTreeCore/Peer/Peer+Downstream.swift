// The side toward the children: subscriptions, feeding, slow children.

extension Peer {
    mutating func childOpened(_ id: LinkID, _ mode: LinkMode, at now: Instant) {
        guard mode == .plain, let remote = links[id]?.remote else { return }
        let subscription = Subscription(
            stripe: 0,
            requestedStart: .joinPoint,
            streamID: 0,
            window: configuration.window
        )
        links[id]?.subscriptions = [subscription]
        emit(.downstream(remote, id))
        start(id, 0, at: now)
    }

    mutating func subscribe(
        _ id: LinkID,
        _ stripe: UInt8,
        _ start: SubscriptionStart,
        window: UInt32,
        streamID: UInt64,
        at now: Instant
    ) {
        guard var link = links[id] else { return }
        guard stripe < configuration.stripes else {
            counters.unexpectedFrames += 1
            return
        }
        let isFirst = link.subscriptions.isEmpty
        link.subscriptions.removeAll { $0.stripe == stripe }
        let subscription = Subscription(
            stripe: stripe,
            requestedStart: start,
            streamID: streamID,
            window: min(max(window, 1), configuration.window)
        )
        link.subscriptions.append(subscription)
        link.lastProgress = now
        let index = link.subscriptions.count - 1
        links[id] = link
        if isFirst { emit(.downstream(link.remote, id)) }
        self.start(id, index, at: now)
    }

    /// Begins to feed a subscription, if this peer knows its own position.
    private mutating func start(_ id: LinkID, _ index: Int, at now: Instant) {
        guard let frontier, let link = links[id] else { return }
        let subscription = link.subscriptions[index]
        let (position, isNewcomer) = startPosition(of: subscription)
        let lag = replay.end > position ? replay.end - position : 0
        links[id]?.subscriptions[index].cursor = position
        links[id]?.subscriptions[index].allowance = UInt64(subscription.window) + lag
        links[id]?.creditLimit = policy == .lossless ? position + UInt64(subscription.window) : .max
        links[id]?.isComplete = false
        if link.mode == .native {
            let frame = ControlFrame.subscribed(
                stripe: subscription.stripe,
                policy: policy,
                streamID: streamID,
                start: position,
                next: max(frontier, replay.end)
            )
            send(frame, on: id, at: now)
        }
        if subscription.stripe == 0, isNewcomer { sendRetained(on: id, before: position, at: now) }
        pump(id, at: now)
        noteCompletion(at: now)
    }

    private func startPosition(of subscription: Subscription) -> (position: UInt64, isNewcomer: Bool) {
        switch subscription.requestedStart {
        case .sequence(let sequence) where subscription.streamID == streamID:
            return (max(sequence, replay.start), sequence < replay.start)
        case .sequence, .joinPoint:
            return (replay.newestJoinPoint ?? (replay.start == 0 ? 0 : replay.end), true)
        }
    }

    private mutating func sendRetained(on id: LinkID, before position: UInt64, at now: Instant) {
        for message in retained.inStreamOrder {
            guard let first = message.first?.header.sequence, first < position else { continue }
            sendRetained(message, on: id, at: now)
        }
    }

    mutating func sendRetained(_ message: [Chunk], on id: LinkID, at now: Instant) {
        guard let link = links[id], link.subscriptions.contains(where: { $0.cursor != nil }) else { return }
        switch link.mode {
        case .native: message.forEach { transmit($0, on: id, at: now) }
        case .plain: transmit(Message(message), on: id, at: now)
        }
    }

    mutating func startWaitingChildren(at now: Instant) {
        for link in links.values where link.role == .child {
            for (index, subscription) in link.subscriptions.enumerated() where subscription.cursor == nil {
                start(link.id, index, at: now)
            }
        }
    }

    /// The stream was replaced: every child begins anew.
    mutating func restartChildren(at now: Instant) {
        for link in links.values where link.role == .child {
            links[link.id]?.requested.removeAll()
            for index in link.subscriptions.indices { start(link.id, index, at: now) }
        }
    }

    mutating func credit(_ id: LinkID, limit: UInt64, frontier: UInt64, complete: Bool, at now: Instant) {
        guard var link = links[id], frontier <= replay.end else { return }
        if policy == .lossless { link.creditLimit = limit }
        if frontier > link.frontier { link.lastProgress = now }
        link.frontier = frontier
        link.isComplete = complete && endSequence.map { frontier > $0 } == true
        links[id] = link
        pump(id, at: now)
        updateFlow(at: now)
        noteCompletion(at: now)
        finishLeaving(at: now)
    }

    /// Tells the parents, or the source's driver, once everything below has everything.
    mutating func noteCompletion(at now: Instant) {
        guard endSequence != nil else { return }
        let plain = links.values.filter { $0.role == .child && $0.mode == .plain }
        for link in plain {
            let isServed = link.subscriptions.allSatisfy { ($0.cursor ?? 0) > (endSequence ?? .max) }
            links[link.id]?.isComplete = isServed && link.buffered == 0
        }
        let complete = isSubtreeComplete
        if complete, !saidComplete { emit(.subtreeComplete) }
        saidComplete = complete
        for upstream in upstreams {
            if let link = upstream.link { sendCredit(on: link, forced: false, at: now, threshold: true) }
        }
    }

    // MARK: Feeding

    mutating func pumpChildren(at now: Instant) {
        for id in children { pump(id, at: now) }
    }

    /// Sends a neighbour what it wants, as far as its credit and its send queue allow.
    mutating func pump(_ id: LinkID, at now: Instant) {
        serveRequests(of: id, at: now)
        guard let link = links[id], link.role == .child else { return }
        for index in link.subscriptions.indices {
            guard let cursor = link.subscriptions[index].cursor else { continue }
            switch link.mode {
            case .native: feed(id, index, from: cursor, at: now)
            case .plain: feedPlain(id, index, from: cursor, at: now)
            }
        }
    }

    private mutating func feed(_ id: LinkID, _ index: Int, from start: UInt64, at now: Instant) {
        guard let link = links[id] else { return }
        var cursor = start
        if cursor < replay.start {
            guard let resumed = fellBehind(id, index, at: now) else { return }
            cursor = resumed
        }
        let stripe = link.subscriptions[index].stripe
        var buffered = link.buffered
        while buffered < configuration.highWater,
            let chunk = nextChunk(of: stripe, from: cursor), chunk.header.sequence < link.creditLimit
        {
            transmit(chunk, on: id, at: now)
            buffered += chunk.frame.count
            cursor = chunk.header.sequence + 1
        }
        links[id]?.subscriptions[index].cursor = cursor
        if policy == .live, buffered >= configuration.highWater { skipIfLagging(id, index, at: now) }
    }

    /// The chunk of a stripe that comes next for someone who has everything below `cursor`; nil if it is not here yet,
    /// or if something before it may still be repaired.
    private func nextChunk(of stripe: UInt8, from cursor: UInt64) -> Chunk? {
        let known = frontier ?? 0
        var sequence = cursor
        while sequence < replay.end {
            guard let chunk = replay[sequence] else {
                if sequence >= known, configuration.stripes == 1 { return nil }
                sequence += 1
                continue
            }
            if chunk.header.stripe == stripe {
                let previous = sequence - UInt64(chunk.header.distanceToPrevious)
                let follows = previous == sequence || previous < cursor || previous < known
                return follows ? chunk : nil
            }
            sequence += 1
        }
        return nil
    }

    /// Feeds a plain child: whole messages only, whichever stripe they came by.
    private mutating func feedPlain(_ id: LinkID, _ index: Int, from start: UInt64, at now: Instant) {
        guard let link = links[id] else { return }
        var cursor = max(start, replay.start)
        var buffered = link.buffered
        let known = frontier ?? 0
        while buffered < configuration.highWater, cursor < known {
            switch message(at: cursor, below: known) {
            case .whole(let message):
                transmit(message, on: id, at: now)
                buffered += message.count
                cursor = message.lastSequence + 1
            case .nothing:
                cursor += 1
            case .growing:
                links[id]?.subscriptions[index].cursor = cursor
                return
            }
        }
        links[id]?.subscriptions[index].cursor = cursor
    }

    private enum MessageSearch {
        /// All chunks are here.
        case whole(Message<Buffer>)
        /// No message starts here, or a part of it was given up.
        case nothing
        /// The rest is still to come.
        case growing
    }

    private func message(at sequence: UInt64, below known: UInt64) -> MessageSearch {
        guard let first = replay[sequence], first.header.flags.contains(.first),
            !first.header.flags.contains(.endOfStream)
        else { return .nothing }
        var chunks = [first]
        while !chunks[chunks.count - 1].header.flags.contains(.last) {
            let next = sequence + UInt64(chunks.count)
            guard next < known else { return .growing }
            guard let chunk = replay[next] else { return .nothing }
            chunks.append(chunk)
        }
        return .whole(Message(chunks))
    }

    mutating func transmit(_ chunk: Chunk, on id: LinkID, at now: Instant) {
        links[id]?.buffered += chunk.frame.count
        links[id]?.lastSent = now
        counters.chunksSent += 1
        counters.bytesSent += UInt64(chunk.frame.count)
        emit(.send(id, chunk.frame))
    }

    private mutating func transmit(_ message: Message<Buffer>, on id: LinkID, at now: Instant) {
        links[id]?.buffered += message.count
        links[id]?.lastSent = now
        counters.chunksSent += UInt64(message.parts.count)
        counters.bytesSent += UInt64(message.count)
        emit(.sendMessage(id, message))
    }

    // MARK: Slow children

    /// A child wants what is no longer here. Live video goes on at a join point; anything else cannot.
    private mutating func fellBehind(_ id: LinkID, _ index: Int, at now: Instant) -> UInt64? {
        guard policy == .live else {
            counters.slowChildren += 1
            dismiss(id, .slow, .slow, at: now)
            return nil
        }
        return skip(id, index, to: replay.newestJoinPoint ?? replay.end, at: now)
    }

    private mutating func skipIfLagging(_ id: LinkID, _ index: Int, at now: Instant) {
        guard let cursor = links[id]?.subscriptions[index].cursor, let next = replay[replay.firstHeld(from: cursor)],
            let joinPoint = replay.newestJoinPoint, joinPoint > cursor,
            newestTimestamp > next.header.timestamp,
            (newestTimestamp - next.header.timestamp) > configuration.maximumLiveLag.nanoseconds / 1000
        else { return }
        _ = skip(id, index, to: joinPoint, at: now)
    }

    private mutating func skip(_ id: LinkID, _ index: Int, to target: UInt64, at now: Instant) -> UInt64 {
        guard let subscription = links[id]?.subscriptions[index], let cursor = subscription.cursor else {
            return target
        }
        counters.skips += 1
        links[id]?.subscriptions[index].cursor = target
        send(.skip(stripe: subscription.stripe, SequenceRange(start: cursor, end: target)), on: id, at: now)
        return target
    }

    /// A child that blocks a lossless stream must at least make progress.
    mutating func watchChildren(at now: Instant) {
        guard policy == .lossless else { return }
        for link in links.values where link.role == .child && link.gate <= replay.end {
            guard now - link.lastProgress >= configuration.patience else { continue }
            counters.slowChildren += 1
            dismiss(link.id, .slow, .slow, at: now)
        }
    }
}

// The side toward the children: subscriptions, feeding, slow children.

extension Peer {
    mutating func childOpened(_ id: LinkID, _ mode: LinkMode, at now: Instant) {
        guard mode == .plain, let remote = links[id]?.remote else { return sayStream(on: id, at: now) }
        let subscription = Subscription(
            stripe: 0,
            requestedStart: .joinPoint,
            streamID: 0,
            window: configuration.window
        )
        links[id]?.feeding.subscriptions = [subscription]
        admissions.comesAgain(remote, 0)
        announce(id)
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
        link.feeding.subscriptions.removeAll { $0.stripe == stripe }
        let subscription = Subscription(
            stripe: stripe,
            requestedStart: start,
            streamID: streamID,
            window: min(window, configuration.window)
        )
        link.feeding.subscriptions.append(subscription)
        if let owed = links.absences.end(link.remote, at: now) { link.feeding.arrears = owed }
        let index = link.feeding.subscriptions.count - 1
        links[id] = link
        admissions.comesAgain(link.remote, stripe)
        admissions.draw(link.remote)
        announce(id)
        self.start(id, index, at: now)
    }

    /// Begins to feed a subscription, if this peer knows its own position and the server has admitted the child.
    mutating func start(_ id: LinkID, _ index: Int, at now: Instant) {
        guard let frontier = stream.frontier, !stream.isStartingOver, hasWord, let link = links[id],
            !link.feeding.subscriptions[index].isVoid,
            mayFeed(link.feeding.subscriptions[index].stripe, on: link)
        else { return }
        let subscription = link.feeding.subscriptions[index]
        let (position, isNewcomer) = startPosition(of: subscription)
        let lag = stream.replay.end > position ? stream.replay.end - position : 0
        let allowance = UInt64(configuration.window) + lag
        links[id]?.feeding.subscriptions[index].cursor = position
        links[id]?.feeding.subscriptions[index].allowance = allowance
        links[id]?.feeding.creditLimit = stream.policy == .lossless ? position + UInt64(subscription.window) : .max
        links[id]?.feeding.isComplete = false
        if link.mode == .native {
            sendWord(on: id)
            let frame = ControlFrame.subscribed(
                stripe: subscription.stripe,
                policy: stream.policy,
                streamID: stream.id,
                start: position,
                next: max(frontier, stream.replay.end)
            )
            send(frame, on: id, at: now)
        }
        boundSendQueue(of: id)
        if isNewcomer, isFirst(subscription.stripe, of: link), maySendRetained(subscription.stripe, link, at: now) {
            sendRetained(on: id, before: position, at: now)
        }
        pump(id, at: now)
        noteCompletion(at: now)
    }

    /// Whether nothing else is fed on a link. A newcomer of several stripes knows where it begins once the first parent has
    /// answered, whichever that is: it is told of what is retained by that one, and of each link once.
    private func isFirst(_ stripe: UInt8, of link: Link) -> Bool {
        link.feeding.subscriptions.allSatisfy { $0.stripe == stripe || $0.cursor == nil }
    }

    private mutating func maySendRetained(_ stripe: UInt8, _ link: Link, at now: Instant) -> Bool {
        link.feeding.fed(stripe) == 0 || pay(stream.retained.byteCount, link.id, at: now)
    }

    private func startPosition(of subscription: Subscription) -> (position: UInt64, isNewcomer: Bool) {
        switch subscription.requestedStart {
        case .sequence(let sequence) where subscription.streamID == stream.id:
            return (max(sequence, stream.replay.start), sequence < stream.replay.start)
        case .sequence, .joinPoint:
            return (stream.replay.newestJoinPoint ?? (stream.replay.start == 0 ? 0 : stream.replay.end), true)
        }
    }

    private mutating func sendRetained(on id: LinkID, before position: UInt64, at now: Instant) {
        for message in stream.retained.inForce(at: position) { sendRetained(message, on: id, at: now) }
    }

    mutating func sendRetained(_ message: [Chunk], on id: LinkID, at now: Instant) {
        guard let link = links[id], link.feeding.subscriptions.contains(where: { $0.cursor != nil }) else { return }
        switch link.mode {
        case .native: message.forEach { transmit($0, on: id, at: now) }
        case .plain: transmit(Message(message), on: id, at: now)
        }
    }

    mutating func startWaitingChildren(at now: Instant) {
        for link in links.values where link.role == .child {
            for (index, subscription) in link.feeding.subscriptions.enumerated() where subscription.cursor == nil {
                start(link.id, index, at: now)
            }
        }
    }

    /// What children were fed up to beyond `limit` does not go on: they have to ask again.
    ///
    /// - Parameter next: one past what the source is known to have written.
    mutating func restartChildren(beyond limit: UInt64 = 0, next: UInt64, at now: Instant) {
        for link in links.values where link.role == .child {
            links[link.id]?.requests.removeAll()
            for (index, subscription) in link.feeding.subscriptions.enumerated()
            where (subscription.cursor ?? .max) >= limit {
                if link.mode == .native, subscription.cursor != nil {
                    restart(link.id, index, next: next, at: now)
                } else {
                    start(link.id, index, at: now)
                }
            }
        }
    }

    private mutating func restart(_ id: LinkID, _ index: Int, next: UInt64, at now: Instant) {
        guard let stripe = links[id]?.feeding.subscriptions[index].stripe else { return }
        links[id]?.feeding.subscriptions[index].cursor = nil
        links[id]?.feeding.subscriptions[index].isVoid = true
        links[id]?.feeding.forgetFed()
        send(.restart(stripe: stripe, next: next), on: id, at: now)
        weigh(id, at: now)
    }

    mutating func credit(_ id: LinkID, limit: UInt64, frontier: UInt64, complete: Bool, at now: Instant) {
        guard var link = links[id], frontier <= stream.replay.end else { return }
        if stream.policy == .lossless { link.feeding.creditLimit = limit }
        link.feeding.frontier = frontier
        link.feeding.isComplete = complete && ending.sequence.map { frontier > $0 } == true
        links[id] = link
        pump(id, at: now)
        updateFlow(at: now)
        noteCompletion(at: now)
    }

    /// Tells the parents, or the source's driver, once everything below has everything.
    mutating func noteCompletion(at now: Instant) {
        guard ending.sequence != nil else { return }
        let plain = links.values.filter { $0.role == .child && $0.mode == .plain }
        for link in plain {
            let isServed = link.feeding.subscriptions.allSatisfy { ($0.cursor ?? 0) > (ending.sequence ?? .max) }
            links[link.id]?.feeding.isComplete = isServed && link.queue.buffered == 0
        }
        let complete = isSubtreeComplete
        if complete, !ending.isSubtreeTold { emit(.subtreeComplete) }
        ending.isSubtreeTold = complete
        sendCreditToParents(at: now)
    }

    // MARK: Feeding

    mutating func pumpChildren(at now: Instant) {
        for id in links.children { pump(id, at: now) }
    }

    /// Sends a neighbour what it wants, as far as its credit and its send queue allow.
    ///
    /// What is new comes first: who asks for something again must not hold up what nobody has yet.
    mutating func pump(_ id: LinkID, at now: Instant) {
        guard let link = links[id] else { return }
        if link.role == .child {
            for index in link.feeding.subscriptions.indices {
                guard let cursor = links[id]?.feeding.subscriptions[index].cursor else { continue }
                switch link.mode {
                case .native: feed(id, index, from: cursor, at: now)
                case .plain: feedPlain(id, index, from: cursor, at: now)
                }
            }
        }
        serveRequests(of: id, at: now)
        weigh(id, at: now)
    }

    /// Lets the driver know when a link's send queue may be much longer or shorter than before.
    mutating func boundSendQueue(of id: LinkID) {
        guard let link = links[id], link.role == .child else { return }
        let limit = sendLimit(of: link)
        let known = link.queue.knownLimit ?? configuration.highWater
        guard limit < known - known / 4 || limit > known + known / 4 || limit == configuration.highWater,
            limit != known
        else { return }
        links[id]?.queue.knownLimit = limit
        emit(.sendLimit(id, limit))
    }

    /// How many bytes may wait in a link's send queue before chunks are held back.
    func sendLimit(of link: Link) -> Int {
        stream.policy == .live ? link.queue.handOut.limit(configuration) : configuration.highWater
    }

    private mutating func feed(_ id: LinkID, _ index: Int, from start: UInt64, at now: Instant) {
        guard let link = links[id] else { return }
        var cursor = start
        if cursor < stream.replay.start {
            guard let resumed = fellBehind(id, index, at: now) else { return }
            cursor = resumed
        }
        let stripe = link.feeding.subscriptions[index].stripe
        let fedBefore = link.feeding.fed(stripe)
        let limit = sendLimit(of: link)
        var buffered = link.queue.buffered
        while buffered < limit,
            let chunk = nextChunk(of: stripe, from: cursor), chunk.header.sequence < link.feeding.creditLimit
        {
            // Whoever begins anew where it has been pays for that, as for what it asks for by number.
            if chunk.header.sequence < fedBefore, !pay(chunk.frame.count, id, at: now) { break }
            transmit(chunk, on: id, at: now)
            buffered += chunk.frame.count
            cursor = chunk.header.sequence + 1
        }
        links.update(id) { link in
            link.feeding.subscriptions[index].cursor = cursor
            link.feeding.noteFed(stripe, below: cursor)
        }
        if stream.policy == .live {
            links[id]?.queue.handOut.note(isHeldBack: buffered >= limit)
            if buffered >= limit { skipIfLagging(id, index, at: now) }
        }
    }

    /// The chunk of a stripe that comes next for someone who has everything below `cursor`; nil if it is not here yet,
    /// or if something before it may still be repaired. Of several stripes none waits for another: who lacks something
    /// between two chunks of one asks for it.
    private func nextChunk(of stripe: UInt8, from cursor: UInt64) -> Chunk? {
        let known = configuration.stripes == 1 ? stream.frontier ?? 0 : .max
        var sequence = cursor
        while sequence < stream.replay.end {
            if let chunk = stream.replay[sequence] {
                if chunk.header.stripe == stripe { return chunk }
            } else if sequence >= known {
                return nil
            }
            sequence += 1
        }
        return nil
    }

    /// Whether a child was sent all that is here of what it is fed.
    func isUpToDate(_ link: Link) -> Bool {
        link.feeding.subscriptions.allSatisfy { subscription in
            subscription.cursor.map { nextChunk(of: subscription.stripe, from: $0) == nil } ?? false
        }
    }

    /// Feeds a plain child: whole messages only, whichever stripe they came by.
    private mutating func feedPlain(_ id: LinkID, _ index: Int, from start: UInt64, at now: Instant) {
        guard let link = links[id] else { return }
        var cursor = max(start, stream.replay.start)
        let limit = sendLimit(of: link)
        var buffered = link.queue.buffered
        let known = stream.frontier ?? 0
        while buffered < limit, cursor < known {
            switch message(at: cursor, below: known) {
            case .whole(let message):
                transmit(message, on: id, at: now)
                buffered += message.count
                cursor = message.lastSequence + 1
            case .nothing:
                cursor += 1
            case .growing:
                links[id]?.feeding.subscriptions[index].cursor = cursor
                return
            }
        }
        links[id]?.feeding.subscriptions[index].cursor = cursor
        if stream.policy == .live { links[id]?.queue.handOut.note(isHeldBack: buffered >= limit) }
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
        guard let first = stream.replay[sequence], first.header.flags.contains(.first),
            !first.header.flags.contains(.endOfStream)
        else { return .nothing }
        var chunks = [first]
        while !chunks[chunks.count - 1].header.flags.contains(.last) {
            let next = sequence + UInt64(chunks.count)
            guard next < known else { return .growing }
            guard let chunk = stream.replay[next] else { return .nothing }
            chunks.append(chunk)
        }
        return .whole(Message(chunks))
    }

    mutating func transmit(_ chunk: Chunk, on id: LinkID, at now: Instant) {
        let isRepetition = links[id].map { chunk.header.sequence < $0.feeding.fed(chunk.header.stripe) } ?? false
        links.update(id) { $0.hand(chunk.frame.count, isRepetition: isRepetition, at: now) }
        counters.chunksSent += 1
        counters.bytesSent += UInt64(chunk.frame.count)
        emit(.send(id, chunk.frame))
    }

    private mutating func transmit(_ message: Message<Buffer>, on id: LinkID, at now: Instant) {
        links.update(id) { $0.hand(message.count, isRepetition: false, at: now) }
        counters.chunksSent += UInt64(message.parts.count)
        counters.bytesSent += UInt64(message.count)
        emit(.sendMessage(id, message))
    }

    // MARK: Slow children

    /// A child wants what is no longer here. Live video goes on at a join point; anything else cannot.
    private mutating func fellBehind(_ id: LinkID, _ index: Int, at now: Instant) -> UInt64? {
        guard stream.policy == .live else {
            counters.slowChildren += 1
            dismiss(id, .slow, .slow, at: now)
            return nil
        }
        return skip(id, index, to: stream.replay.newestJoinPoint ?? stream.replay.end, at: now)
    }

    private mutating func skipIfLagging(_ id: LinkID, _ index: Int, at now: Instant) {
        guard let link = links[id], let cursor = link.feeding.subscriptions[index].cursor,
            let next = stream.replay[stream.replay.firstHeld(from: cursor)],
            let joinPoint = stream.replay.newestJoinPoint, joinPoint > cursor,
            newestTimestamp > next.header.timestamp
        else { return }
        // What waits in the link's queue comes before it.
        let lag = newestTimestamp - next.header.timestamp
        let bound = configuration.maximumLiveLag.nanoseconds / 1_000
        guard lag > bound || lag + link.queue.handOut.delay(of: link.queue.buffered) > bound else { return }
        _ = skip(id, index, to: joinPoint, at: now)
    }

    /// - Returns: where the child goes on; nil if it has to ask again, since it would not believe in so wide a skip.
    private mutating func skip(_ id: LinkID, _ index: Int, to target: UInt64, at now: Instant) -> UInt64? {
        guard let subscription = links[id]?.feeding.subscriptions[index], let cursor = subscription.cursor else {
            return target
        }
        counters.skips += 1
        guard target < cursor.addingSaturating(stream.replay.maximumChunks) else {
            restart(id, index, next: stream.replay.end, at: now)
            return nil
        }
        links[id]?.feeding.subscriptions[index].cursor = target
        send(.skip(stripe: subscription.stripe, SequenceRange(start: cursor, end: target)), on: id, at: now)
        return target
    }

    /// Notes whether a lossless stream waits for a child, whenever the stream or the child has moved.
    mutating func weigh(_ id: LinkID, at now: Instant) {
        guard let link = links[id], link.role == .child else { return }
        let isHoldingBack = stream.policy == .lossless && link.feeding.gate <= stream.replay.end
        guard isHoldingBack || link.feeding.arrears.isHoldingBack else { return }
        let rate = rateAskedOfChildren
        links.update(id) { $0.feeding.arrears.note(isHoldingBack: isHoldingBack, rate: rate, at: now) }
    }

    /// A child that holds a lossless stream back must make progress, at a rate that a stream which is itself slower does
    /// not ask of it.
    private var rateAskedOfChildren: UInt64 {
        min(UInt64(max(1, configuration.minimumRate)), stream.replay.averageRate ?? .max)
    }

    /// When a child owes too much that holds the stream back.
    var arrearsDeadline: Instant {
        guard stream.policy == .lossless, links.values.contains(where: { $0.feeding.arrears.isHoldingBack }) else {
            return .distantFuture
        }
        let (rate, patience) = (rateAskedOfChildren, patience)
        return links.values.reduce(.distantFuture) { next, link in
            min(next, link.feeding.arrears.deadline(limit: patience, rate: rate))
        }
    }

    mutating func watchArrears(at now: Instant) {
        guard arrearsDeadline <= now else { return }
        let (rate, patience) = (rateAskedOfChildren, patience)
        for link in links.values where link.feeding.arrears.deadline(limit: patience, rate: rate) <= now {
            links.update(link.id) { $0.feeding.arrears.settle(rate: rate, at: now) }
            guard let owed = links[link.id]?.feeding.arrears.owed, owed >= patience else { continue }
            counters.slowChildren += 1
            dismiss(link.id, .slow, .slow, at: now)
        }
    }

    /// The nearest peer above the culprit has to act before those further up, to whom all below seems slow.
    var patience: TimeSpan {
        let whole = Double(configuration.patience.nanoseconds)
        return TimeSpan(nanoseconds: UInt64(min(whole / (1 + Double(admissions.depth) / 10), 9e18)))
    }
}

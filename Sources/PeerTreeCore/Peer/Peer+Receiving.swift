// What comes in on a link.

extension Peer {
    mutating func receive(_ frame: Buffer, isText: Bool, on id: LinkID, at now: Instant) {
        guard let link = links[id] else { return }
        links[id]?.liveness.lastHeard = now
        guard link.mode == .native else {
            receivePlain(frame, isText: isText, from: link, at: now)
            return
        }
        if needsProof { return prove(frame, from: id, at: now) }
        take(frame, from: link, at: now)
    }

    /// Takes in a frame that needs no proof.
    mutating func take(_ frame: Buffer, from link: Link, at now: Instant) {
        let id = link.id
        let type = frame.withPrefix(1) { $0.first ?? 0 }
        do throws(FrameError) {
            if type == FrameType.chunk.rawValue {
                let (header, payloadOffset) = try ChunkHeader.decode(frame)
                let chunk = Chunk(header: header, frame: frame, payloadOffset: payloadOffset)
                try take(chunk, from: link, at: now)
            } else {
                receive(try ControlFrame.decode(frame), from: link, at: now)
            }
        } catch .unknownType {
            counters.unknownFrames += 1
        } catch {
            noteMalformed(on: id, at: now)
        }
    }

    mutating func noteMalformed(on id: LinkID, at now: Instant) {
        counters.malformedFrames += 1
        noteOffence(of: id, at: now)
    }

    /// Says that a neighbour sent what cannot be; one that does so often is parted with.
    mutating func noteOffence(of id: LinkID, at now: Instant) {
        guard let link = links[id] else { return }
        links[id]?.offences = link.offences + 1
        guard link.offences + 1 >= configuration.maximumMalformedFrames else { return }
        dismiss(id, .protocolError, link.role == .parent ? .notForwarding : .refused, at: now)
    }

    /// A well-formed frame that says what this peer knows to be impossible.
    mutating func refuse(_ id: LinkID, at now: Instant) {
        counters.unexpectedFrames += 1
        noteOffence(of: id, at: now)
    }

    private mutating func receivePlain(_ payload: Buffer, isText: Bool, from link: Link, at now: Instant) {
        guard link.role == .parent, upstreams.contains(where: { $0.isFed(by: link.id) }) else {
            counters.unexpectedFrames += 1
            return
        }
        guard payload.count <= configuration.maximumMessageBytes else {
            counters.discardedChunks += 1
            emit(.gap(Gap(range: nil, isSkip: false)))
            return
        }
        adopt(payload, isText: isText, at: now)
    }

    private mutating func receive(_ frame: ControlFrame, from link: Link, at now: Instant) {
        switch (frame, link.role) {
        case (.subscribe(let stripe, let start, let window, let streamID), .child):
            subscribe(link.id, stripe, start, window: window, streamID: streamID, at: now)
        case (.unsubscribe(let stripe), .child):
            links[link.id]?.feeding.subscriptions.removeAll { $0.stripe == stripe }
            weigh(link.id, at: now)
            admissions.rest(link.remote)
            updateFlow(at: now)
        case (.credit(let limit, let frontier, let complete), .child):
            credit(link.id, limit: limit, frontier: frontier, complete: complete, at: now)
        case (.subscribed(let stripe, let policy, let streamID, let start, let next), .parent):
            let answer = SubscriptionAnswer(
                stripe: stripe,
                policy: policy,
                streamID: streamID,
                start: start,
                next: next
            )
            subscribed(link.id, answer, at: now)
        case (.skip(let stripe, let range), .parent):
            skipped(range, stripe, by: link.id, at: now)
        case (.inquire(let stripe), .child):
            inquired(stripe, by: link.id, at: now)
        case (.head(let stripe, let next), .parent):
            learnedHead(next, stripe, from: link.id, at: now)
        case (.restart(let stripe, let next), .parent):
            restarted(stripe, next, by: link.id, at: now)
        case (.stream(let streamID), .parent):
            learnedStream(streamID, from: link.id)
        case (.pulling, .parent):
            if upstreams.contains(where: { $0.isFed(by: link.id) }) { backup.pull.holdOff(at: now) }
        case (.pulse(let next, let clock), .parent):
            pulsed(next, clock, by: link.id, at: now)
        case (.request(let ranges), _):
            request(ranges, from: link.id, at: now)
        case (.unavailable(let ranges), _):
            unavailable(ranges, at: link.id, at: now)
        case (.heartbeat(let timestamp, let echo, let held), _):
            heartbeat(timestamp: timestamp, echo: echo, held: held, on: link.id, at: now)
        case (.close(let reason), _):
            closed(by: link, reason, at: now)
        case (.subscribe, .parent), (.unsubscribe, .parent), (.credit, .parent), (.inquire, .parent),
            (.subscribed, .child), (.skip, .child), (.head, .child), (.restart, .child), (.stream, .child),
            (.pulling, .child), (.pulse, .child):
            counters.unexpectedFrames += 1
        }
    }

    private mutating func closed(by link: Link, _ reason: LinkCloseReason, at now: Instant) {
        switch (link.role, reason) {
        case (.parent, .leaving):
            // It goes on feeding until it is gone: ask for a new parent, keep the link.
            parentLeaves(link.id, at: now)
        case (.parent, .slow):
            lose(link.id, .slow, closing: true, at: now)
        case (.parent, _):
            lose(link.id, .refused, closing: true, at: now)
        case (.child, _):
            // The child said goodbye.
            part(with: link, at: now)
        }
    }

    /// Takes in a chunk; in a signed tree it is proven.
    mutating func take(_ chunk: Chunk, from link: Link, at now: Instant) throws(FrameError) {
        let header = chunk.header
        // Dealt in turn: no parent has a say in another one's stripe.
        guard header.sequence % UInt64(inquiries.count) == UInt64(header.stripe),
            header.rowWidth == 0 || Int(header.rowWidth) == inquiries.count
        else { throw .badStripe }
        guard stream.frontier != nil, admit(header, from: link, at: now), let frontier = stream.frontier else {
            counters.unexpectedFrames += 1
            return
        }
        counters.chunksReceived += 1
        counters.bytesReceived += UInt64(chunk.frame.count)
        if stream.policy == .lossless {
            repair.delivers(link.id, nextAttempt: now + configuration.repairRequestTimeout, at: now)
        }
        if header.sequence < frontier, !repair.isFetching(header.sequence) {
            acceptOld(chunk, from: link.id, at: now)
            return
        }
        let isNews = header.sequence >= stream.replay.end
        switch stream.replay.insert(chunk) {
        case .duplicate, .tooOld:
            counters.duplicates += 1
            return
        case .inserted:
            break
        }
        if ending.deadline != nil { ending.deadline = now + configuration.endTimeout }
        if isNews { noteNews(from: link.id, at: now) }
        finishFetches(with: header.sequence)
        if !header.flags.contains(.endOfStream) { stream.hasRows = header.rowWidth > 0 }
        let rebuilt = completeRow(of: header)
        advance(at: now)
        pumpChildren(at: now)
        // The end alone brings a plain child nothing more, of whose sending the host would tell.
        noteCompletion(at: now)
        updateFlow(at: now)
        watchHole(at: now)
        weighParent(of: header.stripe, from: link.id, at: now)
        if let rebuilt { weighParent(of: rebuilt, from: nil, at: now) }
    }

    /// A chunk is taken from a parent that feeds its stripe, as far as it was allowed to send, or from whoever was asked
    /// for it.
    private mutating func admit(_ header: ChunkHeader, from link: Link, at now: Instant) -> Bool {
        let sequence = header.sequence
        let stripe = Int(header.stripe)
        guard let frontier = stream.frontier, stripe < upstreams.count, upstreams[stripe].isFed(by: link.id) else {
            return expects(sequence, from: link.id) || isRetained(header, from: link.id)
        }
        let room = stream.replay.maximumChunks
        switch link.intake.judge(sequence, header.stripe, frontier: frontier, room: room) {
        case .possible: break
        case .overrunsHole: giveUp(below: stream.replay.firstHeld(from: frontier), at: now)
        case .impossible:
            guard !expects(sequence, from: link.id) else { return true }
            // One that was asked again goes on for a moment where this peer no longer is.
            if !upstreams[stripe].isAskedAgain { noteOffence(of: link.id, at: now) }
            return false
        }
        if sequence >= link.intake.reached(in: header.stripe) { forwarded(header, by: link, at: now) }
        return true
    }

    /// A parent goes on with what it feeds.
    private mutating func forwarded(_ header: ChunkHeader, by link: Link, at now: Instant) {
        let stripe = Int(header.stripe)
        links[link.id]?.intake.reach(header.sequence + 1, in: header.stripe)
        guard upstreams[stripe].phase == .active(link.id) else { return }
        upstreams[stripe].forwardedAt = now
        let isNext = header.sequence - link.intake.reached(in: header.stripe) < UInt64(upstreams.count)
        if isNext { upstreams[stripe].starvation.forwarded() }
        // One that only drips does not take the place of one that feeds.
        guard !upstreams[stripe].starvation.isFallingBehind else { return }
        upstreams[stripe].isProven = true
        partWithFormer(stripe, at: now)
    }

    /// Whether a neighbour was asked for a chunk.
    private func expects(_ sequence: UInt64, from id: LinkID) -> Bool {
        repair.expects(sequence, from: id) || (id == backup.standby?.link && backup.pull.expects(sequence))
    }

    /// Whether a chunk may be one of those that a newcomer is told first. They come from the parent that answers first,
    /// whichever stripes they are of.
    private func isRetained(_ header: ChunkHeader, from id: LinkID) -> Bool {
        guard let frontier = stream.frontier else { return false }
        return header.flags.contains(.retained) && header.sequence < frontier && upstreams.contains { $0.isFed(by: id) }
    }

    /// A chunk from below the frontier: part of a message retained from before this peer's start, or there already.
    private mutating func acceptOld(_ chunk: Chunk, from id: LinkID, at now: Instant) {
        guard chunk.header.flags.contains(.retained), (links[id]?.intake.retainedAllowance ?? 0) > 0 else {
            counters.duplicates += 1
            // A neighbour that is behind for long may be so because this peer is where the stream never was. Of several
            // stripes none is ahead of its parent, but for what was repaired.
            if isRemarkablyOld(chunk.header) { doubtPosition(at: now) }
            return
        }
        guard isInForce(chunk.header) else {
            counters.staleStatements += 1
            return
        }
        guard let whole = stream.retained.accept(chunk) else { return }
        links[id]?.intake.takeRetained()
        counters.messagesDelivered += 1
        emit(.deliver(Message(whole)))
        // Children that subscribed before it came were started without it.
        for child in links.children { sendRetained(whole, on: child, at: now) }
    }

    /// Whether a chunk that is not needed any more says something of the parent that sent it. One that follows from others
    /// of its row comes after them.
    private func isRemarkablyOld(_ header: ChunkHeader) -> Bool {
        guard stream.replay.contains(header.sequence) else { return true }
        guard let row = Row(of: header) else { return upstreams.count > 1 }
        return (stream.frontier ?? 0) - header.sequence > UInt64(row.width) * Self.rowsApart
    }

    /// By how many rows parents may be apart without a reason.
    private static var rowsApart: UInt64 { 32 }

    /// Delivers what has become contiguous.
    mutating func advance(at now: Instant) {
        defer { advanceWord() }
        while let sequence = stream.frontier, let chunk = stream.replay[sequence] {
            stream.frontier = sequence + 1
            if ending.sequence != nil { resume() }
            _ = stream.retained.accept(chunk)
            switch stream.reassembler.accept(chunk) {
            case .incomplete:
                break
            case .message(let message):
                counters.messagesDelivered += 1
                stream.reading.deliver(through: message.lastSequence)
                emit(.deliver(message))
            case .discarded:
                counters.discardedChunks += 1
            case .endOfStream:
                ending.sequence = sequence
                end(.complete)
                noteCompletion(at: now)
            }
            reportOversized()
        }
    }

    /// A message that was too large to be put together will never be delivered.
    mutating func reportOversized() {
        guard let range = stream.reassembler.takeOversized() else { return }
        emit(.gap(Gap(range: range, isSkip: false)))
    }

    mutating func end(_ how: StreamEnd) {
        if ending.end(how) { emit(.ended(how)) }
    }

    /// The server says that the tree is over. What is still on its way is awaited as long as it keeps coming.
    mutating func treeEnded(at now: Instant) {
        guard !isSource else { return }
        ending.treeEnded()
        guard !ending.isTold else { return }
        if upstreams.contains(where: { $0.link != nil || $0.former != nil }) {
            ending.deadline = now + configuration.endTimeout
        } else {
            end(.sourceLost)
        }
    }
}

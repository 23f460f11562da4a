// What comes in on a link.

extension Peer {
    mutating func receive(_ frame: Buffer, isText: Bool, on id: LinkID, at now: Instant) {
        guard let link = links[id] else { return }
        links[id]?.lastHeard = now
        guard link.mode == .native else {
            receivePlain(frame, isText: isText, from: link, at: now)
            return
        }
        let type = frame.withPrefix(1) { $0.first ?? 0 }
        do throws(FrameError) {
            if type == FrameType.chunk.rawValue {
                try receiveChunk(frame, from: link, at: now)
            } else {
                receive(try ControlFrame.decode(frame), from: link, at: now)
            }
        } catch .unknownType {
            counters.unknownFrames += 1
        } catch {
            noteMalformed(on: id, at: now)
        }
    }

    private mutating func noteMalformed(on id: LinkID, at now: Instant) {
        counters.malformedFrames += 1
        let count = (links[id]?.malformedFrames ?? 0) + 1
        links[id]?.malformedFrames = count
        if count >= configuration.maximumMalformedFrames {
            dismiss(id, .protocolError, .refused, at: now)
        }
    }

    private mutating func receivePlain(_ payload: Buffer, isText: Bool, from link: Link, at now: Instant) {
        guard link.role == .parent, upstreams.contains(where: { $0.isFed(by: link.id) }) else {
            counters.unexpectedFrames += 1
            return
        }
        guard payload.count <= configuration.maximumMessageBytes else {
            counters.discardedChunks += 1
            return
        }
        adopt(payload, isText: isText, at: now)
    }

    private mutating func receive(_ frame: ControlFrame, from link: Link, at now: Instant) {
        switch (frame, link.role) {
        case (.subscribe(let stripe, let start, let window, let streamID), .child):
            subscribe(link.id, stripe, start, window: window, streamID: streamID, at: now)
        case (.unsubscribe(let stripe), .child):
            links[link.id]?.subscriptions.removeAll { $0.stripe == stripe }
            updateFlow(at: now)
        case (.credit(let limit, let frontier, let complete), .child):
            credit(link.id, limit: limit, frontier: frontier, complete: complete, at: now)
        case (.subscribed(let stripe, let policy, let streamID, let start, _), .parent):
            subscribed(link.id, stripe, policy, streamID: streamID, start: start, at: now)
        case (.skip(let stripe, let range), .parent):
            skipped(range, stripe, by: link.id, at: now)
        case (.request(let ranges), _):
            request(ranges, from: link.id, at: now)
        case (.unavailable(let ranges), _):
            unavailable(ranges, at: link.id, at: now)
        case (.heartbeat(let timestamp, let echo, let held), _):
            heartbeat(timestamp: timestamp, echo: echo, held: held, on: link.id, at: now)
        case (.close(let reason), _):
            closed(by: link, reason, at: now)
        case (.subscribe, .parent), (.unsubscribe, .parent), (.credit, .parent), (.subscribed, .child), (.skip, .child):
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
            // The child said goodbye: nothing was lost, and the server knows.
            _ = removeLink(link.id)
            emit(.close(link.id))
            emit(.neighbourGone(link.remote, .child))
            forgetRepairs(by: link.id, at: now)
            updateFlow(at: now)
            noteCompletion(at: now)
            finishLeaving(at: now)
        }
    }

    private mutating func receiveChunk(_ frame: Buffer, from link: Link, at now: Instant) throws(FrameError) {
        let (header, payloadOffset) = try ChunkHeader.decode(frame)
        let chunk = Chunk(header: header, frame: frame, payloadOffset: payloadOffset)
        guard let frontier, mayAccept(header, from: link) else {
            counters.unexpectedFrames += 1
            return
        }
        counters.chunksReceived += 1
        counters.bytesReceived += UInt64(frame.count)
        if header.sequence < frontier, !isFetching(header.sequence) {
            acceptRetained(chunk, at: now)
            return
        }
        switch replay.insert(chunk) {
        case .duplicate, .tooOld:
            counters.duplicates += 1
            return
        case .inserted:
            break
        }
        newestTimestamp = max(newestTimestamp, header.timestamp)
        if endDeadline != nil { endDeadline = now + configuration.endTimeout }
        finishFetches(with: header.sequence)
        advance(at: now)
        pumpChildren(at: now)
        updateFlow(at: now)
        watchHole(at: now)
    }

    /// A chunk is taken from a parent that feeds its stripe, or from anyone who was asked for it.
    private func mayAccept(_ header: ChunkHeader, from link: Link) -> Bool {
        let stripe = Int(header.stripe)
        if stripe < upstreams.count, upstreams[stripe].isFed(by: link.id) { return true }
        return hole?.asked.contains(link.id) == true || fetches.contains { $0.askedLink == link.id }
    }

    /// A chunk from before this peer's start: part of a retained message, or there already.
    private mutating func acceptRetained(_ chunk: Chunk, at now: Instant) {
        guard let whole = retained.accept(chunk) else {
            if !chunk.header.flags.contains(.retained) { counters.duplicates += 1 }
            return
        }
        counters.messagesDelivered += 1
        emit(.deliver(Message(whole)))
        // Children that subscribed before it came were started without it.
        for child in children { sendRetained(whole, on: child, at: now) }
    }

    /// Delivers what has become contiguous.
    mutating func advance(at now: Instant) {
        while let sequence = frontier, let chunk = replay[sequence] {
            frontier = sequence + 1
            _ = retained.accept(chunk)
            switch reassembler.accept(chunk) {
            case .incomplete:
                break
            case .message(let message):
                counters.messagesDelivered += 1
                emit(.deliver(message))
            case .discarded:
                counters.discardedChunks += 1
            case .endOfStream:
                endSequence = sequence
                end(.complete)
                noteCompletion(at: now)
            }
        }
    }

    mutating func end(_ how: StreamEnd) {
        endDeadline = nil
        guard !hasEnded else { return }
        hasEnded = true
        emit(.ended(how))
    }

    /// The server says that the tree is over. What is still on its way is awaited as long as it keeps coming.
    mutating func treeEnded(at now: Instant) {
        guard !isSource, !hasEnded else { return }
        if upstreams.contains(where: { $0.link != nil || $0.former != nil }) {
            endDeadline = now + configuration.endTimeout
        } else {
            end(.sourceLost)
        }
    }
}

extension Peer {
    /// Writes a message to the stream. Only for the source.
    ///
    /// - Parameters:
    ///   - payload: the message; it may be empty.
    ///   - options: how it is marked.
    ///   - timestamp: the source's clock, microseconds since 1970-01-01 UTC.
    ///   - now: the driver's clock.
    /// - Returns: whether more may be written at once; if not, wait for ``PeerOutput/writable``. The message itself is
    ///   taken in either case.
    @discardableResult
    public mutating func publish(
        _ payload: Buffer,
        _ options: MessageOptions = MessageOptions(),
        timestamp: UInt64,
        at now: Instant
    ) -> Bool {
        guard isSource, endSequence == nil else { return true }
        append(chunker.cut(payload, options, timestamp: timestamp), at: now)
        isPublishingBlocked = !isWritable
        return !isPublishingBlocked
    }

    /// Ends the stream: everyone gets everything up to here, then ``StreamEnd/complete``. Only for the source.
    public mutating func finish(timestamp: UInt64, at now: Instant) {
        guard isSource, endSequence == nil else { return }
        append([chunker.endOfStream(timestamp: timestamp)], at: now)
        noteCompletion(at: now)
    }

    /// Takes in chunks that this peer itself cut.
    mutating func append(_ chunks: [Chunk], at now: Instant) {
        for chunk in chunks {
            _ = replay.insert(chunk)
            _ = retained.accept(chunk)
            newestTimestamp = max(newestTimestamp, chunk.header.timestamp)
            if chunk.header.flags.contains(.endOfStream) { endSequence = chunk.header.sequence }
        }
        frontier = replay.end
        pumpChildren(at: now)
    }

    /// A message from a plain parent, which has neither numbers nor marks: it is numbered here anew.
    mutating func adopt(_ payload: Buffer, isText: Bool, at now: Instant) {
        let chunks = chunker.cut(payload, MessageOptions(isText: isText), timestamp: 0)
        guard let first = chunks.first, let last = chunks.last else { return }
        counters.chunksReceived += UInt64(chunks.count)
        counters.bytesReceived += UInt64(payload.count)
        counters.messagesDelivered += 1
        append(chunks, at: now)
        let parts = chunks.map { $0.payload }
        emit(.deliver(Message(parts: parts, first: first.header, last: last.header)))
        updateFlow(at: now)
    }
}

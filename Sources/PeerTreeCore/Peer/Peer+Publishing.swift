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
    /// - Throws: ``PublishError/messageTooLarge(bytes:limit:)``; nothing was written then.
    @discardableResult
    public mutating func publish(
        _ payload: Buffer,
        _ options: MessageOptions = MessageOptions(),
        timestamp: UInt64,
        at now: Instant
    ) throws(PublishError) -> Bool {
        noteCall(at: now)
        guard isSource, !writing.isFinished else { return true }
        try configuration.checkMessage(bytes: payload.count)
        write(writing.chunker.cut(payload, options, timestamp: timestamp), at: now)
        writing.isBlocked = !isWritable
        return !writing.isBlocked
    }

    /// The number that the next message begins with. Only of the source.
    public var nextSequence: UInt64 { writing.chunker.nextSequence }

    /// Ends the stream: everyone gets everything up to here, then ``StreamEnd/complete``. Only for the source.
    public mutating func finish(timestamp: UInt64, at now: Instant) {
        noteCall(at: now)
        guard isSource, !writing.isFinished else { return }
        writing.isFinished = true
        write([writing.chunker.endOfStream(timestamp: timestamp)], at: now)
        noteCompletion(at: now)
    }

    /// Takes in chunks that this peer itself cut.
    mutating func append(_ chunks: [Chunk], at now: Instant) {
        if let newest = chunks.last { pulse.wrote(newest.header.timestamp, at: now) }
        for chunk in chunks {
            _ = stream.replay.insert(chunk)
            _ = stream.retained.accept(chunk)
            if chunk.header.flags.contains(.endOfStream) { ending.sequence = chunk.header.sequence }
        }
        stream.frontier = stream.replay.end
        pumpChildren(at: now)
    }

    /// A message from a plain parent, which has neither numbers nor marks: it is numbered here anew.
    mutating func adopt(_ payload: Buffer, isText: Bool, at now: Instant) {
        let chunks = writing.chunker.cut(payload, MessageOptions(isText: isText), timestamp: 0)
        guard let first = chunks.first, let last = chunks.last else { return }
        counters.chunksReceived += UInt64(chunks.count)
        counters.bytesReceived += UInt64(payload.count)
        counters.messagesDelivered += 1
        stream.reading.deliver(through: last.header.sequence)
        append(chunks, at: now)
        let parts = chunks.map { $0.payload }
        emit(.deliver(Message(parts: parts, first: first.header, last: last.header)))
        updateFlow(at: now)
    }
}

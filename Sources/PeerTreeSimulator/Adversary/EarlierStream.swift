import PeerTreeCore

/// What a liar recorded of a stream that the same source sent before: all of it is truly the source's, and old.
enum EarlierStream {
    /// The head, then chunks, each of them a message, and pulses between them, in the order in which they were sent.
    static let frames: [SimulatedBuffer] = make()

    private static let messages: UInt64 = 64
    private static let messagesOfPulse: UInt64 = 8
    private static let streamID = SignedStreamID(high: 0x0EA5_11E5, low: 0x57EA)
    /// Half a minute before the simulation begins: the pulses are of the last minute, and so prove something.
    private static let startedAt: UInt64 = 1_700_000_000_000_000 - 30_000_000

    private static func make() -> [SimulatedBuffer] {
        var frames = [head].compactMap { $0 }
        for sequence in 0..<messages {
            if sequence % messagesOfPulse == 0, let frame = pulse(after: sequence) { frames.append(frame) }
            if let frame = chunk(sequence) { frames.append(frame) }
        }
        return frames
    }

    private static var head: SimulatedBuffer? {
        let head = SourceHead(streamID: streamID, startedAt: startedAt, policy: .live)
        guard let signature = SimulatedKey.sign(SourceStatement.head(head).signedBytes) else { return nil }
        return SimulatedBuffer(bytes: SourceFrame.head(head, signature).encoded())
    }

    private static func pulse(after count: UInt64) -> SimulatedBuffer? {
        let pulse = SourcePulse(
            streamID: streamID,
            clock: startedAt + 500_000 * (1 + count / messagesOfPulse),
            extent: SourceExtent(blocks: count, next: count),
            retained: []
        )
        guard let signature = SimulatedKey.sign(SourceStatement.pulse(pulse).signedBytes) else { return nil }
        return SimulatedBuffer(bytes: SourceFrame.pulse(pulse, signature).encoded())
    }

    private static func chunk(_ sequence: UInt64) -> SimulatedBuffer? {
        let isJoinPoint = sequence % messagesOfPulse == 0
        let header = ChunkHeader(
            sequence: sequence,
            stripe: 0,
            flags: isJoinPoint ? [.first, .last, .joinPoint] : [.first, .last],
            retainedKey: 0,
            timestamp: startedAt + sequence * 60_000,
            fragment: 0
        )
        let payload = SimulatedBuffer(bytes: Array(repeating: 0x0E, count: 100))
        let block = BlockHeader(streamID: streamID, number: sequence, first: header, count: 1)
        let statement = SourceStatement.block(block, root: header.leaf(payload))
        guard let signature = SimulatedKey.sign(statement.signedBytes) else { return nil }
        let signed = SignedChunk(header: header, block: block, signature: signature, path: [])
        return SimulatedBuffer(header: signed.encoded(), payload: payload)
    }
}

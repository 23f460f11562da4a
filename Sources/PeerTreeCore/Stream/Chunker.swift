/// Cuts messages into chunks, numbers them and deals them to the stripes in turn.
struct Chunker<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    /// The number that the next chunk gets.
    private(set) var nextSequence: UInt64 = 0
    private let stripes: UInt64
    private let isBare: Bool
    private let isCoded: Bool

    /// How the bytes of a message are shared out.
    private struct Plan {
        /// How many chunks of data there are.
        let count: Int
        /// How many bytes each has; the last ones have fewer.
        let bytes: Int
    }

    /// - Parameters:
    ///   - isBare: whether a chunk's frame is its payload alone, since what stands before that will be its proof.
    ///   - isCoded: whether messages are cut into rows with parity.
    init(stripes: UInt8, isBare: Bool = false, isCoded: Bool = false) {
        self.stripes = UInt64(max(1, stripes))
        self.isBare = isBare
        self.isCoded = isCoded && Row.widths.contains(stripes)
    }

    /// Cuts one message; an empty message is one chunk without payload, or one row of such.
    mutating func cut(_ payload: Buffer, _ options: MessageOptions, timestamp: UInt64) -> [Chunk] {
        let plan = plan(payload.count)
        var chunks: [Chunk] = []
        var parity = Parity()
        let first = nextSequence
        for index in 0..<plan.count {
            var flags = Self.flags(of: options)
            if index == 0 { flags.insert(.first) }
            // In the last row the parity, too, is marked as the end: it has the marks of the chunk before it.
            if index == plan.count - 1 { flags.insert(.last) }
            var header = number(flags, options.retainedKey ?? 0, timestamp, since: first)
            let start = min(index * plan.bytes, payload.count)
            let part = payload.slice(from: start, to: min(start + plan.bytes, payload.count))
            chunks.append(makeChunk(header, part))
            guard isCoded else { continue }
            parity.add(header, part)
            guard nextSequence % stripes == stripes - 1 else { continue }
            header = number(flags.subtracting(.first), header.retainedKey, timestamp, since: first)
            chunks.append(makeChunk(header, Buffer(bytes: parity.bytes)))
            parity = Parity()
        }
        return chunks
    }

    private func plan(_ bytes: Int) -> Plan {
        let most = isBare ? SignedChunk.maximumPayload : ChunkHeader.maximumPayload
        guard isCoded else { return Plan(count: max(1, (bytes + most - 1) / most), bytes: most) }
        let width = Int(stripes) - 1
        let perRow = width * (most - Parity.prefixLength)
        let count = max(1, (bytes + perRow - 1) / perRow) * width
        return Plan(count: count, bytes: (bytes + count - 1) / count)
    }

    private static func flags(of options: MessageOptions) -> ChunkHeader.Flags {
        var flags: ChunkHeader.Flags = []
        if options.isText { flags.insert(.text) }
        if options.isJoinPoint { flags.insert(.joinPoint) }
        if options.retainedKey != nil { flags.insert(.retained) }
        if options.isEncrypted { flags.insert(.encrypted) }
        return flags
    }

    /// The chunk that says that the stream is complete, which is of no row.
    mutating func endOfStream(timestamp: UInt64) -> Chunk {
        var header = number([.first, .last, .endOfStream], 0, timestamp, since: nextSequence)
        header.rowWidth = 0
        return makeChunk(header, Buffer(bytes: []))
    }

    /// - Parameter first: the number of the message's first chunk.
    private mutating func number(
        _ flags: ChunkHeader.Flags,
        _ key: UInt16,
        _ timestamp: UInt64,
        since first: UInt64
    ) -> ChunkHeader {
        defer { nextSequence += 1 }
        return ChunkHeader(
            sequence: nextSequence,
            stripe: UInt8(nextSequence % stripes),
            flags: flags,
            retainedKey: key,
            timestamp: timestamp,
            fragment: UInt32(clamping: nextSequence - first),
            rowWidth: isCoded ? UInt8(stripes) : 0
        )
    }

    private func makeChunk(_ header: ChunkHeader, _ payload: Buffer) -> Chunk {
        guard !isBare else { return Chunk(header: header, frame: payload, payloadOffset: 0) }
        let frame = Buffer(header: header.encoded(), payload: payload)
        return Chunk(header: header, frame: frame, payloadOffset: ChunkHeader.length)
    }
}

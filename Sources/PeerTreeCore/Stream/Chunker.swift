/// Cuts messages into chunks, numbers them and deals them to the stripes in turn.
struct Chunker<Buffer: FrameBuffer> {
    /// The number that the next chunk gets.
    private(set) var nextSequence: UInt64 = 0
    private var lastOfStripe: [UInt64?]
    private var nextStripe = 0
    private let isBare: Bool

    private var maximumPayload: Int { isBare ? SignedChunk.maximumPayload : ChunkHeader.maximumPayload }

    /// - Parameter isBare: whether a chunk's frame is its payload alone, since what stands before that will be its proof.
    init(stripes: UInt8, isBare: Bool = false) {
        self.isBare = isBare
        lastOfStripe = Array(repeating: nil, count: Int(max(1, stripes)))
    }

    /// Cuts one message; an empty message is one chunk without payload.
    mutating func cut(_ payload: Buffer, _ options: MessageOptions, timestamp: UInt64) -> [ReplayBuffer<Buffer>.Chunk] {
        var common: ChunkHeader.Flags = []
        if options.isText { common.insert(.text) }
        if options.isJoinPoint { common.insert(.joinPoint) }
        if options.retainedKey != nil { common.insert(.retained) }
        if options.isEncrypted { common.insert(.encrypted) }
        var chunks: [ReplayBuffer<Buffer>.Chunk] = []
        var offset = 0
        repeat {
            let end = min(offset + maximumPayload, payload.count)
            var flags = common
            if offset == 0 { flags.insert(.first) }
            if end == payload.count { flags.insert(.last) }
            let header = number(flags, options.retainedKey ?? 0, timestamp, fragment: UInt32(clamping: chunks.count))
            chunks.append(makeChunk(header, payload.slice(from: offset, to: end)))
            offset = end
        } while offset < payload.count
        return chunks
    }

    /// The chunk that says that the stream is complete.
    mutating func endOfStream(timestamp: UInt64) -> ReplayBuffer<Buffer>.Chunk {
        let header = number([.first, .last, .endOfStream], 0, timestamp, fragment: 0)
        return makeChunk(header, Buffer(bytes: []))
    }

    private mutating func number(
        _ flags: ChunkHeader.Flags,
        _ key: UInt16,
        _ timestamp: UInt64,
        fragment: UInt32
    ) -> ChunkHeader {
        let stripe = nextStripe
        let sequence = nextSequence
        defer {
            lastOfStripe[stripe] = sequence
            nextStripe = (stripe + 1) % lastOfStripe.count
            nextSequence += 1
        }
        return ChunkHeader(
            sequence: sequence,
            stripe: UInt8(stripe),
            flags: flags,
            retainedKey: key,
            timestamp: timestamp,
            fragment: fragment,
            distanceToPrevious: lastOfStripe[stripe].map { UInt32(clamping: sequence - $0) } ?? 0
        )
    }

    private func makeChunk(_ header: ChunkHeader, _ payload: Buffer) -> ReplayBuffer<Buffer>.Chunk {
        guard !isBare else { return ReplayBuffer<Buffer>.Chunk(header: header, frame: payload, payloadOffset: 0) }
        let frame = Buffer(header: header.encoded(), payload: payload)
        return ReplayBuffer<Buffer>.Chunk(header: header, frame: frame, payloadOffset: ChunkHeader.length)
    }
}

/// Puts chunks, which come in stream order, back together into messages.
struct Reassembler<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    enum Outcome {
        /// The message goes on.
        case incomplete
        /// The message is whole.
        case message(Message<Buffer>)
        /// The chunk belongs to a message whose start was missed or which is too large; it is dropped.
        case discarded
        /// The stream is complete.
        case endOfStream
    }

    private var parts: [Buffer] = []
    /// The ``ChunkHeader/fragment`` of the next chunk.
    private var nextFragment: UInt32 = 0
    private var firstHeader: ChunkHeader?
    /// Where the message began that turned out too large and still goes on; and where it has got to.
    private var dropping: SequenceRange?
    private var oversized: SequenceRange?
    private(set) var byteCount = 0
    private let maximumMessageBytes: Int

    /// - Parameter maximumMessageBytes: larger messages are discarded.
    init(maximumMessageBytes: Int) {
        self.maximumMessageBytes = maximumMessageBytes
    }

    /// Takes the next chunk in stream order.
    mutating func accept(_ chunk: Chunk) -> Outcome {
        let header = chunk.header
        if header.flags.contains(.endOfStream) {
            abandon()
            return .endOfStream
        }
        if header.flags.contains(.first) {
            abandon()
            firstHeader = header
            nextFragment = 0
        }
        if dropping != nil { return drop(header) }
        guard let first = firstHeader, header.fragment == nextFragment else {
            // Behind a message that is whole there is the parity of its last row.
            guard header.isParity, firstHeader == nil else {
                abandon()
                return .discarded
            }
            return .incomplete
        }
        nextFragment &+= 1
        guard !header.isParity else { return .incomplete }
        byteCount += chunk.frame.count - chunk.payloadOffset
        guard byteCount <= maximumMessageBytes else {
            abandon()
            dropping = SequenceRange(start: first.sequence, end: header.sequence)
            return drop(header)
        }
        parts.append(chunk.payload)
        guard header.flags.contains(.last) else { return .incomplete }
        defer { abandon() }
        return .message(Message(parts: parts, first: first, last: header))
    }

    private mutating func drop(_ header: ChunkHeader) -> Outcome {
        dropping?.end = header.sequence + 1
        if header.flags.contains(.last) { abandon() }
        return .discarded
    }

    /// The message that turned out too large, once its last chunk has come or something else ended it.
    mutating func takeOversized() -> SequenceRange? {
        defer { oversized = nil }
        return oversized
    }

    /// Drops the message in progress: a part of it is lost.
    mutating func abandon() {
        if let dropping { oversized = dropping }
        dropping = nil
        parts = []
        firstHeader = nil
        byteCount = 0
    }
}

extension Message {
    init(parts: [Buffer], first: ChunkHeader, last: ChunkHeader) {
        self.init(
            parts: parts,
            sequence: first.sequence,
            lastSequence: last.sequence,
            timestamp: first.timestamp,
            isText: first.flags.contains(.text),
            isJoinPoint: first.flags.contains(.joinPoint),
            retainedKey: first.flags.contains(.retained) ? first.retainedKey : nil,
            isEncrypted: first.flags.contains(.encrypted)
        )
    }

    /// - Parameter chunks: all of it; parity may be among them.
    init(_ chunks: [ReplayBuffer<Buffer>.Chunk]) {
        let last = chunks[chunks.count - 1].header
        let data = chunks.filter { !$0.header.isParity }
        self.init(parts: data.map { $0.payload }, first: chunks[0].header, last: last)
    }
}

/// The newest complete message under each key, as frames ready to be sent to a newcomer.
struct RetainedMessages<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    private var complete: [UInt16: [Chunk]] = [:]
    private var partial: [UInt16: [Chunk]] = [:]
    private let maximumKeys: Int
    private let maximumBytes: Int

    /// - Parameters:
    ///   - maximumKeys: how many keys are kept; messages under further keys are not retained.
    ///   - maximumBytes: how large one retained message may be; larger ones are not retained.
    init(maximumKeys: Int, maximumBytes: Int) {
        self.maximumKeys = maximumKeys
        self.maximumBytes = maximumBytes
    }

    /// All retained messages in stream order.
    var inStreamOrder: [[Chunk]] {
        complete.values.sorted { ($0.first?.header.sequence ?? 0) < ($1.first?.header.sequence ?? 0) }
    }

    /// Takes a chunk of a retained message, in order.
    ///
    /// - Returns: the whole message if this chunk completes one that is newer than the one held.
    mutating func accept(_ chunk: Chunk) -> [Chunk]? {
        let header = chunk.header
        guard header.flags.contains(.retained) else { return nil }
        let key = header.retainedKey
        if header.flags.contains(.first) {
            guard complete[key] != nil || complete.count + partial.count < maximumKeys || partial[key] != nil else {
                return nil
            }
            partial[key] = []
        }
        guard var chunks = partial[key] else { return nil }
        let expected = chunks.last.map { $0.header.sequence + 1 } ?? header.sequence
        let size = chunks.reduce(chunk.frame.count) { $0 + $1.frame.count }
        guard header.sequence == expected, Int(header.fragment) == chunks.count, size <= maximumBytes else {
            partial[key] = nil
            return nil
        }
        chunks.append(chunk)
        guard header.flags.contains(.last) else {
            partial[key] = chunks
            return nil
        }
        partial[key] = nil
        if let held = complete[key]?.first, held.header.sequence >= chunks[0].header.sequence { return nil }
        complete[key] = chunks
        return chunks
    }

    /// Forgets everything: the stream was replaced by another.
    mutating func removeAll() {
        complete.removeAll()
        partial.removeAll()
    }
}

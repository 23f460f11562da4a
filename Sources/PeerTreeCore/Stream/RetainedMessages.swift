/// The newest complete message under each key, as frames ready to be sent to a newcomer.
///
/// Arrays rather than dictionaries: there are a handful of keys, and hashing and sorting need not be in a browser's
/// download for them.
struct RetainedMessages<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    /// All retained messages in stream order; none is empty.
    private(set) var inStreamOrder: [[Chunk]] = []
    /// Messages whose last chunk is still to come.
    private var partial: [(key: UInt16, chunks: [Chunk])] = []
    private let maximumKeys: Int
    private let maximumBytes: Int

    /// - Parameters:
    ///   - maximumKeys: how many keys are kept; messages under further keys are not retained.
    ///   - maximumBytes: how large one retained message may be; larger ones are not retained.
    init(maximumKeys: Int, maximumBytes: Int) {
        self.maximumKeys = maximumKeys
        self.maximumBytes = maximumBytes
    }

    /// Takes a chunk of a retained message, in order.
    ///
    /// - Returns: the whole message if this chunk completes one that is newer than the one held.
    mutating func accept(_ chunk: Chunk) -> [Chunk]? {
        let header = chunk.header
        guard header.flags.contains(.retained) else { return nil }
        let key = header.retainedKey
        let held = inStreamOrder.firstIndex { $0.first?.header.retainedKey == key }
        var begun = takePartial(key)
        if header.flags.contains(.first) {
            let isKnown = held != nil || begun != nil
            guard isKnown || inStreamOrder.count + partial.count < maximumKeys else { return nil }
            begun = []
        }
        guard var chunks = begun else { return nil }
        let expected = chunks.last.map { $0.header.sequence + 1 } ?? header.sequence
        let size = chunks.reduce(chunk.frame.count) { $0 + $1.frame.count }
        guard header.sequence == expected, Int(header.fragment) == chunks.count, size <= maximumBytes else {
            return nil
        }
        chunks.append(chunk)
        guard header.flags.contains(.last) else {
            partial.append((key, chunks))
            return nil
        }
        return keep(chunks, insteadOf: held) ? chunks : nil
    }

    private mutating func takePartial(_ key: UInt16) -> [Chunk]? {
        guard let index = partial.firstIndex(where: { $0.key == key }) else { return nil }
        return partial.remove(at: index).chunks
    }

    private mutating func keep(_ chunks: [Chunk], insteadOf held: Int?) -> Bool {
        let sequence = chunks[0].header.sequence
        if let held {
            guard inStreamOrder[held][0].header.sequence < sequence else { return false }
            inStreamOrder.remove(at: held)
        }
        let position = inStreamOrder.firstIndex { $0[0].header.sequence > sequence }
        inStreamOrder.insert(chunks, at: position ?? inStreamOrder.count)
        return true
    }

    /// Forgets everything: the stream was replaced by another.
    mutating func removeAll() {
        inStreamOrder.removeAll()
        partial.removeAll()
    }
}

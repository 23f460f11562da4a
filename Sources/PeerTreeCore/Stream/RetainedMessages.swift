/// The newest complete message under each key, as frames ready to be sent to a newcomer; and where that is newer than the
/// newest join point, the one that was in force there, for whoever starts at it.
///
/// Arrays rather than dictionaries: there are a handful of keys, and hashing and sorting need not be in a browser's
/// download for them.
struct RetainedMessages<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    /// The newest under each key in stream order; none is empty.
    private(set) var inStreamOrder: [[Chunk]] = []
    /// Those in force at the newest join point that have been replaced since, at most one a key.
    private(set) var replaced: [[Chunk]] = []
    /// Messages whose last chunk is still to come.
    private(set) var partial: [(key: UInt16, chunks: [Chunk])] = []
    private let maximumKeys: Int
    private let maximumBytes: Int

    /// - Parameters:
    ///   - maximumKeys: how many keys are kept; messages under further keys are not retained.
    ///   - maximumBytes: how large one retained message may be; larger ones are not retained.
    init(maximumKeys: Int, maximumBytes: Int) {
        self.maximumKeys = maximumKeys
        self.maximumBytes = maximumBytes
    }

    /// How many bytes a newcomer is sent.
    var byteCount: Int {
        inStreamOrder.reduce(0) { $0 + Self.byteCount($1) }
    }

    /// How many bytes are held in all.
    var heldByteCount: Int {
        let whole = replaced.reduce(byteCount) { $0 + Self.byteCount($1) }
        return partial.reduce(whole) { $0 + Self.byteCount($1.chunks) }
    }

    private static func byteCount(_ chunks: [Chunk]) -> Int {
        chunks.reduce(0) { $0 + $1.frame.count }
    }

    /// Takes a chunk of a retained message, in order.
    ///
    /// - Returns: the whole message if this chunk completes one that is newer than the one held.
    mutating func accept(_ chunk: Chunk) -> [Chunk]? {
        let header = chunk.header
        if header.flags.contains([.first, .joinPoint]) { replaced.removeAll() }
        guard header.flags.contains(.retained), !header.isParity else { return nil }
        let key = header.retainedKey
        let held = inStreamOrder.firstIndex { $0.first?.header.retainedKey == key }
        let begun = partial.firstIndex { $0.key == key }
        var chunks: [Chunk] = []
        if let begun, !begins(header, anew: partial[begun].chunks) {
            // Of several parents each may tell a newcomer of the same message: what came already is passed over.
            guard header.continues(partial[begun].chunks.last?.header) else { return nil }
            chunks = partial[begun].chunks
        } else {
            let isKnown = held != nil || begun != nil
            guard header.flags.contains(.first), isKnown || inStreamOrder.count + partial.count < maximumKeys else {
                return nil
            }
        }
        if let begun { partial.remove(at: begun) }
        guard chunks.reduce(chunk.frame.count, { $0 + $1.frame.count }) <= maximumBytes else { return nil }
        chunks.append(chunk)
        guard header.flags.contains(.last) else {
            partial.append((key, chunks))
            return nil
        }
        return keep(chunks, insteadOf: held) ? chunks : nil
    }

    /// Whether a chunk is the first one of another message than the one that has begun.
    private func begins(_ header: ChunkHeader, anew begun: [Chunk]) -> Bool {
        header.flags.contains(.first) && begun.first?.header.sequence != header.sequence
    }

    private mutating func keep(_ chunks: [Chunk], insteadOf held: Int?) -> Bool {
        let sequence = chunks[0].header.sequence
        if let held {
            guard inStreamOrder[held][0].header.sequence < sequence else { return false }
            let old = inStreamOrder.remove(at: held)
            if !replaced.contains(where: { Self.key($0) == Self.key(old) }) { replaced.append(old) }
        }
        let position = inStreamOrder.firstIndex { $0[0].header.sequence > sequence }
        inStreamOrder.insert(chunks, at: position ?? inStreamOrder.count)
        return true
    }

    /// What is in force where a newcomer starts, in stream order. What is newer it gets in its place in the stream.
    func inForce(at position: UInt64) -> [[Chunk]] {
        let newest = inStreamOrder.filter { $0[0].header.sequence < position }
        let older = replaced.filter { old in
            old[0].header.sequence < position && !newest.contains { Self.key($0) == Self.key(old) }
        }
        return (older + newest).sorted { $0[0].header.sequence < $1[0].header.sequence }
    }

    /// All that a newcomer may be sent, wherever it starts, in stream order.
    var inForce: [SourcePulse.Retained] {
        (replaced + inStreamOrder).map { message in
            SourcePulse.Retained(key: Self.key(message), sequence: message[0].header.sequence)
        }
        .sorted { $0.sequence < $1.sequence }
    }

    private static func key(_ message: [Chunk]) -> UInt16 {
        message[0].header.retainedKey
    }

    /// Forgets everything: the stream was replaced by another.
    mutating func removeAll() {
        inStreamOrder.removeAll()
        replaced.removeAll()
        partial.removeAll()
    }
}

extension ChunkHeader {
    /// Whether this is the next chunk of data behind another one of the same message; parity may lie between them.
    fileprivate func continues(_ other: ChunkHeader?) -> Bool {
        guard let other else { return false }
        let step: UInt64 = Row(of: other).map { $0.parity == other.sequence + 1 } == true ? 2 : 1
        return sequence == other.sequence + step && fragment == other.fragment.addingReportingOverflow(UInt32(step)).0
    }
}

/// The newest part of the stream: what newcomers start from and neighbours repair from.
///
/// A ring indexed by sequence number, so that insertion, look-up and eviction are O(1). Numbers in the window may be
/// missing. The window ends one past the newest chunk and holds at most `maximumChunks` numbers and about
/// `maximumBytes` bytes; what falls out at the old end is forgotten.
struct ReplayBuffer<Buffer: FrameBuffer> {
    /// One chunk as it came: the whole frame, so that relaying it is sending it again.
    struct Chunk {
        var header: ChunkHeader
        var frame: Buffer
        var payloadOffset: Int

        var payload: Buffer {
            frame.slice(from: payloadOffset, to: frame.count)
        }
    }

    enum Insertion {
        case inserted
        case duplicate
        case tooOld
    }

    /// The lowest number that may be held.
    private(set) var start: UInt64 = 0
    /// One past the newest number.
    private(set) var end: UInt64 = 0
    /// Bytes of all frames held.
    private(set) var byteCount = 0
    /// Where the messages marked as join points begin, in order. Those before `joinPointHead` have been evicted.
    private(set) var joinPoints: [UInt64] = []
    private var joinPointHead = 0

    private var slots: [Chunk?]
    /// How many numbers the window spans at most.
    let maximumChunks: UInt64
    private let maximumBytes: Int

    /// - Parameters:
    ///   - maximumChunks: how many sequence numbers the window spans; rounded up to a power of two.
    ///   - maximumBytes: how many bytes of frames are kept; the newest chunk is always kept.
    init(maximumChunks: Int, maximumBytes: Int) {
        var capacity = 64
        while capacity < maximumChunks { capacity *= 2 }
        self.maximumChunks = UInt64(capacity)
        self.maximumBytes = maximumBytes
        self.slots = Array(repeating: nil, count: 64)
    }

    /// The chunk with this number, if it is held.
    subscript(sequence: UInt64) -> Chunk? {
        guard sequence >= start, sequence < end else { return nil }
        return slots[index(of: sequence)]
    }

    /// Whether the chunk with this number is held.
    func contains(_ sequence: UInt64) -> Bool {
        self[sequence] != nil
    }

    /// Empties the buffer and lets the stream begin at `sequence`.
    mutating func reset(to sequence: UInt64) {
        for slot in slots.indices { slots[slot] = nil }
        joinPoints.removeAll(keepingCapacity: true)
        joinPointHead = 0
        byteCount = 0
        start = sequence
        end = sequence
    }

    /// Forgets what is held from `sequence` on, and that there was anything.
    mutating func removeAll(from sequence: UInt64) {
        guard sequence > start else {
            reset(to: sequence)
            return
        }
        while end > sequence || (end > start && slots[index(of: end - 1)] == nil) { removeNewest() }
    }

    private mutating func removeNewest() {
        end -= 1
        if let chunk = slots[index(of: end)] { byteCount -= chunk.frame.count }
        slots[index(of: end)] = nil
        if joinPointHead < joinPoints.count, joinPoints[joinPoints.count - 1] >= end { joinPoints.removeLast() }
    }

    /// Keeps a chunk and evicts the oldest ones that no longer fit.
    mutating func insert(_ chunk: Chunk) -> Insertion {
        let sequence = chunk.header.sequence
        if sequence < start {
            guard end - sequence <= maximumChunks, byteCount + chunk.frame.count <= maximumBytes else { return .tooOld }
            grow(toSpan: end - sequence)
            start = sequence
        } else if sequence >= end {
            makeRoom(for: sequence)
        } else if slots[index(of: sequence)] != nil {
            return .duplicate
        }
        slots[index(of: sequence)] = chunk
        byteCount += chunk.frame.count
        if chunk.header.flags.contains([.first, .joinPoint]) { noteJoinPoint(sequence) }
        while byteCount > maximumBytes, start + 1 < end { evictOldest() }
        return .inserted
    }

    /// The source's clock at the newest chunk: microseconds since 1970-01-01 UTC; 0 before the first.
    var newestTimestamp: UInt64 {
        end > start ? slots[index(of: end - 1)]?.header.timestamp ?? 0 : 0
    }

    /// The newest join point that is held.
    var newestJoinPoint: UInt64? {
        joinPointHead < joinPoints.count ? joinPoints[joinPoints.count - 1] : nil
    }

    /// The lowest number from which on the chunk itself is held, or ``end``.
    func firstHeld(from sequence: UInt64) -> UInt64 {
        var candidate = max(sequence, start)
        while candidate < end, slots[index(of: candidate)] == nil { candidate += 1 }
        return candidate
    }

    /// The runs of numbers that are held from `sequence` on, in order. If there are more than `count`, the last one
    /// reaches to ``end``, over what is missing in between.
    func runs(from sequence: UInt64, atMost count: Int) -> [SequenceRange] {
        var runs: [SequenceRange] = []
        var next = firstHeld(from: sequence)
        while next < end {
            let begin = next
            while next < end, slots[index(of: next)] != nil { next += 1 }
            runs.append(SequenceRange(start: begin, end: runs.count + 1 == count ? end : next))
            guard runs.count < count else { break }
            next = firstHeld(from: next)
        }
        return runs
    }

    private mutating func makeRoom(for sequence: UInt64) {
        if sequence - end >= maximumChunks {
            reset(to: sequence)
        }
        let span = sequence + 1 - start
        if span > maximumChunks {
            let newStart = sequence + 1 - maximumChunks
            while start < newStart { evictOldest() }
        }
        grow(toSpan: sequence + 1 - start)
        end = sequence + 1
    }

    private mutating func evictOldest() {
        if start < end, let chunk = slots[index(of: start)] {
            byteCount -= chunk.frame.count
            slots[index(of: start)] = nil
        }
        start += 1
        if end < start { end = start }
        if joinPointHead < joinPoints.count, joinPoints[joinPointHead] < start { joinPointHead += 1 }
        if joinPointHead >= 1024, joinPointHead * 2 >= joinPoints.count {
            joinPoints.removeFirst(joinPointHead)
            joinPointHead = 0
        }
    }

    private mutating func noteJoinPoint(_ sequence: UInt64) {
        var position = joinPoints.endIndex
        while position > joinPointHead, joinPoints[position - 1] > sequence { position -= 1 }
        joinPoints.insert(sequence, at: position)
    }

    private mutating func grow(toSpan span: UInt64) {
        guard span > UInt64(slots.count) else { return }
        var capacity = slots.count
        while UInt64(capacity) < span { capacity *= 2 }
        var grown = [Chunk?](repeating: nil, count: capacity)
        var sequence = start
        while sequence < end {
            let slot = Int(truncatingIfNeeded: sequence & UInt64(capacity - 1))
            grown[slot] = slots[index(of: sequence)]
            sequence += 1
        }
        slots = grown
    }

    private func index(of sequence: UInt64) -> Int {
        Int(truncatingIfNeeded: sequence & UInt64(slots.count - 1))
    }
}

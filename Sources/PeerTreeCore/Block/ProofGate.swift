/// Where the frames of a signed tree's links wait until the host has checked the blocks that their chunks are of.
///
/// Nothing unproven gets behind it: it is not delivered, passed on, or kept for repair. The frames of a link come out in
/// the order in which they came in, and wait for nothing but their own link.
struct ProofGate<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    enum Output {
        /// A frame that is not a chunk.
        case control(LinkID, Buffer)
        /// A chunk that the source wrote, and its stream.
        case chunk(LinkID, Chunk, SignedStreamID)
        /// A chunk without a proof, or what is no frame at all.
        case malformed(LinkID)
        /// The proof is false.
        case forged(LinkID)
        /// The source signed another block of this number.
        case contradicted(LinkID)
        /// There was no room for it.
        case dropped(LinkID)
        /// To be checked by the host: whether the source's key has made this signature over the statement.
        case verify(ticket: UInt64, statement: [UInt8], Signature)
    }

    /// A frame that came, and what was made of it.
    private struct Waiting {
        let frame: Buffer
        let type: UInt8
        /// Its chunk and proof, once looked at.
        var proven: (chunk: Chunk, proof: BlockProof)?

        /// What it counts as.
        var cost: Int { max(frame.count, 64) }
    }

    private struct Queue {
        let link: LinkID
        /// In order; the first one's block is being checked.
        var frames: [Waiting]
        var byteCount: Int
    }

    /// Those in which something waits.
    private var queues: [Queue] = []
    private var known = KnownBlocks()
    private var outputs = OutputQueue<Output>()
    private let maximumBytesPerLink: Int
    private let maximumBytes: Int

    /// Other frames than chunks find so much more room.
    private static var reserve: Int { 64 << 10 }

    /// - Parameters:
    ///   - maximumBytesPerLink: how much may wait of one link; what comes then is dropped, and may be asked for again.
    ///   - maximumBytes: how much in all.
    init(maximumBytesPerLink: Int, maximumBytes: Int) {
        self.maximumBytesPerLink = maximumBytesPerLink
        self.maximumBytes = maximumBytes
    }

    /// How many bytes wait.
    var byteCount: Int { queues.reduce(0) { $0 + $1.byteCount } }

    /// What has become of the frames, in order; nil if nothing has.
    mutating func nextOutput() -> Output? { outputs.popFirst() }

    /// A frame came.
    mutating func receive(_ frame: Buffer, on link: LinkID) {
        var waiting = Waiting(frame: frame, type: frame.withPrefix(1) { $0.first ?? 0 })
        if let index = queues.firstIndex(where: { $0.link == link }) {
            guard hasRoom(for: waiting, behind: queues[index].byteCount) else { return outputs.append(.dropped(link)) }
            queues[index].byteCount += waiting.cost
            queues[index].frames.append(waiting)
        } else if !pass(&waiting, link) {
            guard hasRoom(for: waiting, behind: 0) else { return outputs.append(.dropped(link)) }
            queues.append(Queue(link: link, frames: [waiting], byteCount: waiting.cost))
        }
    }

    private func hasRoom(for waiting: Waiting, behind bytes: Int) -> Bool {
        let extra = waiting.type == FrameType.signedChunk.rawValue ? 0 : Self.reserve
        return bytes + waiting.cost <= maximumBytesPerLink + extra && byteCount + waiting.cost <= maximumBytes + extra
    }

    /// The host has checked a signature.
    mutating func verified(_ ticket: UInt64, _ isTrue: Bool) {
        known.answered(ticket, isTrue)
        var left: [Queue] = []
        for var queue in queues where !drain(&queue) { left.append(queue) }
        queues = left
    }

    /// Forgets what waits of links that are gone.
    mutating func retain(where isThere: (LinkID) -> Bool) {
        queues.removeAll { !isThere($0.link) }
    }

    /// - Returns: whether nothing waits there any more.
    private mutating func drain(_ queue: inout Queue) -> Bool {
        var passed = 0
        while passed < queue.frames.count {
            if known.verdict(of: queue.frames[passed].proven?.proof) == .forged {
                outputs.append(.forged(queue.link))
                return true
            }
            guard pass(&queue.frames[passed], queue.link) else { break }
            queue.byteCount -= queue.frames[passed].cost
            passed += 1
        }
        queue.frames.removeFirst(passed)
        return queue.frames.isEmpty
    }

    /// Lets a frame through, or finds it wanting.
    ///
    /// - Returns: whether it is dealt with; if not, its block is being checked.
    private mutating func pass(_ waiting: inout Waiting, _ link: LinkID) -> Bool {
        switch waiting.type {
        case FrameType.signedChunk.rawValue: break
        case FrameType.chunk.rawValue:
            outputs.append(.malformed(link))
            return true
        default:
            outputs.append(.control(link, waiting.frame))
            return true
        }
        guard let (chunk, proof) = waiting.proven ?? Self.read(waiting.frame) else {
            outputs.append(.malformed(link))
            return true
        }
        switch known.verdict(of: proof) {
        case .proven: outputs.append(.chunk(link, chunk, proof.header.streamID))
        case .contradicted: outputs.append(.contradicted(link))
        case .forged: outputs.append(.forged(link))
        case .asked:
            waiting.proven = (chunk, proof)
            return false
        case nil:
            waiting.proven = (chunk, proof)
            outputs.append(.verify(ticket: known.ask(proof), statement: proof.statement, proof.signature))
            return false
        }
        return true
    }

    private static func read(_ frame: Buffer) -> (chunk: Chunk, proof: BlockProof)? {
        guard let (signed, payloadOffset) = try? SignedChunk.decode(frame) else { return nil }
        let chunk = Chunk(header: signed.header, frame: frame, payloadOffset: payloadOffset)
        guard let root = signed.root(over: chunk.payload) else { return nil }
        return (chunk, BlockProof(header: signed.block, root: root, signature: signed.signature))
    }
}

/// What a source signs of a block, and its signature.
///
/// The signature is a part of it: a true root under another one would be passed on and be found false below.
struct BlockProof: Equatable {
    let header: BlockHeader
    let root: Hash256
    let signature: Signature

    /// What the signature is over.
    var statement: [UInt8] { SourceStatement.block(header, root: root).signedBytes }

    static func == (one: BlockProof, other: BlockProof) -> Bool {
        one.root == other.root && one.header == other.header && one.signature == other.signature
    }

    /// Whether a source that signs both says two things about one block.
    func contradicts(_ other: BlockProof) -> Bool {
        header.streamID == other.header.streamID && header.number == other.header.number
            && (header != other.header || root != other.root)
    }
}

/// What the host has found out about the newest blocks that came: by what was signed, never by number.
struct KnownBlocks {
    enum Verdict {
        /// The host is looking at it.
        case asked(UInt64)
        /// The source signed it.
        case proven
        /// So it did, and another of the same number before.
        case contradicted
        /// It did not.
        case forged
    }

    private var entries: [(proof: BlockProof, verdict: Verdict)] = []
    private var nextTicket: UInt64 = 1

    /// So many are remembered; a link has one looked at at a time.
    private static var maximum: Int { 256 }

    /// What is known of a block; nil if nothing is.
    func verdict(of proof: BlockProof?) -> Verdict? {
        guard let proof else { return nil }
        return entries.last { $0.proof == proof }?.verdict
    }

    /// Has a block checked.
    ///
    /// - Returns: by what the answer is known.
    mutating func ask(_ proof: BlockProof) -> UInt64 {
        defer { nextTicket += 1 }
        if entries.count >= Self.maximum, let oldest = entries.firstIndex(where: { !$0.verdict.isOpen }) {
            entries.remove(at: oldest)
        }
        entries.append((proof, .asked(nextTicket)))
        return nextTicket
    }

    mutating func answered(_ ticket: UInt64, _ isTrue: Bool) {
        guard let index = entries.firstIndex(where: { $0.verdict == .asked(ticket) }) else { return }
        let proof = entries[index].proof
        let isContradicted = entries.contains { $0.verdict == .proven && $0.proof.contradicts(proof) }
        entries[index].verdict = !isTrue ? .forged : isContradicted ? .contradicted : .proven
    }
}

extension KnownBlocks.Verdict: Equatable {
    var isOpen: Bool {
        if case .asked = self { true } else { false }
    }
}

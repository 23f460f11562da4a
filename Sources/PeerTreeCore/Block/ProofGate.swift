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
        /// What the source says of a stream, and the frame that proves it.
        case head(LinkID, SourceHead, Buffer)
        /// How far the source is, and the frame that proves it.
        case pulse(LinkID, SourcePulse, Buffer)
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

    /// What a frame holds.
    private enum Content {
        case chunk(Chunk, SignedStreamID)
        case head(SourceHead)
        case pulse(SourcePulse)
    }

    /// A frame that came, and what was made of it.
    private struct Waiting {
        let frame: Buffer
        let type: UInt8
        /// What it holds and what proves it, once looked at.
        var proven: (content: Content, proof: Proof)?

        /// What it counts as.
        var cost: Int { max(frame.count, 64) }
    }

    private struct Queue {
        let link: LinkID
        /// In order; what proves the first one is being checked.
        var frames: [Waiting]
        var byteCount: Int
    }

    /// Those in which something waits.
    private var queues: [Queue] = []
    private var known = KnownProofs()
    /// The newest head, and the clock of the newest pulse of its stream: of old pulses, which are true, a neighbour could
    /// have any number checked.
    private var newest: (head: SourceHead, clock: UInt64)?
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
    /// - Returns: whether it is dealt with; if not, what proves it is being checked.
    private mutating func pass(_ waiting: inout Waiting, _ link: LinkID) -> Bool {
        switch FrameType(rawValue: waiting.type) {
        case .signedChunk, .sourceHead, .sourcePulse: break
        case .chunk:
            outputs.append(.malformed(link))
            return true
        default:
            outputs.append(.control(link, waiting.frame))
            return true
        }
        guard let (content, proof) = waiting.proven ?? Self.read(waiting.frame, waiting.type) else {
            outputs.append(.malformed(link))
            return true
        }
        if case .pulse(let pulse) = content, !isAwaited(pulse) { return true }
        switch known.verdict(of: proof) {
        case .proven: admit(content, waiting.frame, link)
        case .contradicted: outputs.append(.contradicted(link))
        case .forged: outputs.append(.forged(link))
        case .asked:
            waiting.proven = (content, proof)
            return false
        case nil:
            waiting.proven = (content, proof)
            let statement = proof.statement.signedBytes
            outputs.append(.verify(ticket: known.ask(proof), statement: statement, proof.signature))
            return false
        }
        return true
    }

    private func isAwaited(_ pulse: SourcePulse) -> Bool {
        newest.map { $0.head.streamID == pulse.streamID && $0.clock < pulse.clock } ?? false
    }

    private mutating func admit(_ content: Content, _ frame: Buffer, _ link: LinkID) {
        switch content {
        case .chunk(let chunk, let streamID):
            outputs.append(.chunk(link, chunk, streamID))
        case .head(let head):
            if head.supersedes(newest?.head) { newest = (head, 0) }
            outputs.append(.head(link, head, frame))
        case .pulse(let pulse):
            newest?.clock = pulse.clock
            outputs.append(.pulse(link, pulse, frame))
        }
    }

    private static func read(_ frame: Buffer, _ type: UInt8) -> (content: Content, proof: Proof)? {
        guard type == FrameType.signedChunk.rawValue else {
            guard let said = try? SourceFrame.decode(frame) else { return nil }
            let content: Content =
                switch said {
                case .head(let head, _): .head(head)
                case .pulse(let pulse, _): .pulse(pulse)
                }
            return (content, Proof(statement: said.statement, signature: said.signature))
        }
        guard let (signed, payloadOffset) = try? SignedChunk.decode(frame) else { return nil }
        let chunk = Chunk(header: signed.header, frame: frame, payloadOffset: payloadOffset)
        guard let root = signed.root(over: chunk.payload) else { return nil }
        let proof = Proof(statement: .block(signed.block, root: root), signature: signed.signature)
        return (.chunk(chunk, signed.block.streamID), proof)
    }
}

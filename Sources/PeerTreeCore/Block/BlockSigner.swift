/// Closes blocks of what a source writes, has the host sign them, and makes their frames.
///
/// What is written while no block was closed a moment ago is closed at once, so that signatures delay nothing; what follows
/// within ``interval`` shares a block, so that there are not more than so many signatures a second, however small the
/// messages are. A join point begins a block, and a full one is closed.
struct BlockSigner<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    /// What the host is to sign.
    struct Request: Equatable {
        /// The number of the block.
        let block: UInt64
        /// What the signature is over.
        let statement: [UInt8]
    }

    /// A block that is closed.
    private struct Block {
        let header: BlockHeader
        /// Their frames are the payloads alone.
        let chunks: [Chunk]
        let tree: BlockTree
        var signature: Signature?
    }

    let streamID: SignedStreamID
    /// What will be the next block.
    private var open: [Chunk] = []
    /// In order, from the first on that has no signature.
    private var closed: [Block] = []
    private var nextNumber: UInt64 = 0
    private var closedAt: Instant?

    /// Blocks of small messages are closed no more often than this.
    static var interval: TimeSpan { .milliseconds(5) }
    /// A writer waits while so many blocks wait for their signatures.
    private static var maximumWaiting: Int { 16 }

    init(streamID: SignedStreamID) {
        self.streamID = streamID
    }

    /// When the open block has to be closed.
    var deadline: Instant {
        open.isEmpty ? .distantFuture : closedAt.map { $0 + Self.interval } ?? .zero
    }

    /// How many blocks have gone out.
    var signedCount: UInt64 { nextNumber - UInt64(closed.count) }

    /// Whether the host is far behind with its signatures.
    var isBehind: Bool { closed.count >= Self.maximumWaiting }

    /// Takes a message.
    ///
    /// - Parameters:
    ///   - chunks: with their payloads as frames.
    ///   - isLast: nothing follows.
    mutating func add(_ chunks: [Chunk], isLast: Bool = false, at now: Instant) -> [Request] {
        var requests: [Request] = []
        for chunk in chunks {
            if chunk.header.flags.contains([.first, .joinPoint]) || !hasRoom(for: chunk) { requests += close(at: now) }
            open.append(chunk)
            if open.count == Int(BlockHeader.maximumCount) { requests += close(at: now) }
        }
        return isLast ? requests + close(at: now) : requests + closeIfDue(at: now)
    }

    /// Whether a chunk fits into the open block: its row does, which is not divided, and the others are in rows like it.
    private func hasRoom(for chunk: Chunk) -> Bool {
        guard let first = open.first else { return true }
        guard first.header.rowWidth == chunk.header.rowWidth else { return false }
        guard let row = Row(of: chunk.header), chunk.header.sequence == row.start else { return true }
        return open.count + Int(row.width) <= Int(BlockHeader.maximumCount)
    }

    /// Closes the open block if it is time.
    mutating func closeIfDue(at now: Instant) -> [Request] {
        deadline <= now ? close(at: now) : []
    }

    /// - Returns: nothing if nothing was written.
    private mutating func close(at now: Instant) -> [Request] {
        guard let first = open.first else { return [] }
        let leaves = open.map { $0.header.leaf($0.payload) }
        let tree = BlockTree(leaves: leaves, rowWidth: first.header.rowWidth, hash: Buffer.hash)
        guard let root = tree.root else { return [] }
        let header = BlockHeader(
            streamID: streamID,
            number: nextNumber,
            first: first.header,
            count: UInt16(clamping: open.count)
        )
        closed.append(Block(header: header, chunks: open, tree: tree))
        open.removeAll()
        nextNumber += 1
        closedAt = now
        return [Request(block: header.number, statement: SourceStatement.block(header, root: root).signedBytes)]
    }

    /// The host has signed a block.
    ///
    /// - Returns: the chunks that can go out now, in order.
    mutating func signed(_ number: UInt64, _ signature: Signature) -> [Chunk] {
        guard let index = closed.firstIndex(where: { $0.header.number == number }) else { return [] }
        closed[index].signature = signature
        var chunks: [Chunk] = []
        while let block = closed.first, let signature = block.signature {
            chunks += Self.chunks(of: block, signature)
            closed.removeFirst()
        }
        return chunks
    }

    private static func chunks(of block: Block, _ signature: Signature) -> [Chunk] {
        block.chunks.indices.map { index in
            let bare = block.chunks[index]
            let header = SignedChunk(
                header: bare.header,
                block: block.header,
                signature: signature,
                path: block.tree.path(to: index)
            ).encoded()
            let frame = Buffer(header: header, payload: bare.payload)
            return Chunk(header: bare.header, frame: frame, payloadOffset: header.count)
        }
    }
}

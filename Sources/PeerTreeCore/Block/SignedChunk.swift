/// What stands before the payload of a chunk that proves that the source wrote it: the chunk's own header, that of its
/// block with the source's signature, and the path from the chunk to the root that was signed.
///
/// Everything that it takes to check a chunk travels with it. So who stores a chunk can pass it on at any time, to anyone,
/// as it came, and no link has to remember which blocks the other end knows of. Of a frame that was found true nothing can
/// be changed without making it untrue.
package struct SignedChunk: Equatable, Sendable {
    /// The chunk's own header.
    package var header: ChunkHeader
    /// That of its block.
    package var block: BlockHeader
    /// The source's, over ``SourceStatement/block(_:root:)``.
    package var signature: Signature
    /// From the chunk to the root.
    package var path: [Hash256]

    /// The longest path of a block's chunk: in a full block in rows of three it takes two hashes to the row and five on.
    static let maximumPathLength = 7
    private static let fixedLength = ChunkHeader.length + BlockHeader.length + Signature.length
    private static let maximumLength = fixedLength + maximumPathLength * Hash256.length
    /// The most bytes of a message that one chunk carries: a whole frame is at most 16 KiB.
    package static let maximumPayload = 16 * 1024 - maximumLength

    /// Makes it of its parts.
    package init(header: ChunkHeader, block: BlockHeader, signature: Signature, path: [Hash256]) {
        self.header = header
        self.block = block
        self.signature = signature
        self.path = path
    }

    /// What stands before the payload.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(capacity: Self.fixedLength + path.count * Hash256.length)
        header.write(to: &writer, as: .signedChunk)
        block.write(to: &writer)
        writer.signature(signature)
        for hash in path { writer.hash(hash) }
        return writer.bytes
    }

    /// Reads what stands before the payload.
    ///
    /// - Returns: that, and where the payload starts.
    /// - Throws: ``FrameError`` for anything that no conforming sender writes. Whether it is true is another question.
    package static func decode(
        _ frame: borrowing some FrameBuffer
    ) throws(FrameError) -> (chunk: SignedChunk, payloadOffset: Int) {
        guard frame.count >= fixedLength else { throw .truncated }
        let result: Result<(SignedChunk, Int), FrameError> = frame.withPrefix(maximumLength) { bytes in
            var reader = WireReader(bytes)
            do throws(FrameError) {
                return .success(try read(&reader))
            } catch {
                return .failure(error)
            }
        }
        let (chunk, payloadOffset) = try result.get()
        guard frame.count - payloadOffset <= maximumPayload else { throw .oversized }
        return (chunk, payloadOffset)
    }

    private static func read(_ reader: inout WireReader) throws(FrameError) -> (SignedChunk, Int) {
        let header = try ChunkHeader(strictly: &reader)
        let block = BlockHeader(&reader)
        guard block.isPossible, block.hasWholeRows(of: header.rowWidth), let index = block.index(of: header) else {
            throw .badBlock
        }
        let signature = reader.signature()
        let length = BlockTree.pathLength(to: index, of: Int(block.count), rowWidth: header.rowWidth)
        var path: [Hash256] = []
        path.reserveCapacity(length)
        for _ in 0..<length { path.append(reader.hash()) }
        guard !reader.isExhausted else { throw .truncated }
        let chunk = SignedChunk(header: header, block: block, signature: signature, path: path)
        return (chunk, fixedLength + length * Hash256.length)
    }

    /// The root of the block, if the chunk is one of it: what the signature has to be true of.
    package func root<Payload: FrameBuffer>(over payload: borrowing Payload) -> Hash256? {
        guard let index = block.index(of: header) else { return nil }
        return BlockTree.root(
            over: header.leaf(payload),
            at: index,
            of: Int(block.count),
            rowWidth: header.rowWidth,
            by: path,
            hash: Payload.hash
        )
    }
}

extension ChunkHeader {
    /// The chunk as an entry of its block's tree: its header, as of a chunk without a signature, and its payload.
    package func leaf(_ payload: borrowing some FrameBuffer) -> Hash256 {
        payload.hash(after: MerkleTree.leafPrefix + encoded())
    }
}

/// An Ed25519 signature (RFC 8032).
public struct Signature: Hashable, Sendable {
    /// How long it is, in bytes.
    public static var length: Int { 64 }

    /// ``length`` bytes.
    public let bytes: [UInt8]

    /// Makes a signature of its bytes; nil if it is not so many.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = bytes
    }

    fileprivate init(_ reader: inout WireReader) {
        bytes = (0..<Self.length).map { _ in reader.uint8() }
    }
}

extension WireReader {
    mutating func signature() -> Signature { Signature(&self) }
}

extension WireWriter {
    mutating func signature(_ signature: Signature) { bytes(signature.bytes) }
}

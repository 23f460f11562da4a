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
    private static let maximumLength =
        ChunkHeader.maximumShortLength + BlockHeader.maximumShortLength + Signature.length
        + maximumPathLength * Hash256.length
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
        var writer = WireWriter(capacity: Self.maximumLength)
        writer.uint8(FrameType.signedChunk.rawValue)
        header.writeShort(to: &writer)
        block.writeShort(to: &writer, beside: header)
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
        // What the frame is told by.
        _ = reader.uint8()
        let header = try ChunkHeader(short: &reader)
        let block = try BlockHeader(short: &reader, beside: header)
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
        return (chunk, reader.offset)
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

// What goes with every chunk and is known from elsewhere, or small, is written short. There is one form for each value: of a
// frame that was found true nothing can be changed without making it untrue.

extension ChunkHeader {
    fileprivate static let maximumShortLength = 31

    fileprivate func writeShort(to writer: inout WireWriter) {
        writer.uint16(flags.rawValue)
        writer.uint8(stripe)
        writer.uint8(rowWidth)
        writer.varint(sequence)
        writer.uint64(timestamp)
        writer.varint(UInt64(fragment))
        if flags.contains(.retained) { writer.uint16(retainedKey) }
    }

    fileprivate init(short reader: inout WireReader) throws(FrameError) {
        let flags = Flags(rawValue: reader.uint16())
        let stripe = reader.uint8()
        let rowWidth = reader.uint8()
        let sequence = reader.varint()
        let timestamp = reader.uint64()
        let fragment = reader.varint()
        let key = flags.contains(.retained) ? reader.uint16() : 0
        guard !reader.isExhausted else { throw .truncated }
        guard let sequence, let fragment = fragment.flatMap({ UInt32(exactly: $0) }) else { throw .badValue }
        self.init(
            sequence: sequence,
            stripe: stripe,
            flags: flags,
            retainedKey: key,
            timestamp: timestamp,
            fragment: fragment,
            rowWidth: rowWidth
        )
        try validate()
    }
}

extension BlockHeader {
    fileprivate static let maximumShortLength = 38
    /// Set in the byte of the count if the first chunk's timestamp is another than that of the chunk at hand.
    private static let hasTimestamp: UInt8 = 0x80

    /// Of the first chunk of a block nothing is said twice.
    ///
    /// - Parameter chunk: one of the block.
    fileprivate func writeShort(to writer: inout WireWriter, beside chunk: ChunkHeader) {
        let index = UInt8(truncatingIfNeeded: self.index(of: chunk) ?? 0)
        let hasTimestamp = index > 0 && timestamp != chunk.timestamp
        streamID.write(to: &writer)
        writer.varint(number)
        writer.uint8(index)
        writer.uint8(UInt8(truncatingIfNeeded: count) | (hasTimestamp ? Self.hasTimestamp : 0))
        guard index > 0 else { return }
        writer.uint16(flags.rawValue)
        if flags.contains(.retained) { writer.uint16(retainedKey) }
        if hasTimestamp { writer.uint64(timestamp) }
    }

    fileprivate init(short reader: inout WireReader, beside chunk: ChunkHeader) throws(FrameError) {
        streamID = SignedStreamID(&reader)
        let number = reader.varint()
        let index = reader.uint8()
        let counted = reader.uint8()
        let hasTimestamp = counted & Self.hasTimestamp != 0
        count = UInt16(counted & ~Self.hasTimestamp)
        flags = index > 0 ? ChunkHeader.Flags(rawValue: reader.uint16()) : chunk.flags
        let ownKey = index > 0 && flags.contains(.retained) ? reader.uint16() : 0
        retainedKey = index > 0 ? ownKey : chunk.retainedKey
        timestamp = hasTimestamp ? reader.uint64() : chunk.timestamp
        guard !reader.isExhausted else { throw .truncated }
        guard let number, chunk.sequence >= UInt64(index), !hasTimestamp || (index > 0 && timestamp != chunk.timestamp)
        else { throw .badBlock }
        self.number = number
        firstSequence = chunk.sequence - UInt64(index)
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

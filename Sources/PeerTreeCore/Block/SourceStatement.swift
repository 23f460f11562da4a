/// What a source says under its signature.
///
/// Each kind has a context of its own, which stands before what is signed, so that nothing that was said as one can be
/// passed off as another, nor as what the same key signs for some other purpose. That a stream is complete is said by a
/// mark of its last chunk, which is in a block like every other.
package enum SourceStatement: Equatable, Sendable {
    /// These are the chunks of a block.
    case block(BlockHeader, root: Hash256)
    /// This is the stream.
    case head(SourceHead)
    /// So much of it was written by now.
    case pulse(SourcePulse)
    /// The tree is this source's, as it says to a server.
    case create(CreationProof)

    /// What the signature is over.
    package var signedBytes: [UInt8] {
        var writer = WireWriter(capacity: 128)
        switch self {
        case .block(let header, let root):
            writer.context("peer-tree block 1")
            header.write(to: &writer)
            writer.hash(root)
        case .head(let head):
            writer.context("peer-tree head 1")
            head.write(to: &writer)
        case .pulse(let pulse):
            writer.context("peer-tree pulse 1")
            pulse.write(to: &writer)
        case .create(let proof):
            writer.context("peer-tree create 1")
            proof.write(to: &writer)
        }
        return writer.bytes
    }
}

/// What holds for a whole stream.
package struct SourceHead: Equatable, Sendable {
    /// Which stream.
    package var streamID: SignedStreamID
    /// When it began, by the server's clock: microseconds since 1970-01-01 UTC.
    package var startedAt: UInt64
    /// What happens to slow children.
    package var policy: StreamPolicy

    /// Makes it of its parts.
    package init(streamID: SignedStreamID, startedAt: UInt64, policy: StreamPolicy) {
        self.streamID = streamID
        self.startedAt = startedAt
        self.policy = policy
    }

    /// Of two streams of one source the one that began later counts.
    func supersedes(_ other: SourceHead?) -> Bool {
        other.map { $0.startedAt < startedAt } ?? true
    }

    /// Reads what ``encoded()`` wrote.
    package init(decoding bytes: [UInt8]) throws(FrameError) {
        self = try WireReader.readWhole(bytes) { reader throws(FrameError) in
            let streamID = SignedStreamID(&reader)
            let startedAt = reader.uint64()
            guard let policy = StreamPolicy(rawValue: reader.uint8()) else { throw .badValue }
            return SourceHead(streamID: streamID, startedAt: startedAt, policy: policy)
        }
    }

    /// Its bytes.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(capacity: 25)
        write(to: &writer)
        return writer.bytes
    }

    fileprivate func write(to writer: inout WireWriter) {
        streamID.write(to: &writer)
        writer.uint64(startedAt)
        writer.uint8(policy.rawValue)
    }
}

/// How much of a stream there is.
package struct SourceExtent: Equatable, Sendable {
    /// How many blocks were written.
    package var blocks: UInt64
    /// One past the newest chunk.
    package var next: UInt64

    /// Makes it of both.
    package init(blocks: UInt64, next: UInt64) {
        self.blocks = blocks
        self.next = next
    }

    fileprivate init(_ reader: inout WireReader) throws(FrameError) {
        blocks = reader.uint64()
        next = reader.uint64()
        // Every block has a chunk or more.
        guard next <= ChunkHeader.sequenceLimit, blocks <= next, (blocks == 0) == (next == 0) else {
            throw .badSequence
        }
    }

    fileprivate func write(to writer: inout WireWriter) {
        writer.uint64(blocks)
        writer.uint64(next)
    }
}

/// How far the source is, and what of all that it retained is in force.
package struct SourcePulse: Equatable, Sendable {
    /// A retained message that newcomers are sent.
    package struct Retained: Equatable, Sendable {
        /// The key that it is under.
        package var key: UInt16
        /// The number of its first chunk.
        package var sequence: UInt64

        /// Makes it of both.
        package init(key: UInt16, sequence: UInt64) {
            self.key = key
            self.sequence = sequence
        }
    }

    /// The most messages of one pulse.
    package static let maximumRetained = 64

    /// Which stream.
    package var streamID: SignedStreamID
    /// The server's clock, as the source knows it: microseconds since 1970-01-01 UTC.
    package var clock: UInt64
    /// What was written when it showed that.
    package var extent: SourceExtent
    /// In stream order; ``maximumRetained`` at most. Of a key there are two where the newest message under it is newer than
    /// the newest join point: the one that is in force there, and that.
    package var retained: [Retained]

    /// Makes it of its parts.
    package init(streamID: SignedStreamID, clock: UInt64, extent: SourceExtent, retained: [Retained]) {
        self.streamID = streamID
        self.clock = clock
        self.extent = extent
        self.retained = retained
    }

    /// Reads what ``encoded()`` wrote.
    package init(decoding bytes: [UInt8]) throws(FrameError) {
        self = try WireReader.readWhole(bytes) { reader throws(FrameError) in
            let streamID = SignedStreamID(&reader)
            let clock = reader.uint64()
            let extent = try SourceExtent(&reader)
            let retained = try Self.readRetained(&reader, within: extent)
            return SourcePulse(streamID: streamID, clock: clock, extent: extent, retained: retained)
        }
    }

    private static func readRetained(
        _ reader: inout WireReader,
        within extent: SourceExtent
    ) throws(FrameError) -> [Retained] {
        let count = Int(reader.uint8())
        guard count <= maximumRetained else { throw .badValue }
        var retained: [Retained] = []
        for _ in 0..<count {
            let next = Retained(key: reader.uint16(), sequence: reader.uint64())
            guard !reader.isExhausted else { throw .truncated }
            guard next.sequence < extent.next, retained.last.map({ $0.sequence < next.sequence }) ?? true else {
                throw .badValue
            }
            retained.append(next)
        }
        return retained
    }

    /// Its bytes.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(capacity: 41 + 10 * retained.count)
        write(to: &writer)
        return writer.bytes
    }

    fileprivate func write(to writer: inout WireWriter) {
        streamID.write(to: &writer)
        writer.uint64(clock)
        extent.write(to: &writer)
        // Of too many the newest: what is not named is not refused for being old.
        let sent = retained.suffix(Self.maximumRetained)
        writer.uint8(UInt8(sent.count))
        for entry in sent {
            writer.uint16(entry.key)
            writer.uint64(entry.sequence)
        }
    }

    /// Whether a message was retained under its key when the source said this, or has been since.
    ///
    /// - Parameter sequence: the number of its first chunk.
    func isInForce(key: UInt16, sequence: UInt64) -> Bool {
        var isNamed = false
        var isNewest = true
        for entry in retained where entry.key == key {
            isNamed = isNamed || entry.sequence == sequence
            isNewest = isNewest && entry.sequence < sequence
        }
        return isNamed || isNewest
    }
}

/// What a source signs for a server to prove that a tree is its own. Both ends know all of it: it is not sent.
package struct CreationProof: Equatable, Sendable {
    /// The id of the source's socket, which the server has made a moment ago: no earlier proof is of use.
    let socketID: Text
    /// The host that the source dialled: no proof to one server is of use at another.
    let host: Text
    /// The tree.
    let treeID: Text

    /// The longest of the three, in bytes.
    package static let maximumLength = 255

    /// Makes it of its parts; nil if one of them is empty or longer than ``maximumLength``.
    package init?(socketID: Text, host: Text, treeID: Text) {
        let parts = [socketID, host, treeID]
        guard parts.allSatisfy({ !$0.isEmpty && $0.bytes.count <= Self.maximumLength }) else { return nil }
        (self.socketID, self.host, self.treeID) = (socketID, host, treeID)
    }

    fileprivate func write(to writer: inout WireWriter) {
        for part in [socketID, host, treeID] {
            writer.uint8(UInt8(clamping: part.bytes.count))
            writer.bytes(part.bytes)
        }
    }
}

extension WireWriter {
    /// A context and a zero, so that none is the beginning of another.
    mutating func context(_ name: StaticString) {
        bytes(Text(name).bytes)
        uint8(0)
    }
}

extension WireReader {
    /// Reads bytes of which nothing may be left over, nor missing.
    static func readWhole<Value>(
        _ bytes: [UInt8],
        _ read: (inout WireReader) throws(FrameError) -> Value
    ) throws(FrameError) -> Value {
        let result: Result<Value, FrameError> = bytes.withUnsafeBytes { buffer in
            var reader = WireReader(buffer)
            do throws(FrameError) {
                let value = try read(&reader)
                guard !reader.isExhausted else { return .failure(.truncated) }
                return reader.isAtEnd ? .success(value) : .failure(.badValue)
            } catch {
                return .failure(reader.isExhausted ? .truncated : error)
            }
        }
        return try result.get()
    }
}

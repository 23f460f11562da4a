/// What stands before the payload of every chunk on a native link. The protocol article shows it byte by byte.
public struct ChunkHeader: Equatable, Sendable {
    /// The length of the header that this version writes, in bytes. A reader skips what a later version appends.
    public static let length = 28

    /// The most bytes of a message that one chunk carries: a whole frame is then 16 KiB, which every browser takes.
    public static let maximumPayload = 16 * 1024 - length

    /// The most stripes a stream may be dealt over.
    public static let maximumStripes: UInt8 = 16

    /// Position in the stream, counted over all stripes from 0 without gaps.
    public var sequence: UInt64
    /// The tree that carries this chunk.
    public var stripe: UInt8
    /// Marks: message boundaries, join point, retained, text, end of stream, encrypted.
    public var flags: Flags
    /// Under which key the message is retained; 0 without ``Flags/retained``.
    public var retainedKey: UInt16
    /// The source's clock when the message was written: microseconds since 1970-01-01 UTC.
    public var timestamp: UInt64
    /// Index of this chunk within its message; the message began at `sequence - fragment`.
    public var fragment: UInt32
    /// How many chunks there are in the row that this one is of, parity included; 0 for a chunk that parity does not
    /// cover.
    public var rowWidth: UInt8

    /// Marks of a chunk.
    public struct Flags: OptionSet, Hashable, Sendable {
        /// The bits as on the wire.
        public var rawValue: UInt16

        /// Makes a set of the bits on the wire.
        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        /// The first chunk of a message.
        public static let first = Flags(rawValue: 1 << 0)
        /// The last chunk of a message.
        public static let last = Flags(rawValue: 1 << 1)
        /// A viewer can start with this message (a key frame).
        public static let joinPoint = Flags(rawValue: 1 << 2)
        /// The newest message under its key is given to every newcomer first.
        public static let retained = Flags(rawValue: 1 << 3)
        /// The application wrote text, not bytes.
        public static let text = Flags(rawValue: 1 << 4)
        /// The stream is complete; nothing follows. The chunk has no payload.
        public static let endOfStream = Flags(rawValue: 1 << 5)
        /// The message is encrypted for whoever has the broadcast's secret.
        public static let encrypted = Flags(rawValue: 1 << 6)
    }

    /// Makes a header from all of its fields.
    public init(
        sequence: UInt64,
        stripe: UInt8,
        flags: Flags,
        retainedKey: UInt16,
        timestamp: UInt64,
        fragment: UInt32,
        rowWidth: UInt8 = 0
    ) {
        self.sequence = sequence
        self.stripe = stripe
        self.flags = flags
        self.retainedKey = retainedKey
        self.timestamp = timestamp
        self.fragment = fragment
        self.rowWidth = rowWidth
    }

    /// The header's bytes, ``length`` of them.
    public func encoded() -> [UInt8] {
        var writer = WireWriter(capacity: Self.length)
        write(to: &writer, as: .chunk)
        return writer.bytes
    }

    func write(to writer: inout WireWriter, as type: FrameType) {
        writer.uint8(type.rawValue)
        writer.uint8(UInt8(Self.length))
        writer.uint16(flags.rawValue)
        writer.uint8(stripe)
        writer.uint8(rowWidth)
        writer.uint16(retainedKey)
        writer.uint64(sequence)
        writer.uint64(timestamp)
        writer.uint32(fragment)
    }

    /// Reads the header of a chunk frame.
    ///
    /// - Returns: the header and where the payload starts.
    /// - Throws: ``FrameError`` for anything that no conforming sender writes.
    public static func decode(
        _ frame: borrowing some FrameBuffer
    ) throws(FrameError) -> (header: ChunkHeader, payloadOffset: Int) {
        guard frame.count >= length else { throw .truncated }
        let (header, headerLength) = frame.withPrefix(length) { bytes in
            var reader = WireReader(bytes)
            return read(&reader)
        }
        guard headerLength >= length, headerLength <= frame.count else { throw .badHeaderLength }
        guard frame.count - headerLength <= maximumPayload else { throw .oversized }
        try header.validate()
        return (header, headerLength)
    }

    /// Reads a header in which nothing is left to later versions.
    init(strictly reader: inout WireReader) throws(FrameError) {
        let (header, headerLength) = Self.read(&reader)
        guard headerLength == Self.length else { throw .badHeaderLength }
        try header.validate()
        self = header
    }

    private static func read(_ reader: inout WireReader) -> (ChunkHeader, length: Int) {
        _ = reader.uint8()
        let headerLength = Int(reader.uint8())
        let flags = Flags(rawValue: reader.uint16())
        let stripe = reader.uint8()
        let rowWidth = reader.uint8()
        let key = reader.uint16()
        let sequence = reader.uint64()
        let timestamp = reader.uint64()
        let header = ChunkHeader(
            sequence: sequence,
            stripe: stripe,
            flags: flags,
            retainedKey: key,
            timestamp: timestamp,
            fragment: reader.uint32(),
            rowWidth: rowWidth
        )
        return (header, headerLength)
    }

    func validate() throws(FrameError) {
        guard flags.contains(.retained) || retainedKey == 0 else { throw .badValue }
        guard stripe < Self.maximumStripes else { throw .badStripe }
        guard sequence < Self.sequenceLimit else { throw .badSequence }
        guard flags.contains(.first) == (fragment == 0) else { throw .badFragment }
        guard UInt64(fragment) <= sequence else { throw .badSequence }
        guard let row = Row(of: self) else { return }
        guard Row.widths.contains(rowWidth), row.place(of: sequence) == Int(stripe) else { throw .badStripe }
    }

    /// Sequence numbers stay below this, so that arithmetic on them cannot overflow.
    package static let sequenceLimit: UInt64 = 1 << 62
}

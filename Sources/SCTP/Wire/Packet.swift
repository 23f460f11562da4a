/// The first twelve bytes of every packet (RFC 9260 section 3.1).
struct CommonHeader: Equatable {
    static let length = 12

    var sourcePort: UInt16
    var destinationPort: UInt16
    var verificationTag: UInt32
    var checksum: UInt32 = 0

    init(sourcePort: UInt16, destinationPort: UInt16, verificationTag: UInt32) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.verificationTag = verificationTag
    }

    init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= Self.length else { return nil }
        self.sourcePort = packet.number(at: 0)
        self.destinationPort = packet.number(at: 2)
        self.verificationTag = packet.number(at: 4)
        // As RFC 9260 appendix A has it: the one field whose least significant byte comes first.
        self.checksum = UInt32(littleEndian: packet.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    }
}

/// What a chunk is (RFC 9260 section 3.2 and the registry that it founded).
enum ChunkType {
    static let data: UInt8 = 0
    static let initiation: UInt8 = 1
    static let initiationAcknowledgement: UInt8 = 2
    static let selectiveAcknowledgement: UInt8 = 3
    static let heartbeat: UInt8 = 4
    static let heartbeatAcknowledgement: UInt8 = 5
    static let abort: UInt8 = 6
    static let shutdown: UInt8 = 7
    static let shutdownAcknowledgement: UInt8 = 8
    static let error: UInt8 = 9
    static let cookieEcho: UInt8 = 10
    static let cookieAcknowledgement: UInt8 = 11
    static let shutdownComplete: UInt8 = 14
    /// RFC 8260 section 2.1.
    static let interleavedData: UInt8 = 64
    /// RFC 6525 section 3.1.
    static let reconfiguration: UInt8 = 130
    /// RFC 4820 section 3.
    static let padding: UInt8 = 132
    /// RFC 3758 section 3.2.
    static let forwardTSN: UInt8 = 192
    /// RFC 8260 section 2.3.1.
    static let interleavedForwardTSN: UInt8 = 194
}

/// One chunk of a packet, borrowed from it.
struct Chunk {
    var type: UInt8
    var flags: UInt8
    /// All of it, header included, padding not.
    var bytes: UnsafeRawBufferPointer

    static let headerLength = 4

    /// What follows the header.
    var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.bytes.dropFirst(Self.headerLength)) }
}

/// The chunks of a packet one after the other. Ends early at the first whose length cannot be.
struct ChunkReader {
    private let packet: UnsafeRawBufferPointer
    private var offset = CommonHeader.length

    init(_ packet: UnsafeRawBufferPointer) {
        self.packet = packet
    }

    /// Whether all bytes have been taken.
    var isAtEnd: Bool { self.offset >= self.packet.count }

    mutating func next() -> Chunk? {
        guard self.offset + Chunk.headerLength <= self.packet.count else { return nil }
        let length = Int(self.packet.number(at: self.offset + 2) as UInt16)
        guard length >= Chunk.headerLength, self.offset + length <= self.packet.count else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: self.packet[self.offset..<self.offset + length])
        // The padding of the last chunk may be missing (RFC 9260 section 3.2: a receiver SHOULD accept that).
        self.offset += (length + 3) & ~3
        return Chunk(type: bytes[0], flags: bytes[1], bytes: bytes)
    }
}

/// The parameters of a chunk one after the other (RFC 9260 section 3.2.1). Ends early at the first whose length cannot be.
struct ParameterReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    struct Parameter {
        var type: UInt16
        /// All of it, header included, padding not.
        var bytes: UnsafeRawBufferPointer
        var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.bytes.dropFirst(4)) }
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func next() -> Parameter? {
        guard self.offset + 4 <= self.bytes.count else { return nil }
        let length = Int(self.bytes.number(at: self.offset + 2) as UInt16)
        guard length >= 4, self.offset + length <= self.bytes.count else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: self.bytes[self.offset..<self.offset + length])
        self.offset += (length + 3) & ~3
        return Parameter(type: bytes.number(at: 0), bytes: bytes)
    }
}

extension UnsafeRawBufferPointer {
    /// An integer in network byte order. The caller has checked that it is there.
    @inline(__always)
    func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Number {
        Number(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}

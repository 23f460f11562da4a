/// DATA (RFC 9260 section 3.3.1) and I-DATA (RFC 8260 section 2.1).
enum DataChunk {
    static let headerLength = 16
    static let interleavedHeaderLength = 20

    static let ending: UInt8 = 1
    static let beginning: UInt8 = 2
    static let unordered: UInt8 = 4
    /// RFC 7053 section 3.
    static let immediate: UInt8 = 8

    /// What stands before the payload.
    struct Header: Equatable {
        var tsn: UInt32
        var stream: UInt16
        /// SSN (16 bits) or MID.
        var number: UInt32
        var flags: UInt8
        /// Of I-DATA only in a message's first fragment.
        var protocolIdentifier: UInt32
        /// FSN, of I-DATA only; 0 in the first fragment.
        var fragment: UInt32

        var isBeginning: Bool { self.flags & DataChunk.beginning != 0 }
        var isEnding: Bool { self.flags & DataChunk.ending != 0 }
        var isUnordered: Bool { self.flags & DataChunk.unordered != 0 }

        /// Begins the chunk.
        func write(isInterleaved: Bool, into writer: inout PacketWriter) {
            writer.beginChunk(isInterleaved ? ChunkType.interleavedData : ChunkType.data, flags: self.flags)
            writer.write(self.tsn)
            writer.write(self.stream)
            if isInterleaved {
                writer.write(UInt16(0))
                writer.write(self.number)
                writer.write(self.isBeginning ? self.protocolIdentifier : self.fragment)
            } else {
                writer.write(UInt16(truncatingIfNeeded: self.number))
                writer.write(self.protocolIdentifier)
            }
        }
    }

    /// The header and the payload; nil when the chunk is too short for its header.
    static func parse(_ chunk: Chunk) -> (header: Header, payload: UnsafeRawBufferPointer)? {
        let isInterleaved = chunk.type == ChunkType.interleavedData
        let length = isInterleaved ? Self.interleavedHeaderLength : Self.headerLength
        let bytes = chunk.bytes
        guard bytes.count >= length else { return nil }
        var header = Header(
            tsn: bytes.number(at: 4),
            stream: bytes.number(at: 8),
            number: 0,
            flags: chunk.flags,
            protocolIdentifier: 0,
            fragment: 0
        )
        if isInterleaved {
            header.number = bytes.number(at: 12)
            if header.isBeginning {
                header.protocolIdentifier = bytes.number(at: 16)
            } else {
                header.fragment = bytes.number(at: 16)
            }
        } else {
            header.number = UInt32(bytes.number(at: 10) as UInt16)
            header.protocolIdentifier = bytes.number(at: 12)
        }
        return (header, UnsafeRawBufferPointer(rebasing: bytes.dropFirst(length)))
    }
}

/// SACK (RFC 9260 section 3.3.4), borrowed from its packet.
struct SelectiveAcknowledgement {
    static let fixedLength = 16

    var cumulative: UInt32
    var window: UInt32
    private let bytes: UnsafeRawBufferPointer
    let gapCount: Int
    let duplicateCount: Int

    /// One that names no gaps, as SHUTDOWN does (section 3.3.8).
    init(cumulative: UInt32, window: Int) {
        self.cumulative = cumulative
        self.window = UInt32(clamping: window)
        self.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        self.gapCount = 0
        self.duplicateCount = 0
    }

    /// nil when the chunk is shorter than its counts say.
    init?(_ chunk: Chunk) {
        guard chunk.bytes.count >= Self.fixedLength else { return nil }
        self.bytes = chunk.bytes
        self.cumulative = chunk.bytes.number(at: 4)
        self.window = chunk.bytes.number(at: 8)
        self.gapCount = Int(chunk.bytes.number(at: 12) as UInt16)
        self.duplicateCount = Int(chunk.bytes.number(at: 14) as UInt16)
        guard chunk.bytes.count >= Self.fixedLength + 4 * (self.gapCount + self.duplicateCount) else { return nil }
    }

    /// Offsets from the cumulative TSN, both ends included.
    func gap(_ index: Int) -> (start: Int, end: Int) {
        let offset = Self.fixedLength + 4 * index
        return (Int(self.bytes.number(at: offset) as UInt16), Int(self.bytes.number(at: offset + 2) as UInt16))
    }

    func duplicate(_ index: Int) -> UInt32 {
        self.bytes.number(at: Self.fixedLength + 4 * (self.gapCount + index))
    }
}

import NIOCore

/// The head of an EBML element: its id and the size of its payload (RFC 8794, section 6).
struct EBMLElementHead: Equatable {
    /// The id with its length marker, as specifications print it.
    var id: UInt32
    /// The bytes of payload; nil where the size is "unknown" and the payload ends where its parent's next child begins.
    var size: UInt64?
    /// The bytes that id and size take.
    var length: Int
}

/// What reading from a prefix of a stream can come to.
enum EBMLRead<Value> {
    case value(Value)
    /// The prefix ends too early to tell.
    case incomplete
    /// No continuation can make this EBML.
    case malformed
}

/// The element ids the splitter knows (RFC 9559, section 5, and the WebM container guidelines).
enum EBMLID {
    static let ebml: UInt32 = 0x1A45_DFA3
    static let docType: UInt32 = 0x4282
    static let segment: UInt32 = 0x1853_8067
    static let tracks: UInt32 = 0x1654_AE6B
    static let trackEntry: UInt32 = 0xAE
    static let trackNumber: UInt32 = 0xD7
    static let trackType: UInt32 = 0x83
    static let codecID: UInt32 = 0x86
    static let cluster: UInt32 = 0x1F43_B675
    static let timestamp: UInt32 = 0xE7
    static let position: UInt32 = 0xA7
    static let previousSize: UInt32 = 0xAB
    static let simpleBlock: UInt32 = 0xA3
    static let blockGroup: UInt32 = 0xA0
    static let block: UInt32 = 0xA1
    static let referenceBlock: UInt32 = 0xFB
    static let void: UInt32 = 0xEC
    static let crc32: UInt32 = 0xBF
}

extension ByteBuffer {
    /// Reads an element head at `index` (an index of the buffer, not an offset), without moving the reader index.
    func ebmlElementHead(at index: Int) -> EBMLRead<EBMLElementHead> {
        guard let first = getInteger(at: index, as: UInt8.self) else { return .incomplete }
        let idLength = first.leadingZeroBitCount + 1
        // Matroska limits ids to four bytes (EBMLMaxIDLength).
        guard idLength <= 4 else { return .malformed }
        guard let id = bigEndian(at: index, length: idLength) else { return .incomplete }
        switch ebmlVariableInteger(at: index + idLength) {
        case .incomplete: return .incomplete
        case .malformed: return .malformed
        case .value(let size):
            let head = EBMLElementHead(
                id: UInt32(truncatingIfNeeded: id),
                size: size.isUnknown ? nil : size.value,
                length: idLength + size.length
            )
            return .value(head)
        }
    }

    /// Reads a variable-size integer of one to eight bytes at `index` (RFC 8794, section 4).
    func ebmlVariableInteger(at index: Int) -> EBMLRead<(value: UInt64, length: Int, isUnknown: Bool)> {
        guard let first = getInteger(at: index, as: UInt8.self) else { return .incomplete }
        let length = first.leadingZeroBitCount + 1
        guard length <= 8 else { return .malformed }
        guard let marked = bigEndian(at: index, length: length) else { return .incomplete }
        let mask = (UInt64(1) << UInt64(7 * length)) - 1
        let value = marked & mask
        return .value((value, length, value == mask))
    }

    /// An unsigned integer element's payload: zero to eight bytes, most significant first.
    func ebmlUnsigned(at index: Int, length: Int) -> UInt64? {
        length == 0 ? 0 : bigEndian(at: index, length: length)
    }

    private func bigEndian(at index: Int, length: Int) -> UInt64? {
        guard (1...8).contains(length), let bytes = viewBytes(at: index, length: length) else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

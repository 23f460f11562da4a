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

    /// A signed integer element's payload, in two's complement.
    func ebmlSigned(at index: Int, length: Int) -> Int64? {
        guard length > 0, let value = ebmlUnsigned(at: index, length: length) else { return length == 0 ? 0 : nil }
        let unused = UInt64(64 - 8 * length)
        return Int64(bitPattern: value << unused) >> Int64(unused)
    }

    /// A float element's payload of no, four or eight bytes.
    func ebmlFloat(at index: Int, length: Int) -> Double? {
        switch length {
        case 0: 0
        case 4: getInteger(at: index, as: UInt32.self).map { Double(Float(bitPattern: $0)) }
        case 8: getInteger(at: index, as: UInt64.self).map { Double(bitPattern: $0) }
        default: nil
        }
    }

    /// A string element's payload; it may be padded with zero bytes (RFC 8794, section 7.4).
    func ebmlText(at index: Int, length: Int) -> String {
        guard let text = getString(at: index, length: length) else { return "" }
        return String(text.prefix { $0 != "\0" })
    }

    /// Calls `body` with the id, the payload's index and its length for each child of an element.
    ///
    /// - Returns: false if the children do not fill the element exactly.
    @discardableResult
    func forEachEBMLChild<Failure: Error>(
        in range: Range<Int>,
        _ body: (UInt32, Int, Int) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        var index = range.lowerBound
        while index < range.upperBound {
            guard case .value(let head) = ebmlElementHead(at: index),
                let size = head.size.flatMap(Int.init(exactly:)), size <= range.upperBound - index - head.length
            else { return false }
            index += head.length
            try body(head.id, index, size)
            index += size
        }
        return index == range.upperBound
    }
}

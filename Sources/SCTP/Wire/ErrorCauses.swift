/// Causes in ABORT and ERROR (RFC 9260 section 3.3.10).
enum ErrorCauses {
    enum Cause: UInt16 {
        case invalidStream = 1
        case staleCookie = 3
        case unrecognizedChunk = 6
        case noUserData = 9
        case restart = 11
        case userAbort = 12
        case protocolViolation = 13
    }

    /// Writes a chunk with one cause.
    static func write(
        _ cause: Cause,
        _ value: [UInt8],
        in chunk: UInt8,
        flags: UInt8 = 0,
        into writer: inout PacketWriter
    ) {
        writer.beginChunk(chunk, flags: flags)
        let start = writer.count
        writer.write(cause.rawValue)
        writer.write(UInt16(0))
        writer.write(Array(value.prefix(max(0, writer.room - 4))))
        writer.patch(UInt16(truncatingIfNeeded: writer.count - start), at: start + 2)
        writer.endChunk()
    }

    static func contains(_ cause: Cause, _ causes: UnsafeRawBufferPointer) -> Bool {
        var reader = ParameterReader(causes)
        while let next = reader.next() {
            if next.type == cause.rawValue { return true }
        }
        return false
    }

    /// For a log. Text of the other side's is cut short, and only printable.
    static func description(_ causes: UnsafeRawBufferPointer) -> String {
        var reader = ParameterReader(causes)
        var parts: [String] = []
        while parts.count < 4, let next = reader.next() {
            let text = next.value.prefix(128).filter { (32..<127).contains($0) }
            let hasText = next.type == Cause.userAbort.rawValue || next.type == Cause.protocolViolation.rawValue
            parts.append(hasText && !text.isEmpty ? String(decoding: text, as: UTF8.self) : "cause \(next.type)")
        }
        return parts.isEmpty ? "no cause named" : parts.joined(separator: ", ")
    }
}

/// Reads big-endian fields one after another; once a field is missing, ``isExhausted`` stays true and zeros come out.
struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    /// How many bytes were read.
    private(set) var offset = 0
    private(set) var isExhausted = false

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func uint8() -> UInt8 {
        guard offset < bytes.count else {
            isExhausted = true
            return 0
        }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func uint16() -> UInt16 {
        let high = UInt16(uint8())
        return high << 8 | UInt16(uint8())
    }

    mutating func uint32() -> UInt32 {
        let high = UInt32(uint16())
        return high << 16 | UInt32(uint16())
    }

    mutating func uint64() -> UInt64 {
        let high = UInt64(uint32())
        return high << 32 | UInt64(uint32())
    }

    /// A number in 1, 2, 4 or 8 bytes, of which the first two bits say how many (RFC 9000, section 16); nil if fewer would
    /// have done, so that each number has one form.
    mutating func varint() -> UInt64? {
        let first = uint8()
        let length = 1 << Int(first >> 6)
        var value = UInt64(first & 0x3F)
        for _ in 1..<length { value = value << 8 | UInt64(uint8()) }
        if isExhausted { return 0 }
        return WireWriter.varintLength(of: value) == length ? value : nil
    }

    mutating func skip(_ count: Int) {
        for _ in 0..<count { _ = uint8() }
    }

    /// Whether everything was read.
    var isAtEnd: Bool { offset == bytes.count }
}

/// Appends big-endian fields.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    mutating func uint8(_ value: UInt8) {
        bytes.append(value)
    }

    mutating func uint16(_ value: UInt16) {
        uint8(UInt8(truncatingIfNeeded: value >> 8))
        uint8(UInt8(truncatingIfNeeded: value))
    }

    mutating func uint32(_ value: UInt32) {
        uint16(UInt16(truncatingIfNeeded: value >> 16))
        uint16(UInt16(truncatingIfNeeded: value))
    }

    mutating func uint64(_ value: UInt64) {
        uint32(UInt32(truncatingIfNeeded: value >> 32))
        uint32(UInt32(truncatingIfNeeded: value))
    }

    /// As ``WireReader/varint()`` reads it.
    ///
    /// - Parameter value: below 2^62; higher bits are left out.
    mutating func varint(_ value: UInt64) {
        let length = Self.varintLength(of: value)
        for index in 0..<length {
            let byte = UInt8(truncatingIfNeeded: value >> UInt64(8 * (length - 1 - index)))
            uint8(index > 0 ? byte : byte & 0x3F | UInt8(length.trailingZeroBitCount) << 6)
        }
    }

    /// How many bytes a number takes.
    static func varintLength(of value: UInt64) -> Int {
        if value < 1 << 6 { return 1 }
        if value < 1 << 14 { return 2 }
        return value < 1 << 30 ? 4 : 8
    }

    mutating func bytes(_ values: [UInt8]) {
        bytes.append(contentsOf: values)
    }

    mutating func zeros(_ count: Int) {
        for _ in 0..<count { uint8(0) }
    }
}

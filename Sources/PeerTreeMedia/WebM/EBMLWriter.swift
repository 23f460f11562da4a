import NIOCore

/// Writes EBML elements (RFC 8794).
extension ByteBuffer {
    /// An id, as specifications print it, with its length marker.
    mutating func writeEBMLID(_ id: UInt32) {
        let length = 4 - id.leadingZeroBitCount / 8
        for shift in stride(from: 8 * (length - 1), through: 0, by: -8) {
            writeInteger(UInt8(truncatingIfNeeded: id >> UInt32(shift)))
        }
    }

    /// A size in as few bytes as hold it, or in `length` bytes. A size with all bits set would mean "unknown".
    mutating func writeEBMLSize(_ size: Int, length: Int? = nil) {
        var count = length ?? 1
        while count < 8, size >= 1 << (7 * count) - 1 { count += 1 }
        let marked = UInt64(size) | 1 << UInt64(7 * count)
        for shift in stride(from: 8 * (count - 1), through: 0, by: -8) {
            writeInteger(UInt8(truncatingIfNeeded: marked >> UInt64(shift)))
        }
    }

    /// The size of an element whose end is not known yet, in eight bytes.
    mutating func writeEBMLUnknownSize() {
        writeInteger(UInt64(0x01FF_FFFF_FFFF_FFFF))
    }

    mutating func writeEBML(_ id: UInt32, unsigned value: UInt64) {
        let length = max(1, 8 - value.leadingZeroBitCount / 8)
        writeEBMLID(id)
        writeEBMLSize(length)
        for shift in stride(from: 8 * (length - 1), through: 0, by: -8) {
            writeInteger(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    /// A signed integer, in eight bytes.
    mutating func writeEBML(_ id: UInt32, signed value: Int64) {
        writeEBMLID(id)
        writeEBMLSize(8)
        writeInteger(value)
    }

    mutating func writeEBML(_ id: UInt32, float value: Double) {
        writeEBMLID(id)
        writeEBMLSize(8)
        writeInteger(value.bitPattern)
    }

    mutating func writeEBML(_ id: UInt32, text: String) {
        writeEBMLID(id)
        writeEBMLSize(text.utf8.count)
        writeString(text)
    }

    mutating func writeEBML(_ id: UInt32, bytes: ByteBuffer) {
        writeEBMLID(id)
        writeEBMLSize(bytes.readableBytes)
        writeImmutableBuffer(bytes)
    }

    /// An element with children.
    mutating func writeEBML(_ id: UInt32, _ children: (inout ByteBuffer) -> Void) {
        var payload = ByteBuffer()
        children(&payload)
        writeEBML(id, bytes: payload)
    }

    /// So many bytes of nothing, 2 to 128.
    mutating func writeEBMLVoid(_ length: Int) {
        writeEBMLID(EBMLID.void)
        writeEBMLSize(length - 2)
        writeRepeatingByte(0, count: length - 2)
    }
}

/// The checksum of SCTP packets (RFC 9260 appendix A), in plain Swift: eight bytes a step from eight tables.
public enum CRC32c {
    private static let polynomial: UInt32 = 0x82F6_3B78

    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ Self.polynomial }
            tables[index] = value
        }
        for table in 1..<8 {
            for index in 0..<256 {
                let previous = tables[(table - 1) * 256 + index]
                tables[table * 256 + index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
            }
        }
        return tables
    }()

    /// The checksum of a packet whose checksum field counts as zero. In the order of the wire it is written least
    /// significant byte first.
    ///
    /// - Parameter packet: a whole packet of at least twelve bytes; of a shorter one, of all bytes as they are.
    public static func checksum(of packet: UnsafeRawBufferPointer) -> UInt32 {
        Self.tables.withUnsafeBufferPointer { tables in
            guard packet.count >= CommonHeader.length else { return ~Self.update(~0, packet[...], tables) }
            var crc = Self.update(~0, packet[..<8], tables)
            for _ in 0..<4 { crc = crc >> 8 ^ tables[Int(crc & 0xFF)] }
            return ~Self.update(crc, packet[CommonHeader.length...], tables)
        }
    }

    private static func update(
        _ start: UInt32,
        _ slice: Slice<UnsafeRawBufferPointer>,
        _ tables: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        let bytes = UnsafeRawBufferPointer(rebasing: slice)
        var crc = start
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(crc)
            var next: UInt32 = 0
            for index in 0..<8 {
                let byte = Int(truncatingIfNeeded: word >> UInt64(8 * index)) & 0xFF
                next ^= tables[(7 - index) << 8 + byte]
            }
            crc = next
            offset += 8
        }
        while offset < bytes.count {
            crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[offset])) & 0xFF)]
            offset += 1
        }
        return crc
    }
}

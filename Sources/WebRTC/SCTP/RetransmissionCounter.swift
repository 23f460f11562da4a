/// Counts what a stack that keeps no such figure per association sends twice: DATA chunks (RFC 9260 section 3.3.1) whose
/// transmission sequence number is not beyond all earlier ones.
struct RetransmissionCounter {
    private(set) var packets: UInt64 = 0
    private(set) var bytes: UInt64 = 0
    private var highest: UInt32?

    private static let dataChunk: UInt8 = 0
    private static let commonHeader = 12

    /// Takes one outgoing SCTP packet.
    mutating func count(_ packet: UnsafeRawBufferPointer) {
        var offset = Self.commonHeader
        var hasOld = false
        while offset + 8 <= packet.count {
            let length = Int(UInt16(bigEndian: packet.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)))
            guard length >= 4 else { break }
            if packet[offset] == Self.dataChunk {
                let number = UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
                // Serial number arithmetic (RFC 1982).
                if let highest = self.highest, Int32(bitPattern: number &- highest) <= 0 {
                    hasOld = true
                    self.bytes &+= UInt64(max(0, length - 16))
                } else {
                    self.highest = number
                }
            }
            offset += (length + 3) & ~3
        }
        if hasOld { self.packets &+= 1 }
    }
}

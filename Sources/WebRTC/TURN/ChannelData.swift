/// A ChannelData message in a datagram (RFC 8656 section 12.4): a peer's data behind four bytes.
struct ChannelData {
    let number: UInt16
    /// Borrowed from the datagram.
    let payload: UnsafeRawBufferPointer

    /// Nil when the datagram is shorter than its header says. Padding behind the data is allowed.
    init?(_ datagram: UnsafeRawBufferPointer) {
        guard datagram.count >= 4 else { return nil }
        self.number = UInt16(datagram[0]) << 8 | UInt16(datagram[1])
        let length = Int(datagram[2]) << 8 | Int(datagram[3])
        guard length <= datagram.count - 4 else { return nil }
        self.payload = UnsafeRawBufferPointer(rebasing: datagram[4..<(4 + length)])
    }
}

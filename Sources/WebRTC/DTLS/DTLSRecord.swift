/// The record headers of a datagram (RFC 6347 section 4.1), looked at before OpenSSL does.
///
/// A datagram that no conforming peer sends is dropped whole, as RFC 6347 section 4.1.2.7 recommends. That is more than
/// tidiness: OpenSSL 3.0 gives a session up for good when an encrypted record is too short to hold what AES-GCM adds,
/// and a handshake when application data comes in the clear. Neither takes a key, only the peer's address.
enum DTLSRecord {
    private static let headerLength = 13
    /// The explicit nonce and the tag of AES-GCM, the only ciphers in use.
    private static let minimumEncryptedLength = 8 + 16
    private static let applicationData: UInt8 = 23

    /// Whether a datagram consists of whole records that can be what they say.
    static func arePlausible(_ datagram: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        repeat {
            guard datagram.count - offset >= Self.headerLength else { return false }
            let type = datagram[offset]
            let epoch = UInt16(datagram[offset + 3]) << 8 | UInt16(datagram[offset + 4])
            let length = Int(datagram[offset + 11]) << 8 | Int(datagram[offset + 12])
            guard (20...23).contains(type), datagram[offset + 1] == 254 else { return false }
            if epoch == 0 {
                guard type != Self.applicationData else { return false }
            } else {
                guard length >= Self.minimumEncryptedLength else { return false }
            }
            offset += Self.headerLength + length
        } while offset < datagram.count
        return offset == datagram.count
    }
}

import CChecksum
import COpenSSL
import SCTP

// What every association of a transport has in common.
extension TransportCore {
    func associationConfiguration(remotePort: UInt16) -> AssociationConfiguration {
        var association = AssociationConfiguration(authenticate: CookieKey.ofProcess.code)
        association.remotePort = remotePort
        association.maximumPacketSize = self.configuration.maximumDatagramSize - DTLSSession.overhead
        association.maximumMessageSize = self.configuration.maximumMessageSize
        // Either side may open all channels, and has every second stream for them (RFC 8832 section 6). RFC 8831 section 6.2
        // would have 65,535: this bounds what a peer that uses them all can make this side remember.
        association.streams = UInt16(clamping: min(max(1, self.configuration.maximumDataChannels), 32_767) * 2)
        association.initialReceiveWindow = self.configuration.initialReceiveWindow
        association.maximumReceiveWindow = self.configuration.maximumReceiveWindow
        association.windowBudget = self.windowBudget
        // Whether the peer is there, consent checks decide (RFC 7675). One that is there may be slow: aiortc drops what it
        // gets while its buffer is full, for as long as it takes.
        association.maximumTimeouts = nil
        if pt_crc32c_is_available() != 0 { association.checksum = HardwareChecksum.checksum }
        return association
    }
}

/// The checksum of SCTP packets by the processor's own instruction.
enum HardwareChecksum {
    /// As `CRC32c.checksum(of:)`: the checksum field counts as zero.
    static func checksum(of packet: UnsafeRawBufferPointer) -> UInt32 {
        guard let bytes = packet.baseAddress, packet.count >= 12 else { return 0 }
        let ports = pt_crc32c(.max, bytes, 8)
        let field = withUnsafeBytes(of: UInt32(0)) { pt_crc32c(ports, $0.baseAddress, 4) }
        return ~pt_crc32c(field, bytes + 12, packet.count - 12)
    }
}

/// The key of this process's state cookies (RFC 9260 section 5.1.3).
struct CookieKey: Sendable {
    /// That of all associations: a cookie comes back to the one that made it, or to nobody.
    static let ofProcess = CookieKey()

    private let key: [UInt8]

    private init() {
        var random = SystemRandomNumberGenerator()
        self.key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// HMAC-SHA-256; none when the library refuses, and then no cookie is believed.
    func code(for bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let message = bytes.bindMemory(to: UInt8.self).baseAddress
        let key = self.key
        let result = HMAC(EVP_sha256(), key, Int32(key.count), message, bytes.count, &code, &length)
        return result != nil && length == 32 ? code : []
    }
}

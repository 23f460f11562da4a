/// Which flight of the handshake an unencrypted DTLS datagram begins with (RFC 6347 section 4.2.4). That tells
/// connections apart that share both addresses and are in the middle of a handshake.
enum DTLSFlight {
    /// ClientHello, ClientKeyExchange or CertificateVerify.
    case client
    /// ServerHello up to ServerHelloDone.
    case server
    /// Both sides send a Certificate, the server first.
    case certificate
    /// Both sides send a ChangeCipherSpec or an alert.
    case other

    /// Nil for an encrypted record, and for what is too short to be one.
    init?(_ datagram: UnsafeRawBufferPointer) {
        guard datagram.count >= 14, datagram[3] == 0, datagram[4] == 0 else { return nil }
        guard datagram[0] == 22 else {
            self = .other
            return
        }
        switch datagram[13] {
        case 1, 15, 16: self = .client
        case 2, 3, 4, 12, 13, 14: self = .server
        case 11: self = .certificate
        default: self = .other
        }
    }
}

extension PeerConnection {
    /// Whether this connection is at the point of its handshake where the peer sends this.
    func awaits(_ flight: DTLSFlight) -> Bool {
        guard !self.isOver, !self.isSecure else { return false }
        switch flight {
        case .client: return self.negotiation.dtlsRole != .client
        case .server: return self.negotiation.dtlsRole == .client
        case .certificate: return self.handshake.dtls?.hasPeerCertificate != true
        case .other: return self.handshake.dtls?.hasPeerCertificate == true
        }
    }
}

import COpenSSL
import NIOCore

/// One DTLS 1.2 connection (RFC 6347, RFC 8827) as datagrams in, datagrams and plaintext out.
///
/// `receive` a datagram, then `read` until it returns nil; the datagrams it produces go to the sink given at creation,
/// synchronously. Nothing is readable before the peer's certificate has been compared with the fingerprints of its
/// session description.
final class DTLSSession {
    enum Role: Sendable {
        case client
        case server
    }

    enum State: Equatable, Sendable {
        case handshaking
        case connected
        /// The peer said goodbye, or this side did.
        case closed
        case failed(String)
    }

    /// What DTLS adds to a plaintext with AES-GCM: header, explicit nonce, tag.
    static let overhead = 13 + 8 + 16

    private let ssl: OpaquePointer
    private let io: UnsafeMutablePointer<DatagramBIO>
    private let context: DTLSContext
    private let fingerprints: [DataSessionDescription.Fingerprint]
    private(set) var state = State.handshaking
    private var handshakeGuard: HandshakeGuard
    /// The handshake broke before the peer had shown a certificate that could be compared: anybody can have done that who
    /// can send from the peer's address.
    private(set) var isBroken = false
    /// The handshake has just ended: data that overtook its last flight may wait inside OpenSSL.
    private var isFresh = false

    /// - Parameters:
    ///   - patience: a handshake that the peer seems to have given up gets no further for so long.
    ///   - staleRandoms: `peerRandoms` of earlier attempts at this handshake.
    init(
        context: DTLSContext,
        role: Role,
        fingerprints: [DataSessionDescription.Fingerprint],
        mtu: Int,
        patience: TimeAmount = .milliseconds(300),
        staleRandoms: Set<[UInt8]> = [],
        output: @escaping (UnsafeRawBufferPointer) -> Void
    ) throws(DTLSError) {
        guard let ssl = SSL_new(context.context) else { throw DTLSError("creating a session") }
        guard let bio = BIO_new(context.method) else {
            SSL_free(ssl)
            throw DTLSError("creating a BIO")
        }
        self.context = context
        self.ssl = ssl
        self.fingerprints = fingerprints
        self.handshakeGuard = HandshakeGuard(role: role, patience: patience, staleRandoms: staleRandoms)
        self.io = UnsafeMutablePointer<DatagramBIO>.allocate(capacity: 1)
        self.io.initialize(to: DatagramBIO(input: nil, output: output, mtu: mtu))
        BIO_set_data(bio, self.io)
        SSL_set_bio(ssl, bio, bio)
        pt_ssl_set_mtu(ssl, mtu)
        // A lost flight costs 200 ms instead of OpenSSL's second (RFC 9147 section 5.8.2 allows 100 ms and more).
        DTLS_set_timer_cb(ssl) { _, previous in previous == 0 ? 200_000 : min(previous * 2, 6_400_000) }
        switch role {
        case .client: SSL_set_connect_state(ssl)
        case .server: SSL_set_accept_state(ssl)
        }
    }

    deinit {
        SSL_free(self.ssl)
        self.io.deinitialize(count: 1)
        self.io.deallocate()
    }

    /// Sends the first flight of a client; does nothing for a server.
    func start() {
        self.handshake()
    }

    /// Takes one datagram. Its bytes are only borrowed for the call and the reads that follow it at once.
    func receive(_ datagram: UnsafeRawBufferPointer) {
        guard DTLSRecord.arePlausible(datagram) else { return }
        guard self.state == .handshaking else { return self.io.pointee.input = datagram }
        guard self.handshakeGuard.admits(datagram, point: self.point, at: .now()) else { return }
        self.io.pointee.input = datagram
        self.handshake()
    }

    /// Where the handshake stands, as OpenSSL counts.
    private var point: Int { Int(SSL_get_state(self.ssl).rawValue) }

    /// When `isOvertaken` may come true.
    var guardDeadline: NIODeadline? { self.state == .handshaking ? self.handshakeGuard.deadline : nil }

    /// Whether the peer seems to have given this handshake up, so that only another one leads anywhere.
    func isOvertaken(at now: NIODeadline) -> Bool {
        self.state == .handshaking && self.handshakeGuard.isOvertaken(point: self.point, at: now)
    }

    /// The ClientHello of a client that began anew.
    var challenge: [UInt8]? { self.handshakeGuard.challenge }

    /// The random value of the ServerHello that a client has followed.
    var peerRandoms: Set<[UInt8]> {
        guard case .client = self.handshakeGuard.role, let random = self.handshakeGuard.random else { return [] }
        return [random]
    }

    /// The last alert that came in the clear and was not believed; for a log.
    var heldAlert: UInt8? { self.handshakeGuard.alert }

    /// Decrypts what the last datagram carried. Returns the length, or nil when there is nothing more.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        guard self.state == .connected else {
            self.io.pointee.input = nil
            return nil
        }
        // A datagram is one record as a rule: asking for a second one would cost as much as half of reading the first.
        if self.io.pointee.input == nil, !self.isFresh, SSL_has_pending(self.ssl) == 0 { return nil }
        self.isFresh = false
        let count = SSL_read(self.ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        if count > 0 { return Int(count) }
        self.io.pointee.input = nil
        switch SSL_get_error(self.ssl, count) {
        case SSL_ERROR_ZERO_RETURN: self.state = .closed
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: Self.clearErrors()
        // Also when OpenSSL names no reason: a session that has given up must not look as if it were well.
        default: self.state = .failed(DTLSError("reading").reason)
        }
        return nil
    }

    /// Encrypts one plaintext into one datagram. False when the session cannot send.
    func write(_ plaintext: UnsafeRawBufferPointer) -> Bool {
        guard self.state == .connected else { return false }
        if SSL_write(self.ssl, plaintext.baseAddress, Int32(clamping: plaintext.count)) > 0 { return true }
        Self.clearErrors()
        return false
    }

    /// Tells the peer that nothing more will come.
    func close() {
        if self.state == .connected { SSL_shutdown(self.ssl) }
        Self.clearErrors()
        self.state = .closed
    }

    /// Time until `handleTimeout` is due, while a flight is unanswered.
    var timeout: TimeAmount? {
        guard self.state == .handshaking else { return nil }
        let milliseconds = pt_dtls_timeout_milliseconds(self.ssl)
        return milliseconds < 0 ? nil : .milliseconds(Int64(max(milliseconds, 1)))
    }

    /// Sends the last flight again if its time has come.
    func handleTimeout() {
        guard self.state == .handshaking else { return }
        guard pt_dtls_handle_timeout(self.ssl) < 0 else { return }
        self.isBroken = true
        self.state = .failed(DTLSError("sending a flight again").reason)
    }

    /// The cipher suite in OpenSSL's words, once agreed on.
    var cipher: String? {
        guard self.state == .connected, let cipher = SSL_get_current_cipher(self.ssl) else { return nil }
        return SSL_CIPHER_get_name(cipher).map { String(cString: $0) }
    }

    /// Whether the peer's certificate has come.
    var hasPeerCertificate: Bool { SSL_get0_peer_certificate(self.ssl) != nil }

    private func handshake() {
        let result = SSL_do_handshake(self.ssl)
        if result == 1 {
            self.isFresh = true
            self.state =
                self.peerIsAuthentic()
                ? .connected : .failed("the peer's certificate has another fingerprint, or a weak key")
            return
        }
        switch SSL_get_error(self.ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: Self.clearErrors()
        default:
            self.isBroken = true
            self.state = .failed(DTLSError("handshake").reason)
        }
    }

    /// OpenSSL's error queue belongs to the thread, not to the session: what one leaves there, `SSL_get_error` would
    /// hold against the next.
    private static func clearErrors() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    /// Strength that a peer's key has to have, in bits: RSA of 2,048 bits has it. The fingerprint says whose key it is,
    /// but not that nobody has factored it.
    private static let minimumSecurityBits: Int32 = 112

    private func peerIsAuthentic() -> Bool {
        guard let certificate = SSL_get1_peer_certificate(self.ssl) else { return false }
        defer { X509_free(certificate) }
        guard let key = X509_get0_pubkey(certificate), EVP_PKEY_get_security_bits(key) >= Self.minimumSecurityBits
        else { return false }
        return self.fingerprints.contains { expected in
            DTLSContext.digest(of: certificate, algorithm: expected.algorithm) == expected.bytes
        }
    }
}

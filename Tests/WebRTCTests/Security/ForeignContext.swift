import COpenSSL

@testable import WebRTC

/// A DTLS client that is not ours: OpenSSL with whatever settings an attacker would choose.
final class ForeignContext {
    enum Certificate: Sendable {
        case ecdsa(group: String)
        case rsa(bits: UInt32)
        /// On P-256; was valid until yesterday.
        case expired
    }

    struct Failure: Error {}

    let context: OpaquePointer
    private let certificate: OpaquePointer?
    private let method: OpaquePointer

    init(certificate kind: Certificate?) throws {
        guard let context = SSL_CTX_new(DTLS_method()), let method = DatagramBIO.makeMethod() else { throw Failure() }
        self.context = context
        self.method = method
        SSL_CTX_set_security_level(context, 0)
        SSL_CTX_set_options(context, 1 << 12)  // SSL_OP_NO_QUERY_MTU
        guard let kind else {
            self.certificate = nil
            return
        }
        let key = try Self.key(kind)
        defer { EVP_PKEY_free(key) }
        let certificate = try Self.certificate(
            for: key,
            isExpired: { if case .expired = kind { true } else { false } }()
        )
        guard SSL_CTX_use_certificate(context, certificate) == 1, SSL_CTX_use_PrivateKey(context, key) == 1 else {
            throw Failure()
        }
        self.certificate = certificate
    }

    deinit {
        SSL_CTX_free(self.context)
        BIO_meth_free(self.method)
        if let certificate { X509_free(certificate) }
    }

    func fingerprint() throws -> DataSessionDescription.Fingerprint {
        guard let certificate, let digest = DTLSContext.digest(of: certificate, algorithm: "sha-256") else {
            throw Failure()
        }
        return DataSessionDescription.Fingerprint(algorithm: "sha-256", bytes: digest)
    }

    /// Tries a handshake with a server of ours.
    func connect(to server: DTLSContext, serverExpects: [DataSessionDescription.Fingerprint]) throws -> ForeignSession {
        try ForeignSession(self, method: self.method, server: server, serverExpects: serverExpects)
    }

    private static func key(_ kind: Certificate) throws -> OpaquePointer {
        let isRSA = if case .rsa = kind { true } else { false }
        guard let generator = EVP_PKEY_CTX_new_from_name(nil, isRSA ? "RSA" : "EC", nil) else { throw Failure() }
        defer { EVP_PKEY_CTX_free(generator) }
        guard EVP_PKEY_keygen_init(generator) == 1 else { throw Failure() }
        switch kind {
        case .rsa(let bits): EVP_PKEY_CTX_set_rsa_keygen_bits(generator, Int32(bits))
        case .ecdsa(let group): EVP_PKEY_CTX_set_group_name(generator, group)
        case .expired: EVP_PKEY_CTX_set_group_name(generator, "P-256")
        }
        var key: OpaquePointer?
        guard EVP_PKEY_generate(generator, &key) == 1, let key else { throw Failure() }
        return key
    }

    private static func certificate(for key: OpaquePointer, isExpired: Bool) throws -> OpaquePointer {
        let day = 24 * 60 * 60
        guard let certificate = X509_new(), let name = X509_get_subject_name(certificate),
            X509_set_version(certificate, 2) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), 1) == 1,
            X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * day) != nil,
            X509_gmtime_adj(X509_getm_notAfter(certificate), isExpired ? -day : day) != nil,
            X509_set_pubkey(certificate, key) == 1,
            X509_set_issuer_name(certificate, name) == 1,
            X509_sign(certificate, key, EVP_sha256()) > 0
        else { throw Failure() }
        return certificate
    }
}

/// A handshake between a foreign client and a server of ours, carried through as far as it goes.
final class ForeignSession {
    private(set) var server: DTLSSession?
    private(set) var clientIsConnected = false
    private let context: ForeignContext
    private let io: UnsafeMutablePointer<DatagramBIO>
    private let ssl: OpaquePointer
    private var toServer: [[UInt8]] = []
    private var toClient: [[UInt8]] = []

    init(
        _ context: ForeignContext,
        method: OpaquePointer,
        server: DTLSContext,
        serverExpects: [DataSessionDescription.Fingerprint]
    ) throws {
        guard let ssl = SSL_new(context.context), let bio = BIO_new(method) else { throw ForeignContext.Failure() }
        self.context = context
        self.ssl = ssl
        self.io = .allocate(capacity: 1)
        self.io.initialize(to: DatagramBIO(input: nil, output: { _ in }, mtu: 1200))
        self.server = try DTLSSession(
            context: server,
            role: .server,
            fingerprints: serverExpects,
            mtu: 1200,
            output: { [unowned self] in self.toClient.append(Array($0)) }
        )
        self.io.pointee = DatagramBIO(
            input: nil,
            output: { [unowned self] in self.toServer.append(Array($0)) },
            mtu: 1200
        )
        BIO_set_data(bio, self.io)
        SSL_set_bio(ssl, bio, bio)
        pt_ssl_set_mtu(ssl, 1200)
        SSL_set_connect_state(ssl)
        self.advance()
        self.exchange()
    }

    deinit {
        SSL_free(self.ssl)
        self.io.deinitialize(count: 1)
        self.io.deallocate()
    }

    private func advance() {
        self.clientIsConnected = SSL_do_handshake(self.ssl) == 1
        ERR_clear_error()
    }

    private func exchange() {
        while !self.toServer.isEmpty || !self.toClient.isEmpty {
            let (forServer, forClient) = (self.toServer, self.toClient)
            (self.toServer, self.toClient) = ([], [])
            for datagram in forServer { datagram.withUnsafeBytes { self.server?.receive($0) } }
            for datagram in forClient {
                datagram.withUnsafeBytes { bytes in
                    self.io.pointee.input = bytes
                    self.advance()
                    self.io.pointee.input = nil
                }
            }
        }
    }
}

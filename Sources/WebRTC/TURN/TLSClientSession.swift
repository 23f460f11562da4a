import COpenSSL

/// TLS to a TURN server, as bytes in and bytes out: nothing here knows of sockets. The server must show a certificate
/// for its host name, or address, that the trusted authorities vouch for.
final class TLSClientSession {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private(set) var isConnected = false
    /// What was written before the handshake was over.
    private var early: [UInt8] = []

    /// - Parameters:
    ///   - host: a name or a literal address.
    ///   - authorities: a file with certificates in PEM; nil for those of the system.
    init(host: String, authorities: String?) throws(DTLSError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw DTLSError("creating a TLS context") }
        pt_ssl_ctx_configure_tls_client(context)
        let loaded =
            if let authorities {
                SSL_CTX_load_verify_locations(context, authorities, nil)
            } else {
                SSL_CTX_set_default_verify_paths(context)
            }
        guard loaded == 1, let ssl = SSL_new(context) else {
            SSL_CTX_free(context)
            throw DTLSError("loading the trusted certificates")
        }
        let isNamed =
            if TransportAddress(ip: host, port: 1) != nil {
                X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
            } else {
                SSL_set1_host(ssl, host) == 1 && pt_ssl_set_server_name(ssl, host) == 1
            }
        guard isNamed, let input = BIO_new(BIO_s_mem()) else {
            SSL_free(ssl)
            SSL_CTX_free(context)
            throw DTLSError("naming the TLS server")
        }
        guard let output = BIO_new(BIO_s_mem()) else {
            BIO_free(input)
            SSL_free(ssl)
            SSL_CTX_free(context)
            throw DTLSError("creating a BIO")
        }
        SSL_set_bio(ssl, input, output)
        SSL_set_connect_state(ssl)
        self.context = context
        self.ssl = ssl
        self.input = input
        self.output = output
    }

    deinit {
        SSL_free(self.ssl)
        SSL_CTX_free(self.context)
    }

    /// Begins the handshake.
    func start() throws(DTLSError) {
        try self.advance()
    }

    /// Takes bytes from the server and returns the plaintext they carried.
    func receive(_ bytes: [UInt8]) throws(DTLSError) -> [UInt8] {
        guard BIO_write(self.input, bytes, Int32(clamping: bytes.count)) == Int32(clamping: bytes.count) else {
            throw DTLSError("buffering TLS records")
        }
        try self.advance()
        guard self.isConnected else { return [] }
        var plaintext: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = SSL_read(self.ssl, &buffer, Int32(buffer.count))
            guard count > 0 else {
                let error = SSL_get_error(self.ssl, count)
                guard error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE else {
                    throw DTLSError("reading TLS")
                }
                ERR_clear_error()
                return plaintext
            }
            plaintext.append(contentsOf: buffer[..<Int(count)])
        }
    }

    /// Encrypts bytes; while the handshake is under way they wait.
    func write(_ plaintext: [UInt8]) throws(DTLSError) {
        guard !plaintext.isEmpty else { return }
        guard self.isConnected else { return self.early.append(contentsOf: plaintext) }
        guard SSL_write(self.ssl, plaintext, Int32(clamping: plaintext.count)) == Int32(clamping: plaintext.count)
        else { throw DTLSError("writing TLS") }
    }

    /// What must be sent to the server now.
    func takeOutput() -> [UInt8] {
        let count = BIO_ctrl_pending(self.output)
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        let read = BIO_read(self.output, &bytes, Int32(clamping: count))
        return Array(bytes.prefix(Int(max(0, read))))
    }

    private func advance() throws(DTLSError) {
        guard !self.isConnected else { return }
        let result = SSL_do_handshake(self.ssl)
        guard result != 1 else {
            self.isConnected = true
            let early = self.early
            self.early = []
            return try self.write(early)
        }
        let error = SSL_get_error(self.ssl, result)
        guard error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE else {
            throw DTLSError("TLS handshake")
        }
        ERR_clear_error()
    }
}

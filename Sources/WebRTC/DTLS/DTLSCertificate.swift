import COpenSSL

/// What OpenSSL refused to do.
struct DTLSError: Error, Sendable, CustomStringConvertible {
    var operation: String
    var reason: String

    /// Takes the newest entry of OpenSSL's error queue and empties it.
    init(_ operation: String) {
        self.operation = operation
        let code = ERR_peek_last_error()
        ERR_clear_error()
        guard code != 0, let text = ERR_reason_error_string(code) else {
            self.reason = "no reason given"
            return
        }
        self.reason = String(cString: text)
    }

    var description: String { "DTLS: \(self.operation): \(self.reason)" }
}

/// The self-signed ECDSA P-256 certificate of this process and the settings shared by all its DTLS sessions.
///
/// The certificate is made afresh in every process (RFC 8827 section 6.5): it names nobody, and what makes the peer
/// trust it is its fingerprint in the session description.
final class DTLSContext {
    /// That of all transports of this process.
    // Safe: nothing of it changes after its creation, and OpenSSL counts references to it with atomics.
    nonisolated(unsafe) static let ofProcess = Result { () throws(DTLSError) in try DTLSContext() }

    let context: OpaquePointer
    let fingerprint: DataSessionDescription.Fingerprint
    let method: OpaquePointer

    init() throws(DTLSError) {
        guard let context = SSL_CTX_new(DTLS_method()) else { throw DTLSError("creating the context") }
        guard let method = DatagramBIO.makeMethod() else {
            SSL_CTX_free(context)
            throw DTLSError("creating the BIO method")
        }
        do throws(DTLSError) {
            try Self.configure(context)
            self.fingerprint = try Self.installCertificate(in: context)
        } catch {
            SSL_CTX_free(context)
            BIO_meth_free(method)
            throw error
        }
        self.context = context
        self.method = method
    }

    deinit {
        SSL_CTX_free(self.context)
        BIO_meth_free(self.method)
    }

    private static func configure(_ context: OpaquePointer) throws(DTLSError) {
        pt_ssl_ctx_configure_dtls(context)
        // AES-128-GCM first: the fastest with AES instructions, and what every WebRTC stack has to have (RFC 8827
        // section 6.5). RSA for peers with old certificates. AES-GCM alone, because `DTLSRecord` counts on it.
        let ciphers = [
            "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
        ]
        guard SSL_CTX_set_cipher_list(context, ciphers.joined(separator: ":")) == 1 else {
            throw DTLSError("choosing ciphers")
        }
        guard pt_ssl_ctx_set_groups(context, "X25519:P-256:P-384") == 1 else { throw DTLSError("choosing groups") }
        // No media is sent, but some peers give up when no SRTP profile was agreed on. Note that 0 is success here.
        guard SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") == 0 else {
            throw DTLSError("offering SRTP profiles")
        }
        // The chain proves nothing, as certificates are self-signed: the session compares the fingerprint instead.
        let mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        SSL_CTX_set_verify(context, mode) { _, _ in 1 }
    }

    private static func installCertificate(
        in context: OpaquePointer
    ) throws(DTLSError) -> DataSessionDescription.Fingerprint {
        let key = try Self.makeKey()
        defer { EVP_PKEY_free(key) }
        guard let certificate = X509_new() else { throw DTLSError("creating the certificate") }
        defer { X509_free(certificate) }
        var serial: UInt64 = 0
        guard withUnsafeMutableBytes(of: &serial, { RAND_bytes($0.baseAddress, 8) }) == 1 else {
            throw DTLSError("drawing a serial number")
        }
        let day = 24 * 60 * 60
        guard X509_set_version(certificate, 2) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1,
            X509_gmtime_adj(X509_getm_notBefore(certificate), -day) != nil,
            X509_gmtime_adj(X509_getm_notAfter(certificate), 365 * day) != nil,
            X509_set_pubkey(certificate, key) == 1,
            let name = X509_get_subject_name(certificate),
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, "WebRTC", -1, -1, 0) == 1,
            X509_set_issuer_name(certificate, name) == 1,
            X509_sign(certificate, key, EVP_sha256()) > 0
        else { throw DTLSError("signing the certificate") }
        guard SSL_CTX_use_certificate(context, certificate) == 1, SSL_CTX_use_PrivateKey(context, key) == 1 else {
            throw DTLSError("installing the certificate")
        }
        guard let digest = Self.digest(of: certificate, algorithm: "sha-256") else {
            throw DTLSError("hashing the certificate")
        }
        return DataSessionDescription.Fingerprint(algorithm: "sha-256", bytes: digest)
    }

    private static func makeKey() throws(DTLSError) -> OpaquePointer {
        guard let generator = EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { throw DTLSError("making a key") }
        defer { EVP_PKEY_CTX_free(generator) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(generator) == 1, EVP_PKEY_CTX_set_group_name(generator, "P-256") == 1,
            EVP_PKEY_generate(generator, &key) == 1, let key
        else { throw DTLSError("making a key") }
        return key
    }

    /// The hash of a certificate in DER, or nil for a hash function that RFC 8122 does not name or that is broken.
    static func digest(of certificate: OpaquePointer, algorithm: String) -> [UInt8]? {
        let function: OpaquePointer?
        switch algorithm {
        case "sha-256": function = EVP_sha256()
        case "sha-384": function = EVP_sha384()
        case "sha-512": function = EVP_sha512()
        default: function = nil
        }
        guard let function else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(certificate, function, &bytes, &count) == 1 else { return nil }
        return Array(bytes.prefix(Int(count)))
    }
}

import COpenSSL
import Testing

@testable import WebRTC

/// Two DTLS sessions joined in memory.
final class SessionPair {
    var client: DTLSSession?
    var server: DTLSSession?
    var toServer: [[UInt8]] = []
    var toClient: [[UInt8]] = []
    var received: (client: [[UInt8]], server: [[UInt8]]) = ([], [])

    /// Each end expects the fingerprint given, by default the other's own.
    init(
        client: DTLSContext,
        server: DTLSContext,
        clientExpects: [DataSessionDescription.Fingerprint]? = nil,
        serverExpects: [DataSessionDescription.Fingerprint]? = nil
    ) throws {
        self.client = try DTLSSession(
            context: client,
            role: .client,
            fingerprints: clientExpects ?? [server.fingerprint],
            mtu: 1200,
            output: { [unowned self] in self.toServer.append(Array($0)) }
        )
        self.server = try DTLSSession(
            context: server,
            role: .server,
            fingerprints: serverExpects ?? [client.fingerprint],
            mtu: 1200,
            output: { [unowned self] in self.toClient.append(Array($0)) }
        )
        self.client?.start()
    }

    func deliver(_ datagram: [UInt8], to session: DTLSSession?) -> [[UInt8]] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var plaintexts: [[UInt8]] = []
        datagram.withUnsafeBytes { datagram in
            session?.receive(datagram)
            buffer.withUnsafeMutableBytes { buffer in
                while let count = session?.read(into: buffer) { plaintexts.append(Array(buffer[..<count])) }
            }
        }
        return plaintexts
    }

    /// Carries everything to and fro until nothing is on its way.
    func exchange() {
        while !self.toServer.isEmpty || !self.toClient.isEmpty {
            let (forServer, forClient) = (self.toServer, self.toClient)
            (self.toServer, self.toClient) = ([], [])
            for datagram in forServer { self.received.server += self.deliver(datagram, to: self.server) }
            for datagram in forClient { self.received.client += self.deliver(datagram, to: self.client) }
        }
    }

    var areConnected: Bool { self.client?.state == .connected && self.server?.state == .connected }
}

extension DTLSSession {
    func send(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { self.write($0) } }

    var hasFailed: Bool { if case .failed = self.state { true } else { false } }
}

@Suite("DTLS: who gets in", .timeLimit(.minutes(5)))
struct DTLSSecurityTests {
    @Test("Certificates are ECDSA on P-256, signed with SHA-256, name nobody, and differ from each other")
    func certificate() throws {
        let (first, second) = (try DTLSContext(), try DTLSContext())
        #expect(first.fingerprint != second.fingerprint)
        let certificate = try #require(SSL_CTX_get0_certificate(first.context))
        let key = try #require(X509_get0_pubkey(certificate))
        var name = [CChar](repeating: 0, count: 64)
        var length = 0
        #expect(EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1)
        #expect(String(decoding: name.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) == "prime256v1")
        #expect(X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA256)
        #expect(X509_NAME_entry_count(X509_get_subject_name(certificate)) == 1)
        #expect(first.fingerprint.bytes == DTLSContext.digest(of: certificate, algorithm: "sha-256"))
    }

    @Test("No callback gets the session keys, and neither renegotiation nor tickets are to be had")
    func keysStayInside() throws {
        let context = try DTLSContext().context
        #expect(SSL_CTX_get_keylog_callback(context) == nil)
        let options = SSL_CTX_get_options(context)
        for shift in [UInt64(14), 17, 30] {
            // SSL_OP_NO_TICKET, SSL_OP_NO_COMPRESSION, SSL_OP_NO_RENEGOTIATION: macros that are not imported.
            #expect(options & 1 << shift != 0, "option \(shift)")
        }
    }

    @Test("A wrong fingerprint, at either end, lets nothing through in any direction", arguments: [true, false])
    func wrongFingerprint(atClient: Bool) throws {
        let (client, server) = (try DTLSContext(), try DTLSContext())
        let stranger = try DTLSContext().fingerprint
        let pair = try SessionPair(
            client: client,
            server: server,
            clientExpects: atClient ? [stranger] : nil,
            serverExpects: atClient ? nil : [stranger]
        )
        pair.exchange()
        let (deceived, other) = atClient ? (pair.client, pair.server) : (pair.server, pair.client)
        #expect(deceived?.hasFailed == true)
        #expect(deceived?.send([1]) == false)
        // The other end is satisfied and sends; nothing of it comes out.
        #expect(other?.send([2, 3, 4]) == true)
        pair.exchange()
        #expect(pair.received.client.isEmpty && pair.received.server.isEmpty)
        #expect(deceived?.hasFailed == true)
    }

    @Test(
        "A fingerprint counts only with a hash function that is not broken",
        arguments: ["sha-1", "md5", "sha-224", ""]
    )
    func weakHash(algorithm: String) throws {
        let (client, server) = (try DTLSContext(), try DTLSContext())
        var fingerprint = server.fingerprint
        fingerprint.algorithm = algorithm
        let pair = try SessionPair(client: client, server: server, clientExpects: [fingerprint])
        pair.exchange()
        #expect(pair.client?.hasFailed == true)
    }

    @Test("A shortened fingerprint is not the fingerprint")
    func shortened() throws {
        let (client, server) = (try DTLSContext(), try DTLSContext())
        var fingerprint = server.fingerprint
        fingerprint.bytes = Array(fingerprint.bytes.prefix(16))
        let pair = try SessionPair(client: client, server: server, clientExpects: [fingerprint])
        pair.exchange()
        #expect(pair.client?.hasFailed == true)
    }

    @Test("Of several fingerprints one has to fit, with any strong hash function")
    func severalFingerprints() throws {
        let (client, server) = (try DTLSContext(), try DTLSContext())
        let certificate = try #require(SSL_CTX_get0_certificate(server.context))
        for algorithm in ["sha-256", "sha-384", "sha-512"] {
            let digest = try #require(DTLSContext.digest(of: certificate, algorithm: algorithm))
            let right = DataSessionDescription.Fingerprint(algorithm: algorithm, bytes: digest)
            let pair = try SessionPair(
                client: client,
                server: server,
                clientExpects: [client.fingerprint, right]
            )
            pair.exchange()
            #expect(pair.areConnected)
        }
    }

    @Test("A peer without a certificate is refused")
    func noCertificate() throws {
        let server = try DTLSContext()
        let client = try ForeignContext(certificate: nil)
        let session = try client.connect(to: server, serverExpects: [server.fingerprint])
        #expect(session.server?.hasFailed == true)
    }

    @Test("DTLS 1.0 is refused")
    func downgrade() throws {
        let server = try DTLSContext()
        let client = try ForeignContext(certificate: .ecdsa(group: "P-256"))
        // SSL_CTX_set_max_proto_version and SSL_CTX_set_security_level (0: anything goes), for the attacker only.
        SSL_CTX_set_security_level(client.context, 0)
        #expect(SSL_CTX_ctrl(client.context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(DTLS1_VERSION), nil) == 1)
        #expect(SSL_CTX_ctrl(client.context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(DTLS1_VERSION), nil) == 1)
        SSL_CTX_set_cipher_list(client.context, "ALL:@SECLEVEL=0")
        let session = try client.connect(to: server, serverExpects: [try client.fingerprint()])
        #expect(session.server?.hasFailed == true)
    }

    @Test(
        "Ciphers without forward secrecy, authentication or encryption are refused",
        arguments: [
            "AES128-GCM-SHA256", "AECDH-NULL-SHA", "ADH-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "NULL-SHA256",
        ]
    )
    func weakCiphers(cipher: String) throws {
        let server = try DTLSContext()
        let client = try ForeignContext(certificate: .ecdsa(group: "P-256"))
        try #require(SSL_CTX_set_cipher_list(client.context, "\(cipher):@SECLEVEL=0") == 1)
        let session = try client.connect(to: server, serverExpects: [try client.fingerprint()])
        #expect(session.server?.hasFailed == true)
    }

    @Test(
        "What a certificate is made of does not matter as long as its fingerprint fits: RSA, P-384, expired",
        arguments: [ForeignContext.Certificate.rsa(bits: 2048), .ecdsa(group: "P-384"), .expired]
    )
    func otherCertificates(certificate: ForeignContext.Certificate) throws {
        let server = try DTLSContext()
        let client = try ForeignContext(certificate: certificate)
        let session = try client.connect(to: server, serverExpects: [try client.fingerprint()])
        #expect(session.server?.state == .connected)
        #expect(session.clientIsConnected)
    }

    @Test("An RSA key of 1024 bits is refused")
    func shortKey() throws {
        let server = try DTLSContext()
        let client = try ForeignContext(certificate: .rsa(bits: 1024))
        let session = try client.connect(to: server, serverExpects: [try client.fingerprint()])
        #expect(session.server?.hasFailed == true)
    }

    @Test(
        "Forged records harm nobody: of any type, epoch and length, alone or with others",
        arguments: [UInt8(20), 21, 22, 23, 24, 25]
    )
    func forgedRecords(type: UInt8) throws {
        let context = try DTLSContext()
        let pair = try SessionPair(client: context, server: context)
        pair.exchange()
        #expect(pair.areConnected)
        for length in UInt8(0)..<64 {
            for epoch in [UInt8(0), 1, 2] {
                let header = [type, 254, 253, 0, epoch, 0, 0, 0, 0, 9, length, 0, length]
                let record = header + [UInt8](repeating: 1, count: Int(length))
                // Alone, cut short, with something behind it, and behind another.
                for datagram in [record, Array(record.dropLast()), record + [0], record + record] {
                    #expect(pair.deliver(datagram, to: pair.server).isEmpty)
                    #expect(pair.deliver(datagram, to: pair.client).isEmpty)
                }
                #expect(pair.client?.send([type, epoch, length]) == true)
                #expect(pair.server?.send([type, epoch, length]) == true)
                pair.exchange()
                #expect(pair.received.server.last == [type, epoch, length])
                #expect(pair.received.client.last == [type, epoch, length])
            }
        }
        #expect(pair.areConnected)
    }

    @Test("Data before the end of the handshake stays inside, whoever sends it")
    func earlyData() throws {
        let context = try DTLSContext()
        let pair = try SessionPair(client: context, server: context)
        let record: [UInt8] = [23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 7, 8, 9]
        #expect(pair.deliver(record, to: pair.server).isEmpty)
        #expect(pair.deliver(record, to: pair.client).isEmpty)
        pair.exchange()
        #expect(pair.areConnected)
        #expect(pair.received.client.isEmpty && pair.received.server.isEmpty)
    }

    @Test("A replayed datagram delivers nothing a second time")
    func replay() throws {
        let context = try DTLSContext()
        let pair = try SessionPair(client: context, server: context)
        pair.exchange()
        #expect(pair.client?.send([1, 2, 3]) == true)
        let datagram = try #require(pair.toServer.first)
        #expect(pair.deliver(datagram, to: pair.server) == [[1, 2, 3]])
        #expect(pair.deliver(datagram, to: pair.server).isEmpty)
        #expect(pair.server?.state == .connected)
    }
}

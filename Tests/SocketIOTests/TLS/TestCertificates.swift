import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import SocketIO
import SwiftASN1
import X509

/// An authority of the test's own, and what it signs.
struct TestAuthority {
    let certificate: Certificate
    private let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    private let name: DistinguishedName

    init(name: String = "An authority of the tests") throws {
        self.name = try DistinguishedName { CommonName(name) }
        certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: Date() - 86_400,
            notValidAfter: Date() + 86_400,
            issuer: self.name,
            subject: self.name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                KeyUsage(keyCertSign: true)
            },
            issuerPrivateKey: key
        )
    }

    var pem: String { get throws { try certificate.serializeAsPEM().pemString } }

    /// A server's certificate for names and addresses, good between two times in seconds from now.
    func issue(
        names: [String] = ["localhost"],
        addresses: [[UInt8]] = [],
        from begin: TimeInterval = -3_600,
        to end: TimeInterval = 3_600
    ) throws -> TestCertificate {
        let own = P256.Signing.PrivateKey()
        let issued = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PrivateKey(own).publicKey,
            notValidBefore: Date() + begin,
            notValidAfter: Date() + end,
            issuer: name,
            subject: try DistinguishedName { CommonName("A server of the tests") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                SubjectAlternativeNames(
                    names.map { .dnsName($0) }
                        + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
                )
            },
            issuerPrivateKey: key
        )
        return TestCertificate(pem: try issued.serializeAsPEM().pemString, key: own.pemRepresentation)
    }
}

/// What a server shows, and the key to it.
struct TestCertificate {
    let pem: String
    let key: String

    func makeContext(minimum: TLSVersion = .tlsv12, maximum: TLSVersion? = nil) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
        )
        configuration.minimumTLSVersion = minimum
        configuration.maximumTLSVersion = maximum
        configuration.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: configuration)
    }
}

/// A server behind TLS on a free loopback port, for the time of `body`.
func withSecureServer(
    _ context: NIOSSLContext,
    sawServerName: @escaping @Sendable (String?) -> Void = { _ in },
    body: (SocketIOServer, Int) async throws -> Void
) async throws {
    let io = SocketIOServer()
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { channel in
            let names = ByteToMessageHandler(
                SNIHandler { result in
                    if case .hostname(let name) = result { sawServerName(name) } else { sawServerName(nil) }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }.flatMap { io.configure(channel) }
                }
            )
            return channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(names) }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let port = server.localAddress?.port ?? 0
    do {
        try await body(io, port)
    } catch {
        try await server.close()
        await io.close()
        throw error
    }
    try await server.close()
    await io.close()
}

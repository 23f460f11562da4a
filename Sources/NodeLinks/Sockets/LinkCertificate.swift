import Crypto
import Foundation
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// The certificate of a process: made at its start, signed by itself, and of no use to anybody after its end.
///
/// Nobody has to trust it: proofs are about the certificates of both ends. It is good at any time, so that it does not
/// matter what a node's clock says.
struct LinkCertificate {
    /// As DER.
    let der: [UInt8]
    let context: NIOSSLContext

    init() throws {
        let key = P256.Signing.PrivateKey()
        let signer = Certificate.PrivateKey(key)
        let name = try DistinguishedName { CommonName("peer-tree node") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: signer.publicKey,
            notValidBefore: Date(timeIntervalSince1970: 0),
            notValidAfter: Date(timeIntervalSince1970: Self.endOf9999),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {},
            issuerPrivateKey: signer
        )
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        der = serializer.serializedBytes
        context = try Self.makeContext(der, key: Array(key.derRepresentation))
    }

    /// What RFC 5280 has for certificates without an end.
    private static let endOf9999: TimeInterval = 253_402_300_799

    /// For both ends: each shows a certificate and asks for one.
    private static func makeContext(_ der: [UInt8], key: [UInt8]) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(try NIOSSLCertificate(bytes: der, format: .der))],
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .der))
        )
        configuration.minimumTLSVersion = .tlsv13
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        configuration.applicationProtocols = ["peer-tree-node"]
        return try NIOSSLContext(configuration: configuration)
    }

    /// TLS for one end of a connection. Whatever certificate the other shows will do, until the proof.
    func makeHandler(_ role: LinkRole) throws -> NIOSSLHandler {
        let accept: NIOSSLCustomVerificationCallback = { _, verdict in verdict.succeed(.certificateVerified) }
        return switch role {
        case .dialer:
            try NIOSSLClientHandler(context: context, serverHostname: nil, customVerificationCallback: accept)
        case .acceptor: NIOSSLServerHandler(context: context, customVerificationCallback: accept)
        }
    }
}

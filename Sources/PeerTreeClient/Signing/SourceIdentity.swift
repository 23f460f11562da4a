import Crypto
public import PeerTreeCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The key with which a source signs its stream: Ed25519 (RFC 8032).
///
/// The id of its tree follows from it, so whoever has that id takes nothing that another key has signed. Whoever has the key
/// is the source. Printing it shows nothing: ``pem`` is asked for by name.
public struct SourceIdentity: Sendable, CustomStringConvertible {
    private let key: Curve25519.Signing.PrivateKey

    /// Draws a new one.
    public init() {
        key = Curve25519.Signing.PrivateKey()
    }

    /// Reads what ``pem`` gives, or `openssl genpkey -algorithm ed25519`; nil if it is anything else.
    public init?(pem: String) {
        let lines = pem.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace } }
        guard lines.count >= 3, lines.first == Self.begin.filter({ !$0.isWhitespace }),
            lines.last == Self.end.filter({ !$0.isWhitespace }),
            let data = Data(base64Encoded: lines.dropFirst().dropLast().joined()),
            data.starts(with: Self.prefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: data.dropFirst(Self.prefix.count))
        else { return nil }
        self.key = key
    }

    /// The private key in PKCS #8 (RFC 8410) as PEM.
    public var pem: String {
        let body = Data(Self.prefix + key.rawRepresentation).base64EncodedString()
        return "\(Self.begin)\n\(body)\n\(Self.end)\n"
    }

    /// The public key.
    public var publicKey: SourceKey? { SourceKey(Array(key.publicKey.rawRepresentation)) }

    /// The id of its tree.
    public var treeID: String? { publicKey.map { $0.treeID.string } }

    /// Nothing that gives the key away.
    public var description: String { "the identity of tree \(treeID ?? "")" }

    /// Nil if the random numbers that it takes cannot be had.
    func sign(_ statement: [UInt8]) -> Signature? {
        (try? key.signature(for: statement)).flatMap { Signature(Array($0)) }
    }

    private static let begin = "-----BEGIN PRIVATE KEY-----"
    private static let end = "-----END PRIVATE KEY-----"
    /// What stands before the 32 bytes of a key: version 0, the algorithm 1.3.101.112, and the lengths.
    private static let prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]
}

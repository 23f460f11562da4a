import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What opens an encrypted broadcast: 256 bits that travel in the fragment of its link, which browsers send to no server.
///
/// Whoever has it reads everything, for as long as it is used. Printing it shows nothing: ``text`` is asked for by name.
public struct BroadcastSecret: Equatable, Sendable, CustomStringConvertible {
    /// How many bytes a secret has.
    public static let length = 32

    let key: SymmetricKey

    /// Draws a new secret.
    public init() {
        key = SymmetricKey(size: .bits256)
    }

    /// The secret of these bytes; nil if they are not ``length``.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        key = SymmetricKey(data: bytes)
    }

    /// Reads what ``text`` gives; nil if it is anything else, such as a link that was cut.
    public init?(_ text: String) {
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: base64), data.count == Self.length else { return nil }
        key = SymmetricKey(data: data)
        guard self.text == text else { return nil }
    }

    /// The secret in base64url (RFC 4648, section 5) without padding: 43 characters.
    public var text: String {
        let base64 = key.withUnsafeBytes { Data($0) }.base64EncodedString()
        return base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Nothing that gives the secret away.
    public var description: String { "a secret of \(Self.length) bytes" }
}

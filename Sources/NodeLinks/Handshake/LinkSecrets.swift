import Crypto

/// What all nodes of a cluster know: one secret, or two while one is replaced.
///
/// To replace one, give every node the old and the new one, then every node the new one alone: in between, any two nodes
/// have one in common.
package struct LinkSecrets: Sendable {
    let keys: [SymmetricKey]

    /// Bytes of the shortest secret.
    package static let minimumLength = 16
    package static let maximumCount = 2

    /// - Throws: ``LinkSecretsError`` if there are none or more than two, or one is shorter than 16 bytes.
    package init(_ secrets: [[UInt8]]) throws(LinkSecretsError) {
        guard (1...Self.maximumCount).contains(secrets.count) else { throw .count(secrets.count) }
        for secret in secrets where secret.count < Self.minimumLength { throw .tooShort(bytes: secret.count) }
        keys = secrets.map { SymmetricKey(data: $0) }
    }
}

/// Why secrets cannot be used.
package enum LinkSecretsError: Error, Hashable, CustomStringConvertible {
    case count(Int)
    case tooShort(bytes: Int)

    package var description: String {
        switch self {
        case .count(let count): "a node has one secret, or two while one is replaced, and not \(count)"
        case .tooShort(let bytes): "a secret of \(bytes) bytes can be guessed: it needs \(LinkSecrets.minimumLength)"
        }
    }
}

import PeerTreeCore

/// The key of a simulated source. Its signatures are hashes under a secret that none of the machines knows, which takes no
/// time to make and to check.
enum SimulatedKey {
    /// The public one.
    static let key = SourceKey(Array(repeating: 0x5A, count: SourceKey.length))
    private static let secret = Array("the source's".utf8)

    static func sign(_ statement: [UInt8]) -> Signature? {
        let hash = SHA256Hasher.hash(secret + statement).bytes
        return Signature(hash + hash)
    }
}

package import PeerTreeCore

/// By what a source proves that a signed tree is its own.
package struct TreeProof: Equatable, Sendable {
    /// The tree's key.
    package let key: SourceKey
    package let signature: Signature
    /// The host that the source says it dialled.
    package let host: String

    package init(key: SourceKey, signature: Signature, host: String) {
        self.key = key
        self.signature = signature
        self.host = host
    }

    /// The id of the tree.
    var treeID: String { key.treeID.string }

    /// Whether the key has signed for this socket. An earlier socket's proof is none, and that for another host neither.
    func isTrue(forSocket id: String, _ security: SignallingSecurity) -> Bool {
        guard let proof = CreationProof(socketID: Text(id), host: Text(host), treeID: key.treeID)
        else { return false }
        return security.isSignature(signature, SourceStatement.create(proof).signedBytes, key)
    }
}

extension Text {
    init(_ string: String) {
        self.init(Array(string.utf8))
    }

    var string: String { String(decoding: bytes, as: UTF8.self) }
}

import Crypto
import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

/// A source's key.
struct TreeOwner {
    let key = Curve25519.Signing.PrivateKey()

    var source: SourceKey? { SourceKey(Array(key.publicKey.rawRepresentation)) }
    var tree: String { source?.treeID.string ?? "" }
    var hexadecimal: JSONValue { .string(Text(hexadecimal: Array(key.publicKey.rawRepresentation)).string) }

    /// What a source on this socket shows that dialled this host.
    func proof(_ socket: String, host: String = "tree.example") throws -> JSONObject {
        let proof = try #require(CreationProof(socketID: Text(socket), host: Text(host), treeID: Text(tree)))
        let signature = try key.signature(for: SourceStatement.create(proof).signedBytes)
        let text = Text(hexadecimal: Array(signature)).string
        return ["key": hexadecimal, "proof": .string(text), "host": .string(host)]
    }
}

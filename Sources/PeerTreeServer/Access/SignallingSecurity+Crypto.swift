import Crypto
import NIOCore
import PeerTreeCore
import PeerTreeSignalling
import SocketIO

extension SignallingSecurity {
    /// - Parameters:
    ///   - stateKey: signs what peers keep.
    ///   - policy: who may create trees and who may join them.
    init(stateKey: StateKey, policy: AccessPolicy) {
        self.init(
            isStateKept: stateKey.isKept,
            code: { stateKey.signature(of: $0, purpose: $1) },
            isSignature: { signature, message, key in
                let verifier = try? Curve25519.Signing.PublicKey(rawRepresentation: key.bytes)
                return verifier?.isValidSignature(signature.bytes, for: message) ?? false
            },
            turnPassword: { TURNPassword.make(secret: $0, username: $1) },
            access: { policy.access(with: $0) }
        )
    }
}

/// The password of a time-limited TURN credential by the REST API convention (draft-uberti-behave-turn-rest), which
/// coturn implements as `use-auth-secret`.
enum TURNPassword {
    static func make(secret: String, username: String) -> String {
        let key = SymmetricKey(data: Array(secret.utf8))
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Array(username.utf8), using: key)
        var buffer = ByteBuffer()
        Base64.encode(code, into: &buffer)
        return String(buffer: buffer)
    }
}

import Crypto
import PeerTreeCore

@testable import PeerTreeSignalling

extension SignallingSecurity {
    /// - Parameters:
    ///   - stateKey: With another one nothing is believed that was signed with this.
    ///   - access: What clients may do, by their tokens.
    static func test(
        stateKey: String = "a test's",
        isStateKept: Bool = true,
        access: @escaping @Sendable (_ token: String?) -> Access = { _ in Access() }
    ) -> SignallingSecurity {
        SignallingSecurity(
            isStateKept: isStateKept,
            code: { message, purpose in
                Array(
                    HMAC<SHA256>.authenticationCode(
                        for: Array(purpose.utf8) + [0] + message,
                        using: SymmetricKey(data: Array(stateKey.utf8))
                    )
                )
            },
            isSignature: { signature, message, key in
                let verifier = try? Curve25519.Signing.PublicKey(rawRepresentation: key.bytes)
                return verifier?.isValidSignature(signature.bytes, for: message) ?? false
            },
            turnPassword: { "\($0.count) letters and \($1)" },
            access: access
        )
    }
}

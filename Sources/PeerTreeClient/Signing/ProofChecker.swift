import Crypto
import PeerTreeCore

/// Checks what a source has signed.
struct ProofChecker {
    private var known: (source: SourceKey, key: Curve25519.Signing.PublicKey)?

    /// Whether the key has made the signature. What is no key has made none.
    mutating func isTrue(_ statement: [UInt8], _ signature: Signature, of source: SourceKey) -> Bool {
        if known?.source != source {
            known = (try? Curve25519.Signing.PublicKey(rawRepresentation: source.bytes)).map { (source, $0) }
        }
        return known?.key.isValidSignature(signature.bytes, for: statement) ?? false
    }
}

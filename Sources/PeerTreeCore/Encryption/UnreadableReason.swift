/// Why a viewer cannot give a message to the application. It goes on passing the stream on.
public enum UnreadableReason: UInt8, CaseIterable, Sendable {
    /// The broadcast is encrypted, and this client has no secret.
    case secretMissing
    /// The broadcast is encrypted with another secret.
    case wrongSecret
    /// This client has a secret, and the broadcast is not encrypted: anybody on the way may have written it.
    case notEncrypted
    /// Messages of this broadcast could be opened, and this one could not: it was changed on the way, or is of a stream
    /// that is over.
    case changed

    /// The name by which applications and scripts know it.
    public var code: StaticString {
        switch self {
        case .secretMissing: "secret-missing"
        case .wrongSecret: "wrong-secret"
        case .notEncrypted: "not-encrypted"
        case .changed: "changed"
        }
    }
}

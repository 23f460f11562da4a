package import PeerTreeCore

/// Keys and what is done with them: the service itself knows no cryptography.
package struct SignallingSecurity: Sendable {
    /// Whether an earlier run of the server may have had the state key, so that there may be peers to come back.
    package var isStateKept: Bool
    /// The code that the state key makes of a message for one purpose (32 bytes).
    package var code: @Sendable (_ message: [UInt8], _ purpose: String) -> [UInt8]
    /// Whether a signature is that of a message by the owner of a key.
    package var isSignature: @Sendable (_ signature: Signature, _ message: [UInt8], _ key: SourceKey) -> Bool
    /// The password for a user's name at TURN servers, of the secret that is shared with them.
    package var turnPassword: @Sendable (_ secret: String, _ username: String) -> String
    /// What the bearer of a token may do, or who has none.
    package var access: @Sendable (_ token: String?) -> Access

    package init(
        isStateKept: Bool,
        code: @escaping @Sendable (_ message: [UInt8], _ purpose: String) -> [UInt8],
        isSignature: @escaping @Sendable (_ signature: Signature, _ message: [UInt8], _ key: SourceKey) -> Bool,
        turnPassword: @escaping @Sendable (_ secret: String, _ username: String) -> String,
        access: @escaping @Sendable (_ token: String?) -> Access
    ) {
        self.isStateKept = isStateKept
        self.code = code
        self.isSignature = isSignature
        self.turnPassword = turnPassword
        self.access = access
    }

    /// Whether `code` is that of a message, compared in constant time.
    func isCode(_ code: some Collection<UInt8>, of message: [UInt8], purpose: String) -> Bool {
        let expected = self.code(message, purpose)
        guard code.count == expected.count else { return false }
        return zip(code, expected).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

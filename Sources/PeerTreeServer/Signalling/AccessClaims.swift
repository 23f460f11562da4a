import Crypto
import SocketIO

/// The claims of a JSON Web Token signed with HS256 (RFC 7515 and 7519).
struct AccessClaims {
    let create: Bool
    let join: Bool
    let tree: String?
    let expiry: Double?
    let beginning: Double?

    private static let limits = JSONLimits(maximumDepth: 4, maximumBytes: 4_096, maximumNodes: 64)

    /// Reads a token; nil if it is malformed, of another algorithm, or not signed with `secret`. A claim of a wrong type
    /// makes the whole token void.
    init?(_ token: String, secret: String) {
        guard token.utf8.count <= 4_096 else { return nil }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.object(parts[0]), header["alg"] == "HS256", header["crit"] == nil,
            let signature = Base64URL.decode(String(parts[2]))
        else { return nil }
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        let key = SymmetricKey(data: Array(secret.utf8))
        guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key),
            let claims = Self.object(parts[1]),
            let create = Self.flag(claims["create"]), let join = Self.flag(claims["join"]),
            Self.isAbsent(claims["tree"], or: { $0.stringValue != nil }),
            Self.isAbsent(claims["exp"], or: { $0.doubleValue != nil }),
            Self.isAbsent(claims["nbf"], or: { $0.doubleValue != nil })
        else { return nil }
        self.create = create
        self.join = join
        tree = claims["tree"]?.stringValue
        expiry = claims["exp"]?.doubleValue
        beginning = claims["nbf"]?.doubleValue
    }

    private static func object(_ part: Substring) -> JSONObject? {
        guard let bytes = Base64URL.decode(String(part)), let text = String(validating: bytes, as: UTF8.self),
            let value = try? JSONValue(parsing: text, limits: limits)
        else { return nil }
        return value.objectValue
    }

    private static func flag(_ value: JSONValue?) -> Bool? {
        guard let value else { return false }
        return value.boolValue
    }

    private static func isAbsent(_ value: JSONValue?, or isValid: (JSONValue) -> Bool) -> Bool {
        value.map(isValid) ?? true
    }
}

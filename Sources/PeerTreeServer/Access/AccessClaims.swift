import Crypto
import JSON
import PeerTreeSignalling

/// The claims of a JSON Web Token (RFC 7515 and 7519) whose signature is good.
struct AccessClaims {
    let create: Bool
    let join: Bool
    let tree: String?
    let expiry: Double?
    let beginning: Double?

    private static let maximumBytes = 8_192
    private static let limits = JSONLimits(maximumDepth: 8, maximumBytes: maximumBytes, maximumNodes: 256)

    /// Reads a token; nil if it is malformed, not signed with the policy's secret or one of its keys, by another issuer
    /// or for another audience. A claim of a wrong type makes the whole token void.
    init?(_ token: String, policy: AccessPolicy) {
        guard token.utf8.count <= Self.maximumBytes else { return nil }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.object(parts[0]), header["crit"] == nil,
            let algorithm = header["alg"]?.stringValue, Self.isAbsent(header["kid"], or: { $0.stringValue != nil }),
            let signature = Base64URL.decode(String(parts[2]))
        else { return nil }
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        let isSigned =
            Self.isCode(signature, of: signed, algorithm: algorithm, secret: policy.tokenSecret)
            ?? policy.tokenKeys.isSignature(
                signature,
                of: signed,
                algorithm: algorithm,
                keyID: header["kid"]?.stringValue
            )
        guard isSigned, let claims = Self.object(parts[1]), Self.isMeant(claims, for: policy),
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

    /// Whether a code is that of the shared secret, compared in constant time; nil if the algorithm is not one of those
    /// with a shared secret.
    private static func isCode(_ code: [UInt8], of signed: [UInt8], algorithm: String, secret: String?) -> Bool? {
        guard ["HS256", "HS384", "HS512"].contains(algorithm) else { return nil }
        guard let secret else { return false }
        let key = SymmetricKey(data: Array(secret.utf8))
        return switch algorithm {
        case "HS256": HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: key)
        case "HS384": HMAC<SHA384>.isValidAuthenticationCode(code, authenticating: signed, using: key)
        default: HMAC<SHA512>.isValidAuthenticationCode(code, authenticating: signed, using: key)
        }
    }

    /// A token that names audiences must name this server (RFC 7519, section 4.1.3).
    private static func isMeant(_ claims: JSONObject, for policy: AccessPolicy) -> Bool {
        if let issuer = policy.tokenIssuer, claims["iss"] != .string(issuer) { return false }
        guard let audience = claims["aud"] else { return policy.tokenAudience == nil }
        guard let wanted = policy.tokenAudience else { return false }
        return audience == .string(wanted) || audience.arrayValue?.contains(.string(wanted)) ?? false
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

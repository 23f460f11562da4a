import PeerTreeSignalling

/// Who may create trees and who may join them. By default everybody may.
///
/// A client sends its token in the handshake of Socket.IO, as `auth: { token }`. A token is one of the shared secrets, or
/// a JSON Web Token (RFC 7519) whose claims say what its bearer may do: `create` and `join` are true or false, `tree`
/// restricts joining to one tree, `exp` and `nbf` are Unix times. Secrets are compared in constant time.
public struct AccessPolicy: Sendable {
    /// Whoever has it may create trees, and join them. Default nil.
    public var createSecret: String?
    /// Whoever has it may join trees. Default nil.
    public var joinSecret: String?
    /// Signs the JSON Web Tokens of those who may create or join, with HS256, HS384 or HS512. Default nil.
    public var tokenSecret: String?
    /// Public keys whose owners sign such tokens. Default none.
    public var tokenKeys = AccessKeys()
    /// Who must have issued a token: its claim `iss`. Default nil: anybody who can sign it.
    public var tokenIssuer: String?
    /// For whom a token must be: one of the values of its claim `aud`. Default nil: a token that has the claim is void.
    public var tokenAudience: String?

    /// Everybody may do everything.
    public init() {}

    /// Whether creating a tree needs a token.
    public var restrictsCreating: Bool { createSecret != nil || acceptsTokens }
    /// Whether joining a tree needs a token.
    public var restrictsJoining: Bool { joinSecret != nil || acceptsTokens }

    private var acceptsTokens: Bool { tokenSecret != nil || !tokenKeys.isEmpty }

    /// What the bearer of `token` may do.
    func access(with token: String?) -> Access {
        var access = Access(mayCreate: !restrictsCreating, mayJoin: !restrictsJoining)
        guard let token else { return access }
        if let createSecret, Credentials.isEqual(token, createSecret) {
            access.mayCreate = true
            access.mayJoin = true
        }
        if let joinSecret, Credentials.isEqual(token, joinSecret) { access.mayJoin = true }
        if acceptsTokens, let claims = AccessClaims(token, policy: self) {
            access.mayCreate = access.mayCreate || claims.create
            access.mayJoin = access.mayJoin || claims.join
            access.tree = claims.tree
            access.expiry = claims.expiry
            access.beginning = claims.beginning
        }
        return access
    }
}

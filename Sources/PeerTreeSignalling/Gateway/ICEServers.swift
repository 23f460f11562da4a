import JSON
public import PeerTreeCore

/// The STUN and TURN servers that native peers are told to use.
public struct ICEServerOptions: Sendable {
    /// STUN servers, such as `stun:stun.example.org:3478` (RFC 7064). Default none.
    public var stunURLs: [String] = []

    /// TURN servers, such as `turn:turn.example.org:3478?transport=udp` or `turns:turn.example.org` (RFC 7065).
    /// Default none. They take effect together with ``turnSecret``.
    public var turnURLs: [String] = []

    /// The secret shared with the TURN servers (coturn's `static-auth-secret`), from which each peer gets credentials
    /// of its own that expire. Peers never see it. Default none.
    public var turnSecret: String?

    /// How long credentials are good for. A peer asks for new ones before they expire. Default 24 hours.
    public var credentialLifetime = TimeSpan.seconds(24 * 60 * 60)

    /// No servers.
    public init() {}
}

/// Time-limited TURN credentials by the REST API convention (draft-uberti-behave-turn-rest), which coturn implements as
/// `use-auth-secret`: the user name says when it expires, the password proves who made it.
struct TURNCredential: Equatable {
    let username: String
    let password: String

    /// - Parameters:
    ///   - secret: what the signalling server and the TURN server share.
    ///   - expiry: Unix time in seconds.
    ///   - id: whom it is for; shows in the TURN server's log.
    init(secret: String, expiry: UInt64, id: String, _ security: SignallingSecurity) {
        username = "\(expiry):\(id)"
        password = security.turnPassword(secret, username)
    }
}

extension ICEServerOptions {
    /// The servers in the form of the W3C's `RTCIceServer`, with fresh credentials for one peer; nil if there are none.
    func servers(for id: String, unixTime: UInt64, _ security: SignallingSecurity) -> JSONValue? {
        var servers: [JSONValue] = []
        if !stunURLs.isEmpty { servers.append(["urls": .array(stunURLs.map { .string($0) })]) }
        if let turnSecret, !turnURLs.isEmpty {
            let expiry = unixTime + credentialLifetime.nanoseconds / 1_000_000_000
            let credential = TURNCredential(secret: turnSecret, expiry: expiry, id: id, security)
            servers.append([
                "urls": .array(turnURLs.map { .string($0) }), "username": .string(credential.username),
                "credential": .string(credential.password),
            ])
        }
        return servers.isEmpty ? nil : .array(servers)
    }

    /// Seconds after which a peer should ask again; nil if nothing it was given expires.
    var lifetimeSeconds: Int? {
        guard turnSecret != nil, !turnURLs.isEmpty else { return nil }
        return Int(clamping: credentialLifetime.nanoseconds / 1_000_000_000)
    }
}

extension ICEServerOptions {
    /// Adds the servers a peer should use to an answer; nothing where none are configured.
    func add(for id: String, unixTime: UInt64, _ security: SignallingSecurity, to data: inout JSONObject) {
        guard let servers = servers(for: id, unixTime: unixTime, security) else { return }
        data["iceServers"] = servers
        if let lifetime = lifetimeSeconds { data["iceServersLifetime"] = JSONValue(lifetime) }
    }
}

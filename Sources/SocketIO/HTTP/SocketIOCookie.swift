public import NIOCore

/// A cookie that carries the session's identifier, for load balancers that keep a client on one server by it. The
/// library itself does not read it.
public struct SocketIOCookie: Sendable, Hashable {
    /// When a browser sends the cookie along with requests of other sites (RFC 6265bis).
    public enum SameSite: String, Sendable, Hashable {
        /// Never.
        case strict = "Strict"
        /// When the user follows a link.
        case lax = "Lax"
        /// Always; browsers demand ``SocketIOCookie/isSecure`` for it.
        case none = "None"
    }

    /// The name. Default `io`.
    public var name: String
    /// The paths it is for. Default `/`.
    public var path: String
    /// The host and its subdomains it is for. Default nil: this host only.
    public var domain: String?
    /// How long it is kept. Default nil: until the browser is closed.
    public var maximumAge: TimeAmount?
    /// Whether scripts cannot read it. Default true.
    public var isHTTPOnly: Bool
    /// Whether it travels by TLS only. Default false.
    public var isSecure: Bool
    /// Default lax.
    public var sameSite: SameSite?

    /// A cookie with the reference server's defaults.
    public init(
        name: String = "io",
        path: String = "/",
        domain: String? = nil,
        maximumAge: TimeAmount? = nil,
        isHTTPOnly: Bool = true,
        isSecure: Bool = false,
        sameSite: SameSite? = .lax
    ) {
        self.name = name
        self.path = path
        self.domain = domain
        self.maximumAge = maximumAge
        self.isHTTPOnly = isHTTPOnly
        self.isSecure = isSecure
        self.sameSite = sameSite
    }

    /// The value of `Set-Cookie`. Identifiers consist of base64url characters and need no encoding.
    func header(sid: String) -> String {
        var header = "\(name)=\(sid)"
        if let maximumAge { header += "; Max-Age=\(maximumAge.nanoseconds / 1_000_000_000)" }
        if let domain { header += "; Domain=\(domain)" }
        header += "; Path=\(path)"
        if isHTTPOnly { header += "; HttpOnly" }
        if isSecure { header += "; Secure" }
        if let sameSite { header += "; SameSite=\(sameSite.rawValue)" }
        return header
    }
}

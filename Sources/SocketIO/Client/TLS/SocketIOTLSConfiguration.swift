/// How a client makes sure of a server that it reaches by `https://` or `wss://`.
///
/// TLS 1.2 and 1.3 are spoken, and HTTP/1.1 is what is agreed on (ALPN, RFC 7301). The name of the server is sent along
/// (SNI, RFC 6066) unless it is an address.
public struct SocketIOTLSConfiguration: Sendable, Hashable {
    /// Certificates in PEM, one or several.
    public enum Certificates: Sendable, Hashable {
        /// Those in a file. It is read when the client is made.
        case file(String)
        /// Those in a text.
        case pem(String)
    }

    /// What a server's certificate must be.
    public enum Verification: Sendable, Hashable {
        /// Current, for the name or address in the URL, and signed by an authority that is trusted (RFC 6125, RFC 5280).
        case full
        /// One of these, bit for bit. Nothing else is looked at: not its names, not its dates, not who signed it. For a
        /// server whose certificate is of its own making.
        case pinned(Certificates)
        /// Anything. Whoever is on the way can read and change everything: for tests alone.
        case insecure
    }

    /// What a server's certificate must be. Default ``Verification/full``.
    public var verification = Verification.full

    /// Authorities to trust beside those of the system. Default none.
    public var trustRoots: [Certificates] = []

    /// Whether the authorities that the system trusts are trusted. Default true. On Linux those are the ones in
    /// `/etc/ssl/certs`, of the package `ca-certificates`.
    public var trustsSystem = true

    /// The name to ask for, and to look for in the certificate. Default nil: the URL's host.
    public var serverName: String?

    /// The options, all with their defaults.
    public init() {}
}

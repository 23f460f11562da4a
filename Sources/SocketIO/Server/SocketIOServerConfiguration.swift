public import NIOCore
public import NIOHTTP1

/// How messages may travel.
public enum SocketIOTransport: String, Sendable, Hashable {
    /// HTTP long-polling.
    case polling
    /// WebSocket (RFC 6455), without compression.
    case webSocket = "websocket"
}

/// Which web pages of other origins may use polling (the Fetch standard's CORS protocol).
public struct CORSConfiguration: Sendable {
    /// The origins that are let in.
    public enum Origins: Sendable {
        /// Every origin.
        case any
        /// Exactly these, such as `https://example.org`.
        case list(Set<String>)
    }

    /// The origins that are let in.
    public var origins: Origins
    /// Whether pages may send cookies. Default false.
    public var allowsCredentials: Bool
    /// How long a browser may remember the answer to a preflight. Default nil: as long as it likes.
    public var maximumAge: TimeAmount?

    /// Lets the given origins in.
    public init(origins: Origins, allowsCredentials: Bool = false, maximumAge: TimeAmount? = nil) {
        self.origins = origins
        self.allowsCredentials = allowsCredentials
        self.maximumAge = maximumAge
    }
}

/// The options of a ``SocketIOServer``. The defaults are those of the reference server where it has the option.
public struct SocketIOServerConfiguration: Sendable {
    /// The path of the endpoint. Default `/socket.io/`.
    public var path = "/socket.io/"
    /// The transports on offer. Default both.
    public var transports: Set<SocketIOTransport> = [.polling, .webSocket]
    /// Whether clients of Socket.IO 1 and 2 are served as well (Engine.IO 3). To those, a socket's identifier in the
    /// main namespace is that of the session: do not show it to others if they could reach the server by polling.
    /// Default false.
    public var allowEIO3 = false
    /// Whether clients may poll by script tags, for browsers without CORS. Other sites' pages can do that too, with
    /// the user's cookies. Default false.
    public var allowJSONP = false
    /// How often a client is pinged. Default 25 s.
    public var pingInterval = TimeAmount.seconds(25)
    /// How long a client may be silent after a ping before its session ends. Default 20 s.
    public var pingTimeout = TimeAmount.seconds(20)
    /// How long the change from polling to WebSocket may take. Default 10 s.
    public var upgradeTimeout = TimeAmount.seconds(10)
    /// How long a client may stay without joining a namespace. Default 45 s.
    public var connectTimeout = TimeAmount.seconds(45)
    /// The largest message or polling payload a client may send, in bytes. Default 1,000,000.
    public var maximumPayload = 1_000_000
    /// Bytes that may wait for one client before it is cut as too slow. Default 4 MiB.
    public var maximumBufferedBytes = 4 << 20
    /// How long a client that was cut so, with a WebSocket, may take to read what was sent to it before, and behind that
    /// why it is cut: close code 1008 with the reason `slow reader`. Its session is over at once, and nothing more is kept
    /// for it. A client also has this time for every part of a page that it is sent. Default 10 s.
    public var slowReaderTimeout = TimeAmount.seconds(10)
    /// Bounds on JSON, attachments and names in packets.
    public var packetLimits = PacketLimits()
    /// How many messages a client may send. Default 1,000 a second, 5,000 at once after a pause.
    public var eventRate = EventRate(perSecond: 1000, burst: 5000)
    /// How many namespaces a client may be in, or on its way into, at a time. Default 64.
    public var maximumNamespacesPerSession = 64
    /// How many sessions may be open; further handshakes are answered 503. Default 100,000.
    public var maximumSessions = 100_000
    /// How many sessions one IPv4 address, or /64 network of IPv6 addresses, may have open. Behind a reverse proxy
    /// that is not one of ``trustedProxies`` all clients have its address. Default 20,000.
    public var maximumSessionsPerAddress = 20_000
    /// How many connections may be open; further ones are answered 503. Default 100,000.
    public var maximumConnections = 100_000
    /// How many connections one address may have open, as with sessions; a trusted proxy as many as it likes. Default
    /// 20,000.
    public var maximumConnectionsPerAddress = 20_000
    /// How long a client may take to send a request's head, and again its body, whoever serves it. Default 10 s.
    public var requestTimeout = TimeAmount.seconds(10)
    /// How long an HTTP connection may be idle between requests. Default 60 s.
    public var keepAliveTimeout = TimeAmount.seconds(60)
    /// How many bytes one request's headers may have. Default 16 KiB.
    public var maximumHeaderBytes = 16 << 10
    /// How long ``SocketIOServer/close(clientsReturn:)`` waits for clients to go before it cuts them. Default 5 s.
    public var closeTimeout = TimeAmount.seconds(5)
    /// Cross-origin access for polling. Default nil: none.
    public var cors: CORSConfiguration?
    /// Whether clients that lost their connection may come back to where they were. It costs memory for what was sent.
    /// Default nil: no.
    public var recovery: ConnectionStateRecovery?
    /// A cookie with the session's identifier. Default nil: none.
    public var cookie: SocketIOCookie?
    /// Proxies that are believed about whom they speak for: by the last entries of `X-Forwarded-For`, or by the PROXY
    /// protocol, version 2, at the beginning of a connection. Such a proxy must write the one or send the other itself, or
    /// clients could say through it that they are somebody else. Default none.
    public var trustedProxies: [AddressRange] = []
    /// Decides on a handshake by its request; false answers 403 `Forbidden`. Called on the connection's event loop.
    public var allowRequest: (@Sendable (HTTPRequestHead) -> Bool)?
    /// Whether ``SocketIOHandshake/headers`` are kept. They cost 1 to 2 KB a socket. Default false.
    public var keepsHandshakeHeaders = false

    /// The options, all with their defaults.
    public init() {}
}

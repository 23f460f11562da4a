public import NIOCore
public import NIOHTTP1

/// The options of a ``SocketIOClient``. The defaults are those of the reference client where it has the option.
public struct SocketIOClientConfiguration: Sendable {
    /// The path of the server's endpoint. Default `/socket.io/`.
    public var path = "/socket.io/"
    /// The namespace to join. Default nil: the URL's path, or `/`.
    public var namespace: String?
    /// What to tell the server in order to be let in. Default nil: nothing.
    public var auth: JSONObject?
    /// Headers for every request, such as `Authorization`. Default none.
    public var headers: HTTPHeaders = [:]
    /// How to make sure of a server behind `https` or `wss`. Default: as browsers do.
    public var tls = SocketIOTLSConfiguration()
    /// The transports to use, the first to begin with. Default polling, then WebSocket: the session upgrades as soon
    /// as a WebSocket is seen to work. `[.webSocket]` saves the round trips.
    public var transports: [SocketIOTransport] = [.polling, .webSocket]
    /// Whether to come back after the connection was lost or could not be made. Default true.
    public var reconnects = true
    /// How often to try in a row. Default nil: without end.
    public var reconnectionAttempts: Int?
    /// How long to wait before the first attempt; doubled for each further one. Default 1 s.
    public var reconnectionDelay = TimeAmount.seconds(1)
    /// The longest wait between attempts. Default 5 s.
    public var reconnectionDelayMaximum = TimeAmount.seconds(5)
    /// By which part of itself a wait may be longer or shorter, at random, from 0 to 1. Default 0.5.
    public var randomizationFactor = 0.5
    /// How long a server may take to accept a connection, all addresses of its name together: those after the first are
    /// tried 250 ms after one another, as RFC 8305 says. Default 3 s.
    public var dialTimeout = TimeAmount.seconds(3)
    /// How long opening a session with one server, and again joining the namespace, may take at first. Doubled each time
    /// that all servers have failed, up to ``connectTimeout``. Default 5 s.
    public var handshakeTimeout = TimeAmount.seconds(5)
    /// How long opening a session, and again joining the namespace, may take at most. Default 20 s.
    public var connectTimeout = TimeAmount.seconds(20)
    /// How many emits may wait while there is no connection; further ones are dropped. Default 1,000.
    public var maximumBufferedEmits = 1000
    /// The largest message or polling payload taken from the server, in bytes. Default 16 MiB.
    public var maximumPayload = 16 << 20
    /// Bytes that may wait for the server before the connection is given up as too slow. Default 64 MiB.
    public var maximumBufferedBytes = 64 << 20
    /// Bounds on JSON and attachments in packets. Default: 16 MiB and 1,000,000 values of JSON, 10 attachments.
    public var packetLimits = PacketLimits(json: JSONLimits(maximumBytes: 16 << 20, maximumNodes: 1_000_000))

    /// The options, all with their defaults.
    public init() {}
}

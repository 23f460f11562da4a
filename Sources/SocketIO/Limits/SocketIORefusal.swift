import Synchronization

/// What a server turned away or cut off, and why. ``SocketIOServer/refusals`` counts each; the client is told in the
/// way given here, unless it is gone or does not read.
public enum SocketIORefusal: String, Sendable, Hashable, CaseIterable {
    /// More connections than ``SocketIOServerConfiguration/maximumConnections``: status 503.
    case tooManyConnections = "too-many-connections"
    /// More than ``SocketIOServerConfiguration/maximumConnectionsPerAddress``: status 503.
    case tooManyConnectionsFromAddress = "too-many-connections-from-address"
    /// More sessions than ``SocketIOServerConfiguration/maximumSessions``, or the server is closing: status 503.
    case tooManySessions = "too-many-sessions"
    /// More than ``SocketIOServerConfiguration/maximumSessionsPerAddress``: status 503.
    case tooManySessionsFromAddress = "too-many-sessions-from-address"
    /// A request that is not HTTP: status 400. A header of the PROXY protocol that cannot be read: closed.
    case malformedRequest = "malformed-request"
    /// Headers above ``SocketIOServerConfiguration/maximumHeaderBytes``: status 431.
    case headersTooLarge = "headers-too-large"
    /// A request that did not arrive within ``SocketIOServerConfiguration/requestTimeout``: status 408, or closed where an
    /// answer has begun already.
    case slowRequest = "slow-request"
    /// A request for a path that is not the endpoint's, on a server without a fallback: status 404.
    case unknownPath = "unknown-path"
    /// Engine.IO's error 0: status 400.
    case unknownTransport = "unknown-transport"
    /// Engine.IO's error 1: status 400.
    case unknownSessionID = "unknown-session-id"
    /// Engine.IO's error 2: status 400.
    case badHandshakeMethod = "bad-handshake-method"
    /// Engine.IO's error 3: status 400.
    case badRequest = "bad-request"
    /// Engine.IO's error 4, from ``SocketIOServerConfiguration/allowRequest``: status 403.
    case forbidden
    /// Engine.IO's error 5: status 400.
    case unsupportedProtocolVersion = "unsupported-protocol-version"
    /// A message or body above ``SocketIOServerConfiguration/maximumPayload``: status 413, or close code 1009.
    case payloadTooLarge = "payload-too-large"
    /// A frame against RFC 6455, such as a compressed one: close code 1002.
    case webSocketProtocolError = "websocket-protocol-error"
    /// More than ``SocketIOServerConfiguration/maximumBufferedBytes`` waited for a client: close code 1008 with the reason
    /// `slow reader` behind what was sent before, and cut after ``SocketIOServerConfiguration/slowReaderTimeout``; its
    /// next poll is answered error 1, status 400. Who does not read a page for that time is cut.
    case slowReader = "slow-reader"
    /// No sign of life within the ping interval and time-out: an `1` packet if a poll waits, and cut.
    case pingTimeout = "ping-timeout"
    /// An upgrade not completed within ``SocketIOServerConfiguration/upgradeTimeout``: its WebSocket is closed.
    case upgradeTimeout = "upgrade-timeout"
    /// A packet that is not Engine.IO or Socket.IO, or is above ``PacketLimits``: the session is closed.
    case malformedPacket = "malformed-packet"
    /// More events than ``SocketIOServerConfiguration/eventRate`` allows: a `1` packet for every namespace, and closed.
    case tooManyEvents = "too-many-events"
    /// No namespace joined within ``SocketIOServerConfiguration/connectTimeout``: the session is closed.
    case connectTimeout = "connect-timeout"
    /// More namespaces than ``SocketIOServerConfiguration/maximumNamespacesPerSession``: `connect_error`.
    case tooManyNamespaces = "too-many-namespaces"
    /// A namespace that does not exist: `connect_error` with `Invalid namespace`.
    case invalidNamespace = "invalid-namespace"
    /// A middleware threw: `connect_error` with its message.
    case connectRefused = "connect-refused"
}

/// Counts refusals. May be used from any thread.
package final class RefusalCounter: Sendable {
    private let counts = Mutex<[SocketIORefusal: Int]>([:])

    package init() {}

    package func count(_ refusal: SocketIORefusal) {
        counts.withLock { $0[refusal, default: 0] += 1 }
    }

    package var snapshot: [SocketIORefusal: Int] { counts.withLock { $0 } }
}

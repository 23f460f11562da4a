public import NIOCore

/// The sockets that peer connections share: one UDP port for each IP version.
///
/// A transport, and everything made from it, lives on one event loop (`eventLoop`). `WebRTCTransport` itself may be used
/// from anywhere; `PeerConnection` and `DataChannel` only on `eventLoop`. More processors than one are used by more
/// transports than one: see `WebRTCEventLoopChoice` and `WebRTCTransportGroup`.
public final class WebRTCTransport: Sendable {
    /// The event loop everything made from this transport lives on.
    public let eventLoop: any EventLoop
    /// The addresses bound to, at most one per IP version.
    public let localAddresses: [TransportAddress]
    let core: NIOLoopBound<TransportCore>

    private init(core: TransportCore) {
        self.eventLoop = core.eventLoop
        self.localAddresses = core.sockets.map(\.localAddress)
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
    }

    /// Opens the sockets and makes this process's certificate, if it has none yet.
    ///
    /// - Parameter choice: the event loop to live on.
    /// - Throws: `WebRTCError` when an address cannot be bound.
    public static func bind(
        _ configuration: WebRTCConfiguration = .init(),
        on choice: WebRTCEventLoopChoice = .shared
    ) async throws -> WebRTCTransport {
        try await Self.bind(configuration, eventLoop: choice.eventLoop)
    }

    static func bind(_ configuration: WebRTCConfiguration, eventLoop: any EventLoop) async throws -> WebRTCTransport {
        try await eventLoop.flatSubmit { () -> EventLoopFuture<WebRTCTransport> in
            do {
                let core = try TransportCore(configuration, eventLoop: eventLoop)
                let transport = WebRTCTransport(core: core)
                let registered = core.register().map { transport }
                registered.whenFailure { _ in transport.close() }
                return registered
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        }.get()
    }

    /// Makes a connection. Only on `eventLoop`.
    ///
    /// - Parameters:
    ///   - iceServers: STUN and TURN servers; nil means those of the transport's configuration.
    ///   - iceTransportPolicy: which candidates to use; nil means as the transport's configuration says.
    /// - Throws: `WebRTCError.tooManyConnections`, `.invalidICEServer`, or `.closed` after `close()`.
    public func makePeerConnection(
        iceServers: [ICEServer]? = nil,
        iceTransportPolicy: ICETransportPolicy? = nil
    ) throws(WebRTCError) -> PeerConnection {
        var servers: [ResolvedServer]?
        if let iceServers { servers = try ResolvedServer.parse(iceServers) }
        return try self.core.value.makePeerConnection(servers: servers, policy: iceTransportPolicy)
    }

    /// Calls a handler, on `eventLoop`, whenever addresses of this host have come or gone. Only on `eventLoop`.
    ///
    /// - Returns: what ends it when called.
    public func observeNetworkChanges(_ handler: @escaping (NetworkChange) -> Void) -> () -> Void {
        self.core.value.addNetworkObserver(handler)
    }

    /// What was received, sent and dropped so far. Only on `eventLoop`.
    public var counters: WebRTCCounters { self.core.value.currentCounters }

    /// Closes all connections and the sockets. From anywhere; idempotent.
    public func close() {
        if self.eventLoop.inEventLoop {
            self.core.value.close()
        } else {
            self.eventLoop.execute { self.core.value.close() }
        }
    }
}

/// Addresses of this host that have come or gone.
public struct NetworkChange: Hashable, Sendable {
    /// The new ones, with the transport's port.
    public var added: [TransportAddress]
    /// Those that exist no longer.
    public var removed: [TransportAddress]
}

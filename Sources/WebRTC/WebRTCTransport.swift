public import NIOCore

/// The sockets that peer connections share: one UDP port for each IP version.
///
/// All transports of a process, and everything made from them, live on one event loop (`eventLoop`), because the SCTP
/// stack below them is one per process. `WebRTCTransport` itself may be used from anywhere; `PeerConnection` and
/// `DataChannel` only on `eventLoop`.
public final class WebRTCTransport: Sendable {
    /// The event loop everything made from this transport lives on.
    public let eventLoop: any EventLoop
    /// The addresses bound to, at most one per IP version.
    public let localAddresses: [TransportAddress]
    let core: NIOLoopBound<TransportCore>

    private init(core: TransportCore) {
        self.eventLoop = WebRTCEventLoop.loop
        self.localAddresses = core.sockets.map(\.localAddress)
        self.core = NIOLoopBound(core, eventLoop: WebRTCEventLoop.loop)
    }

    /// Opens the sockets and makes this process's certificate, if it has none yet.
    ///
    /// - Throws: `WebRTCError` when an address cannot be bound.
    public static func bind(_ configuration: WebRTCConfiguration = .init()) async throws -> WebRTCTransport {
        let loop = WebRTCEventLoop.loop
        return try await loop.flatSubmit { () -> EventLoopFuture<WebRTCTransport> in
            do {
                let core = try TransportCore(configuration)
                let transport = WebRTCTransport(core: core)
                return core.register().map { transport }
            } catch {
                return loop.makeFailedFuture(error)
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

public import Logging
public import NIOCore
public import NIOPosix

/// A Socket.IO 5 server over Engine.IO 4, by WebSocket and HTTP long-polling. Clients of Socket.IO 1 and 2 are served
/// too, if ``SocketIOServerConfiguration/allowEIO3`` is set.
///
/// ```swift
/// let io = SocketIOServer()
/// io.onConnection { socket in
///     socket.on("message") { event in
///         socket.emit("message-back", arguments: event.arguments)
///         event.acknowledge("ok")
///     }
/// }
/// let address = try await io.listen(port: 3000)
/// ```
///
/// It either listens by itself (``listen(host:port:fallback:)``) or lives in another HTTP server's connections
/// (``configure(_:installsCodec:fallback:)``). Everything here may be called from any thread.
public final class SocketIOServer: Sendable {
    /// The options, as given.
    public let configuration: SocketIOServerConfiguration
    private let namespaces: NamespaceRegistry
    private let listener: EngineIOListener

    /// A server that does nothing until it listens or is given connections.
    ///
    /// - Parameters:
    ///   - configuration: The options.
    ///   - eventLoopGroup: Where ``listen(host:port:fallback:)`` runs connections. Default: NIO's global group.
    ///   - logger: Where to log. Default: a logger labelled `socketio`.
    public init(
        configuration: SocketIOServerConfiguration = SocketIOServerConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "socketio")
    ) {
        let refusals = RefusalCounter()
        let namespaces = NamespaceRegistry(configuration: configuration, refusals: refusals, logger: logger)
        let engine = EngineIOServer(configuration: configuration, refusals: refusals) { connection in
            SocketIOConnection(engine: connection, namespaces: namespaces)
        }
        self.configuration = configuration
        self.namespaces = namespaces
        listener = EngineIOListener(engine: engine, eventLoopGroup: eventLoopGroup)
    }

    // MARK: - Namespaces

    /// The main namespace, `/`.
    public var main: SocketIONamespace { namespaces.namespace("/") }

    /// The namespace of this name (a leading slash is added if it lacks), made if need be. Clients may only join
    /// namespaces that were asked for here.
    public func of(_ name: String) -> SocketIONamespace {
        namespaces.namespace(name.hasPrefix("/") ? name : "/" + name)
    }

    /// Admits clients to namespaces that are not known in advance: those for which `includes` returns true, given the
    /// name and what the client sent to authenticate itself. It may be called on any event loop, also again for a
    /// namespace that exists already.
    public func of(matching includes: @escaping @Sendable (String, JSONObject) -> Bool) -> SocketIONamespaceFamily {
        let family = SocketIONamespaceFamily(includes: includes)
        namespaces.add(family)
        return family
    }

    /// Whether there is a namespace of this name now.
    package func hasNamespace(_ name: String) -> Bool { namespaces.contains(name) }

    /// See ``SocketIONamespace/on(_:_:)``; in the main namespace.
    public func on(_ event: String, _ handler: @escaping SocketIONamespace.ConnectionHandler) {
        main.on(event, handler)
    }

    /// See ``SocketIONamespace/onConnection(_:)``; in the main namespace.
    public func onConnection(_ handler: @escaping SocketIONamespace.ConnectionHandler) { main.onConnection(handler) }

    /// See ``SocketIONamespace/onEvent(_:)``; in the main namespace.
    public func onEvent(_ handler: @escaping @Sendable (SocketIOSocket, SocketIOEvent) -> Void) {
        main.onEvent(handler)
    }

    /// See ``SocketIONamespace/onDisconnect(_:)``; in the main namespace.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void) {
        main.onDisconnect(handler)
    }

    /// See ``SocketIONamespace/use(_:)``; in the main namespace.
    public func use(_ middleware: @escaping SocketIONamespace.Middleware) { main.use(middleware) }

    /// See ``SocketIONamespace/useAsync(_:)``; in the main namespace.
    public func useAsync(_ middleware: @escaping SocketIONamespace.AsyncMiddleware) { main.useAsync(middleware) }

    /// Sends an event to every socket of the main namespace.
    public func emit(_ event: String, _ arguments: JSONValue...) { main.all.emit(event, arguments: arguments) }

    /// Addresses rooms of the main namespace, or single sockets by their identifiers.
    public func to(_ rooms: String...) -> BroadcastOperator { main.all.to(rooms) }

    /// Addresses everyone in the main namespace but the sockets of these rooms.
    public func except(_ rooms: String...) -> BroadcastOperator { main.all.except(rooms) }

    /// Addresses everyone in the main namespace, with events that need not arrive: see ``BroadcastOperator/volatile``.
    public var volatile: BroadcastOperator { main.volatile }

    /// The socket of the main namespace with this identifier, if it is connected.
    public func socket(_ id: String) -> SocketIOSocket? { main.socket(id) }

    // MARK: - Connections

    /// How many Engine.IO sessions are open.
    public var sessionCount: Int { listener.engine.connectionCount }

    /// How often clients were turned away or cut off since the server was made, by reason; reasons that never occurred
    /// are absent.
    public var refusals: [SocketIORefusal: Int] { listener.engine.refusals.snapshot }

    /// Listens for connections and returns the bound address; port 0 takes a free one.
    ///
    /// - Parameters:
    ///   - host: An address or a name. Default `127.0.0.1`.
    ///   - port: The TCP port.
    ///   - fallback: Serves other paths, as in ``configure(_:installsCodec:fallback:)``. Default nil: they are answered
    ///     404.
    /// - Throws: the system's error if the address cannot be bound.
    public func listen(
        host: String = "127.0.0.1",
        port: Int,
        fallback: (@Sendable (any Channel) -> EventLoopFuture<Void>)? = nil
    ) async throws -> SocketAddress {
        try await listener.listen(host: host, port: port, fallback: fallback)
    }

    /// Makes a connection that another server accepted speak Socket.IO on this server's path.
    ///
    /// Requests for other paths go to the fallback, whose handlers are installed when the first of them comes: it is
    /// given the channel, adds its handlers (which see `HTTPServerRequestPart`s and write `HTTPServerResponsePart`s) to
    /// the end of the pipeline, and completes the future. Both kinds of request may alternate on one connection. A
    /// connection that becomes a WebSocket without an earlier such request never pays for the fallback.
    ///
    /// - Parameters:
    ///   - channel: A connected byte stream; TLS, if any, is installed already.
    ///   - installsCodec: Whether to add NIO's HTTP/1 codec first. Pass false if it is there already; it must then be
    ///     NIO's `HTTPRequestDecoder` with `.forwardBytes` and `HTTPResponseEncoder`. Default true.
    ///   - fallback: Serves other paths. Default nil: they are answered 404.
    public func configure(
        _ channel: any Channel,
        installsCodec: Bool = true,
        fallback: (@Sendable (any Channel) -> EventLoopFuture<Void>)? = nil
    ) -> EventLoopFuture<Void> {
        listener.configure(channel, installsCodec: installsCodec, fallback: fallback)
    }

    /// Stops listening, tells every client, and closes every connection, at the latest after
    /// ``SocketIOServerConfiguration/closeTimeout``. The server cannot be used again.
    ///
    /// - Parameter clientsReturn: Whether clients are to look for the server until it is back. A client that is told that
    ///   its namespace is over does not; so it is not told, and sees its connection close. Default false.
    public func close(clientsReturn: Bool = false) async {
        await listener.close { application in
            guard let connection = application as? SocketIOConnection else { return }
            if clientsReturn {
                connection.close(reason: .serverShuttingDown)
            } else {
                connection.sayGoodbye(reason: .serverShuttingDown)
            }
        }
    }
}

public import Logging
public import NIOCore
public import NIOPosix
import Synchronization

/// One connection to a Socket.IO server, shared by the clients of several namespaces.
///
/// ```swift
/// let manager = try SocketIOManager(url: "http://127.0.0.1:3000")
/// let chat = manager.socket("/chat")
/// let admin = manager.socket("/admin", auth: ["token": "secret"])
/// chat.connect()
/// admin.connect()
/// ```
///
/// The connection is opened when the first client connects and closed when the last one disconnects. After a loss each
/// client waits as its back-off says; the first attempt takes all the others with it.
///
/// `@unchecked Sendable`: the mutable properties are used on `eventLoop` only: the clients, who live on the same loop, call
/// from there, and so does the connection. What may be called from anywhere touches none of them.
public final class SocketIOManager: @unchecked Sendable {
    /// A client that need not be kept alive.
    private struct Member {
        weak var client: SocketIOClient?
    }

    /// Where the handlers of all clients are called.
    public let eventLoop: any EventLoop
    let configuration: SocketIOClientConfiguration
    let defaultNamespace: String
    /// The host that was dialled last. From any thread.
    var host: String { dialled.withLock { $0 } }
    private let dialled: Mutex<String>
    private let targets: [EngineIOClientTarget]
    private var choice: ServerChoice
    private let logger: Logger
    private var engine: EngineIOClientConnection?
    private var isOpen = false
    /// Whether the server has let a client into a namespace.
    private var isJoined = false
    /// What came of the servers of this round.
    private var failures: [(server: String, failure: ConnectionFailure)] = []
    private var decoder = SocketIOPacketDecoder()
    private var members: [Member] = []
    /// The clients that want the connection. They are kept alive as long as it is.
    private var attached: [SocketIOClient] = []

    /// A manager that does nothing until one of its clients connects.
    ///
    /// - Parameters:
    ///   - url: `http://host[:port][/namespace][?query]`, or `https`, `ws` or `wss`.
    ///   - configuration: The options.
    ///   - eventLoopGroup: Where the connection runs, on one of its loops. Default: NIO's global group.
    ///   - logger: Where to log. Default: a logger labelled `socketio.client`.
    public convenience init(
        url: String,
        configuration: SocketIOClientConfiguration = SocketIOClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "socketio.client")
    ) throws(SocketIOURLError) {
        try self.init(urls: [url], configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
    }

    /// A manager of a connection to any of several servers; see ``SocketIOClient/init(urls:configuration:eventLoopGroup:logger:)``.
    ///
    /// - Parameters:
    ///   - urls: The addresses, at least one, all with the same namespace.
    ///   - configuration: The options.
    ///   - eventLoopGroup: Where the connection runs, on one of its loops. Default: NIO's global group.
    ///   - logger: Where to log. Default: a logger labelled `socketio.client`.
    public init(
        urls: [String],
        configuration: SocketIOClientConfiguration = SocketIOClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "socketio.client")
    ) throws(SocketIOURLError) {
        var targets: [EngineIOClientTarget] = []
        for url in urls {
            let address = try SocketIOURL(url)
            if let first = targets.first, first.url.namespace != address.namespace {
                throw .malformed(url, reason: "its namespace is not that of the first address")
            }
            targets.append(try Self.target(address, configuration))
        }
        guard let first = targets.first else { throw .malformed("", reason: "there is none") }
        self.targets = targets
        self.configuration = configuration
        self.logger = logger
        eventLoop = eventLoopGroup.next()
        defaultNamespace = configuration.namespace ?? first.url.namespace
        var generator = SystemRandomNumberGenerator()
        choice = ServerChoice(count: targets.count, using: &generator)
        dialled = Mutex(targets[choice.current].url.host)
    }

    private static func target(
        _ address: SocketIOURL,
        _ configuration: SocketIOClientConfiguration
    ) throws(SocketIOURLError) -> EngineIOClientTarget {
        EngineIOClientTarget(
            url: address,
            path: configuration.path,
            headers: configuration.headers,
            dialTimeout: min(configuration.dialTimeout, configuration.connectTimeout),
            maximumPayload: configuration.maximumPayload,
            maximumBufferedBytes: configuration.maximumBufferedBytes,
            tls: try address.isSecure ? makeTLS(configuration.tls, host: address.host) : nil
        )
    }

    private static func makeTLS(
        _ configuration: SocketIOTLSConfiguration,
        host: String
    ) throws(SocketIOURLError) -> TLSClient {
        do throws(EngineIOClientError) {
            return try TLSClient(configuration, host: host)
        } catch {
            throw .unusableCertificates(error.description)
        }
    }

    /// A client of a namespace, with handlers of its own. A namespace can have one connected client at a time: the
    /// server closes the connection if it is asked twice.
    ///
    /// - Parameters:
    ///   - namespace: The namespace's name. Default: that of the URL.
    ///   - auth: What to tell the server in order to be let in. Default: what the configuration has.
    public func socket(_ namespace: String? = nil, auth: JSONObject? = nil) -> SocketIOClient {
        var configuration = configuration
        if let auth { configuration.auth = auth }
        return SocketIOClient(
            manager: self,
            namespace: namespace ?? defaultNamespace,
            configuration: configuration,
            logger: logger
        )
    }

    // MARK: - For the clients, on the event loop

    /// How messages travel now.
    var transport: SocketIOTransport? { engine?.transport }

    func add(_ client: SocketIOClient) {
        members.removeAll { $0.client == nil }
        members.append(Member(client: client))
    }

    /// The client wants the connection: it is told as soon as that is open, or has failed.
    func attach(_ client: SocketIOClient) {
        attached.append(client)
        if engine != nil {
            if isOpen { client.handle(.engineOpened(patience: patience)) }
            return
        }
        let engine = makeEngine()
        // Whoever waits for its own next attempt takes part in this one.
        for member in members where member.client !== client { member.client?.handle(.engineOpening) }
        engine.start()
    }

    /// How long the server may take to open a session, and again to let a client in.
    private var patience: TimeAmount {
        choice.patience(from: configuration.handshakeTimeout, to: configuration.connectTimeout)
    }

    private func makeEngine() -> EngineIOClientConnection {
        let target = targets[choice.current]
        dialled.withLock { $0 = target.url.host }
        decoder = SocketIOPacketDecoder()
        isJoined = false
        let engine = EngineIOClientConnection(
            target: target,
            transports: configuration.transports,
            openTimeout: patience,
            eventLoop: eventLoop,
            delegate: self
        )
        self.engine = engine
        return engine
    }

    /// The server has let a client in.
    func joined() {
        isJoined = true
        failures = []
        choice.succeed()
    }

    /// The server has not let the client in. Others whom it has let in stay.
    func abandon(_ client: SocketIOClient, _ failure: ConnectionFailure) {
        guard !isJoined else {
            attached.removeAll { $0 === client }
            client.handle(.engineClosed(.transportError, error: failure))
            if attached.isEmpty { closeEngine() }
            return
        }
        let engine = engine
        self.engine = nil
        engine?.close()
        lose(.transportError, failure)
    }

    /// The client is done with the connection.
    func detach(_ client: SocketIOClient) {
        attached.removeAll { $0 === client }
        if attached.isEmpty { closeEngine() }
    }

    func send(_ packet: EncodedPacket) { engine?.send(packet) }

    func sendVolatile(_ packet: EncodedPacket) { engine?.sendVolatile(packet) }

    private func closeEngine() {
        let engine = engine
        self.engine = nil
        isOpen = false
        engine?.close()
    }

    private func lose(_ reason: SocketIODisconnectReason, _ error: ConnectionFailure?) {
        engine = nil
        isOpen = false
        guard !isJoined else {
            isJoined = false
            choice.lose()
            end(reason, error)
            return
        }
        failures.append((targets[choice.current].url.hostHeader, error ?? "\(reason)"))
        if choice.fail() {
            logger.debug("going on to the next server", metadata: ["failed": "\(ConnectionFailure(failures).message)"])
            for client in attached { client.handle(.engineReopening) }
            makeEngine().start()
        } else {
            let all = failures
            failures = []
            end(reason, targets.count > 1 ? ConnectionFailure(all) : error)
        }
    }

    private func end(_ reason: SocketIODisconnectReason, _ error: ConnectionFailure?) {
        let clients = attached
        attached = []
        for client in clients { client.handle(.engineClosed(reason, error: error)) }
    }
}

extension SocketIOManager: EngineIOClientDelegate {
    func engineDidOpen(_ engine: EngineIOClientConnection) {
        guard engine === self.engine else { return }
        isOpen = true
        for client in attached { client.handle(.engineOpened(patience: patience)) }
    }

    func engine(_ engine: EngineIOClientConnection, didReceive message: EngineIOMessage) {
        guard engine === self.engine else { return }
        do throws(SocketIOParseError) {
            guard let packet = try decoder.decode(message, limits: configuration.packetLimits) else { return }
            for client in attached { client.handle(.packet(packet)) }
        } catch {
            self.engine = nil
            engine.close()
            lose(.parseError, "the server sent a malformed packet: \(error)")
        }
    }

    func engine(_ engine: EngineIOClientConnection, didClose reason: EngineIOClientSession.CloseReason) {
        guard engine === self.engine else { return }
        switch reason {
        case .forcedClose: lose(.forcedClose, nil)
        case .pingTimeout: lose(.pingTimeout, nil)
        case .transportClose: lose(.transportClose, "the server closed the connection")
        case .transportError(let error): lose(.transportError, error)
        case .parseError: lose(.parseError, "the server does not speak Engine.IO 4")
        }
    }
}

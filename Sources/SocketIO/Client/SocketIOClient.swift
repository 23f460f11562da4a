public import Logging
public import NIOCore
public import NIOPosix
import Synchronization

/// A Socket.IO 5 client of one namespace, which comes back by itself when the connection is lost. It has a connection
/// of its own, or shares that of a ``SocketIOManager``.
///
/// ```swift
/// let socket = try SocketIOClient(url: "http://127.0.0.1:3000")
/// socket.onConnect { socket.emit("message", "hello") }
/// socket.on("message-back") { event in print(event[0] ?? nil) }
/// socket.connect()
/// ```
///
/// Handlers are called on `eventLoop`, one at a time, and must not block. Everything else may be called from any
/// thread. Register handlers before ``connect()``. What is emitted while there is no connection waits for the next one.
///
/// `@unchecked Sendable`: the mutable properties are used on `eventLoop` only: every public method that touches them goes
/// through `onLoop`, and the manager calls on that loop, too. `published`, which is read from anywhere, has a lock.
public final class SocketIOClient: @unchecked Sendable {
    /// Where the handlers are called.
    public let eventLoop: any EventLoop
    private let configuration: SocketIOClientConfiguration
    private let manager: SocketIOManager
    private let logger: Logger
    private var session: SocketIOClientSession
    private var generator = SystemRandomNumberGenerator()
    private var handlers = EventHandlers()
    private var acknowledgements = AcknowledgementTable()
    private var timer: Scheduled<Void>?
    private var isDraining = false
    private var isClosed = false
    private let published = Mutex(Published())

    private struct Published {
        var id: String?
        var isRecovered = false
    }

    /// A client that does nothing until ``connect()``.
    ///
    /// - Parameters:
    ///   - url: `http://host[:port][/namespace][?query]`, or `https`, `ws` or `wss`.
    ///   - configuration: The options.
    ///   - eventLoopGroup: Where the client runs, on one of its loops. Default: NIO's global group.
    ///   - logger: Where to log. Default: a logger labelled `socketio.client`.
    public convenience init(
        url: String,
        configuration: SocketIOClientConfiguration = SocketIOClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "socketio.client")
    ) throws(SocketIOURLError) {
        try self.init(urls: [url], configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
    }

    /// A client of several servers of which one is as good as another, such as the nodes of a cluster. It begins with any
    /// of them; one that refuses, is silent (``SocketIOClientConfiguration/dialTimeout``,
    /// ``SocketIOClientConfiguration/handshakeTimeout``) or is lost is followed by another.
    ///
    /// - Parameters:
    ///   - urls: The addresses, at least one, all with the same namespace.
    ///   - configuration: The options.
    ///   - eventLoopGroup: Where the client runs, on one of its loops. Default: NIO's global group.
    ///   - logger: Where to log. Default: a logger labelled `socketio.client`.
    public convenience init(
        urls: [String],
        configuration: SocketIOClientConfiguration = SocketIOClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "socketio.client")
    ) throws(SocketIOURLError) {
        let manager = try SocketIOManager(
            urls: urls,
            configuration: configuration,
            eventLoopGroup: eventLoopGroup,
            logger: logger
        )
        self.init(
            manager: manager,
            namespace: manager.defaultNamespace,
            configuration: configuration,
            logger: logger
        )
    }

    init(manager: SocketIOManager, namespace: String, configuration: SocketIOClientConfiguration, logger: Logger) {
        self.manager = manager
        self.configuration = configuration
        self.logger = logger
        eventLoop = manager.eventLoop
        session = SocketIOClientSession(namespace: namespace, configuration: configuration)
        onLoop { $0.manager.add($0) }
    }

    /// The identifier that the server has given to this connection; nil while there is none.
    public var id: String? { published.withLock { $0.id } }

    /// The host that was dialled last: a name, an IPv4 address, or an IPv6 address without its brackets.
    public var host: String { manager.host }

    /// Whether the server had kept the client's place when it came back last (``ConnectionStateRecovery``).
    public var isRecovered: Bool { published.withLock { $0.isRecovered } }

    /// Whether the server has let the client into the namespace.
    public var isConnected: Bool { id != nil }

    // MARK: - Receiving

    /// Calls `handler` for every event named `event`. The names `connect`, `disconnect` (with the reason),
    /// `connect_error` (with a message, details, and whether it is final), `reconnect_attempt` (with its number) and `reconnect_failed` tell
    /// about the connection.
    public func on(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) -> Void) {
        onLoop { $0.handlers.add(event, handler) }
    }

    /// Calls `handler` for the next event named `event` only.
    public func once(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) -> Void) {
        onLoop { $0.handlers.add(event, once: true, handler) }
    }

    /// Runs `handler` as a task for every event named `event`. Tasks of several events may overtake each other.
    public func onAsync(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) async -> Void) {
        on(event) { event in Task { await handler(event) } }
    }

    /// Calls `handler` for every event, before the handlers of its name.
    public func onAny(_ handler: @escaping @Sendable (SocketIOEvent) -> Void) {
        onLoop { $0.handlers.addCatchAll(handler) }
    }

    /// Removes the handlers of `event`.
    public func off(_ event: String) { onLoop { $0.handlers.remove(event) } }

    /// Calls `handler` whenever a connection has been made, the first time and after every loss.
    public func onConnect(_ handler: @escaping @Sendable () -> Void) { on("connect") { _ in handler() } }

    /// Calls `handler` whenever the connection is lost or closed.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIODisconnectReason) -> Void) {
        on("disconnect") { event in handler(SocketIODisconnectReason(rawValue: event[0]?.stringValue ?? "")) }
    }

    /// Calls `handler` whenever a connection could not be made, or the server refused it. After a refusal the client
    /// does not try again by itself; a certificate that was refused it looks at again, since a server may get another.
    public func onConnectError(_ handler: @escaping @Sendable (SocketIOConnectError) -> Void) {
        on("connect_error") { event in
            let isFinal = event[2] == .bool(true)
            handler(SocketIOConnectError(event[0]?.stringValue ?? "", data: event[1], isFinal: isFinal))
        }
    }

    // MARK: - Sending

    /// Sends an event, or keeps it until there is a connection.
    public func emit(_ event: String, _ arguments: JSONValue...) { emit(event, arguments: arguments) }

    /// Sends an event, or keeps it until there is a connection. A reserved name is a programming error.
    public func emit(_ event: String, arguments: [JSONValue]) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        onLoop { $0.handle(.emit(event, arguments, acknowledgement: nil)) }
    }

    /// Sends an event that need not arrive: it is dropped if there is no connection, or earlier ones have not left yet.
    public func emitVolatile(_ event: String, _ arguments: JSONValue...) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        onLoop { $0.handle(.emitVolatile(event, arguments)) }
    }

    /// Sends an event and calls `completion` on the event loop with the server's acknowledgement, or with the error
    /// that none came within `timeout` (nil: waits until the connection is lost).
    public func emit(
        _ event: String,
        arguments: [JSONValue],
        timeout: TimeAmount? = nil,
        acknowledgement completion: @escaping @Sendable (Result<[JSONValue], SocketIOError>) -> Void
    ) {
        onLoop { $0.emitOnLoop(event, arguments, timeout: timeout, completion) }
    }

    /// Sends an event and waits for the server's acknowledgement, at most for `timeout` (nil: until the connection is
    /// lost).
    public func emitWithAck(
        _ event: String,
        _ arguments: JSONValue...,
        timeout: TimeAmount? = nil
    ) async throws(SocketIOError) -> [JSONValue] {
        let result = await withCheckedContinuation { continuation in
            emit(event, arguments: arguments, timeout: timeout) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    // MARK: - Coming and going

    /// Begins to connect and returns at once. Does nothing if a connection exists or is being made.
    public func connect() { onLoop { if !$0.isClosed { $0.handle(.connect) } } }

    /// Leaves the server and returns at once. The client does not come back by itself; ``connect()`` may be called
    /// again.
    public func disconnect() { onLoop { $0.handle(.disconnect) } }

    /// Leaves the server for good. Returns when the handlers of `disconnect` have run; acknowledgements still awaited
    /// fail.
    public func close() async {
        try? await eventLoop.submit { self.closeOnLoop() }.get()
    }

    /// How messages travel now; nil while there is no connection. On `eventLoop` only.
    public var transport: SocketIOTransport? {
        eventLoop.preconditionInEventLoop()
        return isConnected ? manager.transport : nil
    }
}

// MARK: - On the event loop

extension SocketIOClient {
    private func onLoop(_ body: @escaping @Sendable (SocketIOClient) -> Void) {
        if eventLoop.inEventLoop {
            body(self)
        } else {
            eventLoop.execute { body(self) }
        }
    }

    private func closeOnLoop() {
        handle(.disconnect)
        isClosed = true
        failAcknowledgements()
        handlers = EventHandlers()
    }

    private func emitOnLoop(
        _ event: String,
        _ arguments: [JSONValue],
        timeout: TimeAmount?,
        _ completion: @escaping AcknowledgementTable.Completion
    ) {
        guard !isClosed else {
            completion(.failure(.disconnected))
            return
        }
        guard !SocketIOPacket.reservedEvents.contains(event) else {
            completion(.failure(.reservedEventName(event)))
            return
        }
        let identifier = acknowledgements.register(completion)
        if let timeout {
            let task = eventLoop.scheduleTask(in: timeout) {
                let completion = self.acknowledgements.take(identifier)
                completion?(.failure(.acknowledgementTimeout(timeout)))
            }
            acknowledgements.setTimeout(task, for: identifier)
        }
        handle(.emit(event, arguments, acknowledgement: identifier))
    }

    func handle(_ input: SocketIOClientSession.Input) {
        eventLoop.assertInEventLoop()
        session.handle(input, at: .now(), using: &generator)
        guard !isDraining else { return }
        isDraining = true
        while let output = session.nextOutput() { perform(output) }
        isDraining = false
        timer?.cancel()
        timer = session.deadline.map { deadline in
            eventLoop.scheduleTask(deadline: deadline) { self.handle(.timeout) }
        }
    }

    private func perform(_ output: SocketIOClientSession.Output) {
        switch output {
        case .openEngine: manager.attach(self)
        case .closeEngine: manager.detach(self)
        case .abandonEngine(let failure): manager.abandon(self, failure)
        case .send(let packet): manager.send(packet)
        case .sendVolatile(let packet): manager.sendVolatile(packet)
        case .connected(let sid, let isRecovered):
            published.withLock { published in
                published.id = sid
                published.isRecovered = isRecovered
            }
            manager.joined()
            call("connect")
        case .disconnected(let reason):
            published.withLock { $0.id = nil }
            failAcknowledgements()
            call("disconnect", .string(reason.rawValue))
        case .connectError(let error):
            logger.debug("could not connect", metadata: ["error": "\(error.message)"])
            call("connect_error", .string(error.message), error.data ?? .null, .bool(error.isFinal))
        case .reconnectAttempt(let number): call("reconnect_attempt", JSONValue(number))
        case .reconnectFailed: call("reconnect_failed")
        case .event(let name, let arguments, let identifier): receive(name, arguments, identifier)
        case .acknowledged(let identifier, let arguments):
            acknowledgements.take(identifier)?(.success(arguments))
        case .dropped(let identifier):
            let limit = configuration.maximumBufferedEmits
            logger.warning("dropped an emit: \(limit) are waiting for a connection already")
            if let identifier { acknowledgements.take(identifier)?(.failure(.bufferFull(limit: limit))) }
        }
    }

    private func receive(_ name: String, _ arguments: [JSONValue], _ identifier: Int?) {
        let acknowledgement = identifier.map { identifier in
            SocketIOAcknowledgement(eventLoop: eventLoop) { arguments in
                self.handle(.acknowledge(id: identifier, arguments))
            }
        }
        let event = SocketIOEvent(name: name, arguments: arguments, acknowledgement: acknowledgement)
        for handler in handlers.take(name) { handler(event) }
    }

    private func call(_ name: String, _ arguments: JSONValue...) {
        let event = SocketIOEvent(name: name, arguments: arguments, acknowledgement: nil)
        for handler in handlers.take(name, includingCatchAll: false) { handler(event) }
    }

    private func failAcknowledgements() {
        for completion in acknowledgements.takeAll() { completion(.failure(.disconnected)) }
    }
}

public import NIOCore
public import NIOHTTP1

/// What is known of the request and the packet by which a socket came.
public struct SocketIOHandshake: Sendable {
    /// The client's address.
    public let remoteAddress: SocketAddress?
    /// The request's path and query.
    public let uri: String
    /// The request's headers, if ``SocketIOServerConfiguration/keepsHandshakeHeaders`` is set.
    public let headers: HTTPHeaders
    /// What the client sent to authenticate itself; empty if nothing.
    public let auth: JSONObject
}

/// One client in one namespace.
///
/// A socket belongs to the event loop of the connection on which its client first came. Its handlers are called there,
/// one at a time, and must not block. Everything that sends (`emit`, `join`, `disconnect`, acknowledgements) may be
/// called from any thread; called elsewhere, it hops to the loop and keeps the order of the calling thread.
///
/// `@unchecked Sendable`: the mutable properties are used on `eventLoop` only; every method either hops there or
/// checks that it is there.
public final class SocketIOSocket: @unchecked Sendable {
    /// The socket's identifier: unguessable, 20 characters, new with every connection. Also the name of a room that
    /// holds this socket alone.
    public let id: String
    /// The namespace that the socket has joined.
    public let namespace: SocketIONamespace
    /// Where the handlers are called.
    public let eventLoop: any EventLoop
    /// What came with the connection.
    public let handshake: SocketIOHandshake

    private let connection: SocketIOConnection
    private var handlers = EventHandlers()
    private var disconnectHandlers: [@Sendable (SocketIODisconnectReason) -> Void] = []
    private var acknowledgements = AcknowledgementTable()
    private var phase = Phase.connecting
    private var attachedData: (any Sendable)?

    private enum Phase {
        case connecting
        case connected
        case disconnected
    }

    init(id: String, namespace: SocketIONamespace, connection: SocketIOConnection, auth: JSONObject) {
        self.id = id
        self.namespace = namespace
        self.connection = connection
        eventLoop = connection.eventLoop
        let handshake = connection.engine.handshake
        self.handshake = SocketIOHandshake(
            remoteAddress: handshake.remoteAddress,
            uri: handshake.uri,
            headers: handshake.headers,
            auth: auth
        )
    }

    /// Whether the socket is connected. On `eventLoop` only.
    public var isConnected: Bool {
        eventLoop.preconditionInEventLoop()
        return phase == .connected
    }

    /// Anything the application wants to keep with the socket. On `eventLoop` only.
    public var data: (any Sendable)? {
        get {
            eventLoop.preconditionInEventLoop()
            return attachedData
        }
        set {
            eventLoop.preconditionInEventLoop()
            attachedData = newValue
        }
    }

    // MARK: - Receiving

    /// Calls `handler` on the event loop for every event named `event`. The name `disconnect` gets the reason as a
    /// string. Register in ``SocketIOServer/onConnection(_:)``, before anything can arrive.
    public func on(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) -> Void) {
        onLoop { $0.handlers.add(event, handler) }
    }

    /// Runs `handler` as a task for every event named `event`. Tasks of several events may overtake each other.
    public func onAsync(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) async -> Void) {
        on(event) { event in Task { await handler(event) } }
    }

    /// Calls `handler` for every event, before the handlers of its name.
    public func onAny(_ handler: @escaping @Sendable (SocketIOEvent) -> Void) {
        onLoop { $0.handlers.addCatchAll(handler) }
    }

    /// Calls `handler` once, when the socket is disconnected for whatever reason.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIODisconnectReason) -> Void) {
        onLoop { $0.disconnectHandlers.append(handler) }
    }

    /// Removes the handlers of `event`.
    public func off(_ event: String) { onLoop { $0.handlers.remove(event) } }

    // MARK: - Sending

    /// Sends an event to this client. Dropped if it has been disconnected.
    public func emit(_ event: String, _ arguments: JSONValue...) { emit(event, arguments: arguments) }

    /// Sends an event to this client. Dropped if it has been disconnected. A reserved name is a programming error.
    public func emit(_ event: String, arguments: [JSONValue]) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        let content = SocketIOPacket.Content.event(name: event, arguments: arguments, acknowledgement: nil)
        let packet = SocketIOPacket(namespace: namespace.name, content).encode()
        onLoop { $0.send(packet) }
    }

    /// Sends an event and calls `completion` on the event loop with the client's acknowledgement, or with the error
    /// that none came within `timeout` (nil: waits as long as the socket is connected).
    public func emit(
        _ event: String,
        arguments: [JSONValue],
        timeout: TimeAmount? = nil,
        acknowledgement completion: @escaping @Sendable (Result<[JSONValue], SocketIOError>) -> Void
    ) {
        onLoop { $0.sendAwaitingAcknowledgement(event, arguments, timeout: timeout, completion) }
    }

    /// Sends an event and waits for the client's acknowledgement, at most for `timeout` (nil: as long as the socket is
    /// connected).
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

    // MARK: - Rooms

    /// Adds the socket to a room, which exists as long as someone is in it.
    public func join(_ room: String) { onLoop { if $0.phase != .disconnected { $0.namespace.add($0, to: room) } } }

    /// Takes the socket out of a room.
    public func leave(_ room: String) { onLoop { $0.namespace.remove($0, from: room) } }

    /// The rooms that the socket has joined, without the one that bears its identifier.
    public var rooms: Set<String> { namespace.rooms(of: id) }

    /// Emits to a room without this socket.
    public func to(_ room: String) -> BroadcastOperator { broadcast.to(room) }

    /// Emits to everyone in the namespace but this socket.
    public var broadcast: BroadcastOperator { BroadcastOperator(namespace: namespace).except(id) }

    /// Disconnects the client from this namespace, or with `close` from the server altogether.
    public func disconnect(close: Bool = false) {
        onLoop { socket in
            socket.connection.disconnect(socket, closing: close, reason: .serverNamespaceDisconnect)
        }
    }

    // MARK: - For the connection

    private func onLoop(_ body: @escaping @Sendable (SocketIOSocket) -> Void) {
        if eventLoop.inEventLoop {
            body(self)
        } else {
            eventLoop.execute { body(self) }
        }
    }

    /// Sends an encoded packet; on the event loop.
    func send(_ packet: EncodedPacket) {
        guard phase != .disconnected else { return }
        connection.send(packet)
    }

    private func sendAwaitingAcknowledgement(
        _ event: String,
        _ arguments: [JSONValue],
        timeout: TimeAmount?,
        _ completion: @escaping AcknowledgementTable.Completion
    ) {
        guard phase != .disconnected else {
            completion(.failure(.disconnected))
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
        let content = SocketIOPacket.Content.event(name: event, arguments: arguments, acknowledgement: identifier)
        send(SocketIOPacket(namespace: namespace.name, content).encode())
    }

    func didConnect() { phase = .connected }

    func receive(event name: String, arguments: [JSONValue], acknowledgement identifier: Int?) {
        guard phase == .connected else { return }
        let acknowledgement = identifier.map { identifier in
            SocketIOAcknowledgement(eventLoop: eventLoop) { arguments in
                let content = SocketIOPacket.Content.acknowledgement(id: identifier, arguments: arguments)
                self.send(SocketIOPacket(namespace: self.namespace.name, content).encode())
            }
        }
        let event = SocketIOEvent(name: name, arguments: arguments, acknowledgement: acknowledgement)
        namespace.callEventHandlers(self, event)
        handlers.call(event)
    }

    func receive(acknowledgement identifier: Int, arguments: [JSONValue]) {
        acknowledgements.take(identifier)?(.success(arguments))
    }

    func didDisconnect(_ reason: SocketIODisconnectReason) {
        guard phase != .disconnected else { return }
        let wasConnected = phase == .connected
        phase = .disconnected
        namespace.remove(self)
        for completion in acknowledgements.takeAll() { completion(.failure(.disconnected)) }
        if wasConnected {
            let handlers = handlers
            let event = SocketIOEvent(name: "disconnect", arguments: [.string(reason.rawValue)], acknowledgement: nil)
            for handler in disconnectHandlers { handler(reason) }
            handlers.callNamed(event)
            namespace.callDisconnectHandlers(self, reason)
        }
        handlers = EventHandlers()
        disconnectHandlers = []
    }
}

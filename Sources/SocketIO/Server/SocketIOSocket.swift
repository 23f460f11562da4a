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
    /// What the client sent to authenticate itself; empty if nothing. From clients of Engine.IO 3 this is the query
    /// behind the namespace's name.
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
    /// The socket's identifier: unguessable, 20 characters, new with every connection unless that was recovered. Also
    /// the name of a room that holds this socket alone.
    public let id: String
    /// The namespace that the socket has joined.
    public let namespace: SocketIONamespace
    /// Where the handlers are called.
    public let eventLoop: any EventLoop
    /// What came with the connection.
    public let handshake: SocketIOHandshake
    /// Whether the client has come back to where it was: see ``ConnectionStateRecovery``.
    public let isRecovered: Bool

    private let connection: SocketIOConnection
    private var handlers = EventHandlers()
    private var disconnectHandlers: [@Sendable (SocketIODisconnectReason) -> Void] = []
    private var acknowledgements = AcknowledgementTable()
    private var phase = Phase.connecting
    private var attachedData: (any Sendable)?
    private(set) var recovery: SocketRecovery?

    private enum Phase {
        case connecting
        case connected
        /// The connection is lost, but the client may come back.
        case away
        case disconnected
    }

    init(
        id: String,
        namespace: SocketIONamespace,
        connection: SocketIOConnection,
        auth: JSONObject,
        recovery: SocketRecovery?,
        isRecovered: Bool = false,
        data: (any Sendable)? = nil
    ) {
        self.id = id
        self.namespace = namespace
        self.connection = connection
        self.recovery = recovery
        self.isRecovered = isRecovered
        attachedData = data
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
    public func emit(_ event: String, arguments: [JSONValue]) { emit(event, arguments, isVolatile: false) }

    /// Sends an event that need not arrive: it is dropped if the client has not taken what was sent before.
    public func emitVolatile(_ event: String, _ arguments: JSONValue...) { emit(event, arguments, isVolatile: true) }

    private func emit(_ event: String, _ arguments: [JSONValue], isVolatile: Bool) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        let content = SocketIOPacket.Content.event(name: event, arguments: arguments, acknowledgement: nil)
        let packet = SocketIOPacket(namespace: namespace.name, content).encode()
        onLoop { socket in
            guard socket.phase != .disconnected || socket.recovery?.successor != nil else { return }
            socket.send(socket.namespace.outgoing(packet, isVolatile: isVolatile))
        }
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
        try await answer(to: event, arguments: arguments, timeout: timeout).get()
    }

    func answer(
        to event: String,
        arguments: [JSONValue],
        timeout: TimeAmount?
    ) async -> Result<[JSONValue], SocketIOError> {
        await withCheckedContinuation { continuation in
            emit(event, arguments: arguments, timeout: timeout) { continuation.resume(returning: $0) }
        }
    }

    // MARK: - Rooms

    /// Adds the socket to rooms, which exist as long as someone is in them.
    public func join(_ rooms: String...) { onLoop { if $0.isPresent { $0.namespace.join($0, rooms) } } }

    /// Takes the socket out of a room.
    public func leave(_ room: String) { onLoop { if $0.isPresent { $0.namespace.leave($0, [room]) } } }

    /// The rooms that the socket has joined, without the one that bears its identifier.
    public var rooms: Set<String> { namespace.rooms(of: id) }

    /// Emits to rooms without this socket.
    public func to(_ rooms: String...) -> BroadcastOperator { broadcast.to(rooms) }

    /// Emits to everyone in the namespace but this socket and those of these rooms.
    public func except(_ rooms: String...) -> BroadcastOperator { broadcast.except(rooms) }

    /// Emits to everyone in the namespace but this socket.
    public var broadcast: BroadcastOperator { BroadcastOperator(namespace: namespace).except(id) }

    /// Disconnects the client from this namespace, or with `close` from the server altogether.
    public func disconnect(close: Bool = false) {
        onLoop { socket in
            socket.connection.disconnect(socket, closing: close, reason: .serverNamespaceDisconnect)
        }
    }

    /// Asks the client whether it is there, and closes the connection as after a ping in vain unless it answers in time. Does
    /// nothing with Engine.IO 3, where only clients ask.
    package func probe(within limit: TimeAmount) { onLoop { $0.connection.engine.handle(.probe(within: limit)) } }

    /// Ends the connection without good-bye, as a fault of the network would; for tests.
    package func cutConnection() { onLoop { $0.connection.engine.cut() } }

    // MARK: - For the connection

    private func onLoop(_ body: @escaping @Sendable (SocketIOSocket) -> Void) {
        if eventLoop.inEventLoop {
            body(self)
        } else {
            eventLoop.execute { body(self) }
        }
    }

    private var isPresent: Bool { phase == .connecting || phase == .connected }

    /// Sends an event without acknowledgement; on the event loop.
    func send(_ event: OutgoingEvent) {
        if let successor = recovery?.successor {
            successor.onLoop { $0.send(event) }
            return
        }
        switch phase {
        case .disconnected: break
        case .away: if let numbered = event.numbered { recovery?.sent.append(numbered.number) }
        case .connecting where isRecovered: recovery?.held.append(event)
        case .connecting, .connected:
            if event.isVolatile {
                connection.sendVolatile(event.plain)
            } else if recovery != nil, let numbered = event.numbered {
                recovery?.sent.append(numbered.number)
                connection.send(numbered.packet)
            } else {
                connection.send(event.plain)
            }
        }
    }

    /// Sends anything else; on the event loop.
    private func send(_ content: SocketIOPacket.Content) {
        guard isPresent else { return }
        connection.send(SocketIOPacket(namespace: namespace.name, content).encode())
    }

    private func sendAwaitingAcknowledgement(
        _ event: String,
        _ arguments: [JSONValue],
        timeout: TimeAmount?,
        _ completion: @escaping AcknowledgementTable.Completion
    ) {
        guard isPresent else {
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
        send(.event(name: event, arguments: arguments, acknowledgement: identifier))
    }

    /// The client has been told that it is in. What it missed, if it comes back, goes first.
    func didConnect(missed: [EncodedPacket] = []) {
        phase = .connected
        for packet in missed { connection.send(packet) }
        let held = recovery?.held ?? []
        recovery?.held = []
        for event in held { send(event) }
    }

    func receive(event name: String, arguments: [JSONValue], acknowledgement identifier: Int?) {
        guard phase == .connected else { return }
        let acknowledgement = identifier.map { identifier in
            SocketIOAcknowledgement(eventLoop: eventLoop) { arguments in
                self.send(.acknowledgement(id: identifier, arguments: arguments))
            }
        }
        let event = SocketIOEvent(name: name, arguments: arguments, acknowledgement: acknowledgement)
        namespace.handlers.callEvent(self, event)
        for handler in handlers.take(name) { handler(event) }
    }

    func receive(acknowledgement identifier: Int, arguments: [JSONValue]) {
        acknowledgements.take(identifier)?(.success(arguments))
    }

    func didDisconnect(_ reason: SocketIODisconnectReason) {
        guard isPresent else { return }
        let wasConnected = phase == .connected
        leaveOrWait(reason)
        for completion in acknowledgements.takeAll() { completion(.failure(.disconnected)) }
        if wasConnected {
            let event = SocketIOEvent(name: "disconnect", arguments: [.string(reason.rawValue)], acknowledgement: nil)
            for handler in disconnectHandlers { handler(reason) }
            for handler in handlers.take("disconnect", includingCatchAll: false) { handler(event) }
            namespace.handlers.callDisconnect(self, reason)
        }
        handlers = EventHandlers()
        disconnectHandlers = []
    }
}

// MARK: - Coming back

extension SocketIOSocket {
    /// The payload of the packet that lets the client in.
    var connectPayload: JSONObject {
        var payload: JSONObject = ["sid": .string(id)]
        if let recovery { payload["pid"] = .string(recovery.id) }
        return payload
    }

    /// Whether the client cannot have meant to go.
    private static let recoverableReasons: Set<SocketIODisconnectReason> = [
        .transportError, .transportClose, .pingTimeout, .forcedClose, .serverShuttingDown,
    ]

    private func leaveOrWait(_ reason: SocketIODisconnectReason) {
        guard let recovery, let options = namespace.recovery?.options, phase == .connected,
            Self.recoverableReasons.contains(reason), namespace.keep(self, secret: recovery.id)
        else {
            phase = .disconnected
            namespace.remove(self)
            connection.namespaces.leave(namespace)
            return
        }
        phase = .away
        eventLoop.scheduleTask(in: options.maximumDisconnection) { self.giveUp() }
    }

    private func giveUp() {
        guard phase == .away, let recovery, recovery.successor == nil else { return }
        phase = .disconnected
        namespace.forget(self, secret: recovery.id)
        connection.namespaces.leave(namespace)
    }

    /// Hands identifier, rooms and data over to a new socket on `connection`, and what the client missed to
    /// `completion`, on that connection's event loop; nil if that is not known any more.
    func handOver(
        to connection: SocketIOConnection,
        auth: JSONObject,
        offset: String,
        completion: @escaping @Sendable (_ successor: SocketIOSocket?, _ missed: [EncodedPacket]) -> Void
    ) {
        onLoop { socket in
            guard socket.phase == .away, let recovery = socket.recovery,
                let numbers = recovery.sent.missed(after: offset),
                let missed = socket.namespace.recovery?.events(numbers)
            else {
                socket.giveUp()
                connection.eventLoop.execute { completion(nil, []) }
                return
            }
            let successor = SocketIOSocket(
                id: socket.id,
                namespace: socket.namespace,
                connection: connection,
                auth: auth,
                recovery: recovery,
                isRecovered: true,
                data: socket.attachedData
            )
            socket.phase = .disconnected
            socket.recovery?.successor = successor
            socket.attachedData = nil
            socket.namespace.replace(with: successor)
            connection.eventLoop.execute { completion(successor, missed) }
        }
    }
}

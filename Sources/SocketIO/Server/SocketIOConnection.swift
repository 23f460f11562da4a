import Logging
import NIOCore

/// The Socket.IO side of one Engine.IO connection: its decoder and its sockets, one per namespace joined.
///
/// `@unchecked Sendable`: used on the engine's event loop only, as the sockets that share it see to.
final class SocketIOConnection: EngineIOApplication, @unchecked Sendable {
    let engine: EngineIOConnection
    let namespaces: NamespaceRegistry
    private var decoder = SocketIOPacketDecoder()
    private var sockets: [SocketIOSocket] = []
    /// Namespaces whose middleware has not decided yet.
    private var joining: [String] = []
    private var meter = RateMeter()
    private var isClosed = false
    private(set) var deadline: NIODeadline?

    init(engine: EngineIOConnection, namespaces: NamespaceRegistry) {
        self.engine = engine
        self.namespaces = namespaces
        deadline = .now() + namespaces.configuration.connectTimeout
    }

    var eventLoop: any EventLoop { engine.eventLoop }

    func send(_ packet: EncodedPacket) {
        engine.send(.text(packet.text))
        for attachment in packet.attachments { engine.send(.binary(attachment)) }
    }

    func sendVolatile(_ packet: EncodedPacket) {
        engine.sendVolatile([.text(packet.text)] + packet.attachments.map { .binary($0) })
    }

    private func send(_ packet: SocketIOPacket) { send(packet.encode()) }

    // MARK: - From the engine

    /// Clients of Socket.IO 1 and 2 are in the main namespace without asking.
    func connectionDidOpen() {
        if engine.revision == .v3 { connect(to: "/", auth: [:]) }
    }

    func connectionDidReceive(_ message: EngineIOMessage) {
        guard !isClosed else { return }
        guard meter.admit(at: .now(), rate: namespaces.configuration.eventRate) else {
            namespaces.refusals.count(.tooManyEvents)
            sayGoodbye(reason: .forcedServerClose)
            return
        }
        do throws(SocketIOParseError) {
            guard let packet = try decoder.decode(message, limits: namespaces.configuration.packetLimits) else {
                return
            }
            handle(packet)
        } catch {
            namespaces.refusals.count(.malformedPacket)
            namespaces.logger.debug(
                "closing a connection that sent no Socket.IO packet",
                metadata: ["error": "\(error)"]
            )
            close(reason: .parseError)
        }
    }

    func connectionDidClose(_ reason: EngineIOSession.CloseReason) {
        disconnectAll(SocketIODisconnectReason(rawValue: reason.rawValue))
    }

    func handleDeadline(at now: NIODeadline) {
        deadline = nil
        guard sockets.isEmpty else { return }
        namespaces.refusals.count(.connectTimeout)
        engine.close()
    }

    // MARK: - Packets

    private func handle(_ packet: SocketIOPacket) {
        if case .connect(let auth) = packet.content {
            connect(to: packet.namespace, auth: auth ?? [:])
            return
        }
        guard let socket = sockets.first(where: { $0.namespace.name == packet.namespace }) else {
            // As in the reference: whoever speaks to a namespace without having joined it is not a client of ours.
            namespaces.refusals.count(.malformedPacket)
            close(reason: .parseError)
            return
        }
        switch packet.content {
        case .event(let name, let arguments, let identifier):
            socket.receive(event: name, arguments: arguments, acknowledgement: identifier)
        case .acknowledgement(let identifier, let arguments):
            socket.receive(acknowledgement: identifier, arguments: arguments)
        case .disconnect: remove(socket, reason: .clientNamespaceDisconnect)
        case .connect, .connectError: close(reason: .parseError)
        }
    }

    // MARK: - Joining

    private func connect(to name: String, auth: JSONObject) {
        guard !joining.contains(name), !sockets.contains(where: { $0.namespace.name == name }) else {
            // Clients of Engine.IO 3 are in the main namespace already; some ask all the same.
            if engine.revision == .v4 || name != "/" { close(reason: .forcedServerClose) }
            return
        }
        guard sockets.count + joining.count < namespaces.configuration.maximumNamespacesPerSession else {
            refuse(SocketIOConnectError("Too many namespaces"), namespace: name, as: .tooManyNamespaces)
            return
        }
        guard let namespace = namespaces.enter(name, auth: auth) else {
            refuse(SocketIOConnectError("Invalid namespace"), namespace: name, as: .invalidNamespace)
            return
        }
        joining.append(name)
        if engine.revision == .v4, namespace.recovery != nil, let secret = auth["pid"]?.stringValue,
            let offset = auth["offset"]?.stringValue, let former = namespace.claim(secret: secret)
        {
            recover(former, auth: auth, offset: offset)
        } else {
            admit(makeSocket(namespace, auth: auth), middleware: namespace.handlers.middleware[...], missed: [])
        }
    }

    private func makeSocket(_ namespace: SocketIONamespace, auth: JSONObject) -> SocketIOSocket {
        var generator = SystemRandomNumberGenerator()
        var id = Base64.randomIdentifier(using: &generator)
        if engine.revision == .v3 {
            // These clients are not told an identifier: they derive it from the session's.
            id = namespace.name == "/" ? engine.id : "\(namespace.name)#\(engine.id)"
        }
        let recovery = engine.revision == .v3 ? nil : namespace.recovery
        return SocketIOSocket(
            id: id,
            namespace: namespace,
            connection: self,
            auth: auth,
            recovery: recovery.map { log in
                SocketRecovery(
                    id: Base64.randomIdentifier(using: &generator),
                    sent: SentEvents(maximum: log.options.maximumEvents)
                )
            }
        )
    }

    private func recover(_ former: SocketIOSocket, auth: JSONObject, offset: String) {
        let namespace = former.namespace
        former.handOver(to: self, auth: auth, offset: offset) { socket, missed in
            guard let socket else {
                let socket = self.makeSocket(namespace, auth: auth)
                self.admit(socket, middleware: namespace.handlers.middleware[...], missed: [])
                return
            }
            // The socket entered the namespace when it first came.
            self.namespaces.leave(namespace)
            let skips = namespace.recovery?.options.skipsMiddleware == true
            self.admit(socket, middleware: skips ? [] : namespace.handlers.middleware[...], missed: missed)
        }
    }

    private func admit(
        _ socket: SocketIOSocket,
        middleware: ArraySlice<NamespaceHandlers.Middleware>,
        missed: [EncodedPacket]
    ) {
        var middleware = middleware
        while let next = middleware.popFirst() {
            switch next {
            case .immediate(let check):
                do throws(SocketIOConnectError) {
                    try check(socket)
                } catch {
                    refuse(socket, error)
                    return
                }
            case .asynchronous(let check):
                let rest = middleware
                let eventLoop = eventLoop
                Task {
                    do throws(SocketIOConnectError) {
                        try await check(socket)
                        eventLoop.execute { self.admit(socket, middleware: rest, missed: missed) }
                    } catch {
                        eventLoop.execute { self.refuse(socket, error) }
                    }
                }
                return
            }
        }
        join(socket, missed: missed)
    }

    private func join(_ socket: SocketIOSocket, missed: [EncodedPacket]) {
        joining.removeAll { $0 == socket.namespace.name }
        guard !isClosed else {
            socket.didDisconnect(.transportClose)
            return
        }
        deadline = nil
        sockets.append(socket)
        socket.namespace.add(socket)
        let payload = engine.revision == .v4 ? socket.connectPayload : nil
        send(SocketIOPacket(namespace: socket.namespace.name, .connect(payload)))
        socket.didConnect(missed: missed)
        socket.namespace.handlers.callConnection(socket)
    }

    private func refuse(_ socket: SocketIOSocket, _ error: SocketIOConnectError) {
        joining.removeAll { $0 == socket.namespace.name }
        socket.didDisconnect(.forcedServerClose)
        if !isClosed { refuse(error, namespace: socket.namespace.name, as: .connectRefused) }
    }

    private func refuse(_ error: SocketIOConnectError, namespace: String, as refusal: SocketIORefusal) {
        namespaces.refusals.count(refusal)
        var payload: JSONObject = ["message": .string(error.message)]
        payload["data"] = error.data
        var content = JSONValue.object(payload)
        // Of a middleware's error, clients of Engine.IO 3 get the details or the message, not both.
        if engine.revision == .v3, refusal == .connectRefused { content = error.data ?? .string(error.message) }
        send(SocketIOPacket(namespace: namespace, .connectError(content)))
    }

    // MARK: - The end

    func disconnect(_ socket: SocketIOSocket, closing: Bool, reason: SocketIODisconnectReason) {
        if closing {
            sayGoodbye(reason: reason)
        } else if sockets.contains(where: { $0 === socket }) {
            send(SocketIOPacket(namespace: socket.namespace.name, .disconnect))
            remove(socket, reason: reason)
        }
    }

    /// Tells the client that every namespace is over and closes its connection.
    func sayGoodbye(reason: SocketIODisconnectReason) {
        let last = sockets.map { socket in
            EngineIOMessage.text(SocketIOPacket(namespace: socket.namespace.name, .disconnect).encode().text)
        }
        disconnectAll(reason)
        engine.close(last: last)
    }

    private func remove(_ socket: SocketIOSocket, reason: SocketIODisconnectReason) {
        sockets.removeAll { $0 === socket }
        if sockets.isEmpty {
            deadline = .now() + namespaces.configuration.connectTimeout
            engine.rescheduleTimer()
        }
        socket.didDisconnect(reason)
    }

    func close(reason: SocketIODisconnectReason) {
        disconnectAll(reason)
        engine.close()
    }

    private func disconnectAll(_ reason: SocketIODisconnectReason) {
        isClosed = true
        let all = sockets
        sockets = []
        deadline = nil
        for socket in all { socket.didDisconnect(reason) }
    }
}

import Logging
import NIOCore

/// The Socket.IO side of one Engine.IO connection: its decoder and its sockets, one per namespace joined.
///
/// `@unchecked Sendable`: used on the engine's event loop only, as the sockets that share it see to.
final class SocketIOConnection: EngineIOApplication, @unchecked Sendable {
    let engine: EngineIOConnection
    private let namespaces: NamespaceRegistry
    private var decoder = SocketIOPacketDecoder()
    private var sockets: [SocketIOSocket] = []
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

    private func send(_ packet: SocketIOPacket) { send(packet.encode()) }

    // MARK: - From the engine

    func connectionDidReceive(_ message: EngineIOMessage) {
        do throws(SocketIOParseError) {
            guard let packet = try decoder.decode(message, limits: namespaces.configuration.packetLimits) else {
                return
            }
            handle(packet)
        } catch {
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
        if sockets.isEmpty { engine.close() }
    }

    // MARK: - Packets

    private func handle(_ packet: SocketIOPacket) {
        if case .connect(let auth) = packet.content {
            connect(to: packet.namespace, auth: auth ?? [:])
            return
        }
        guard let socket = sockets.first(where: { $0.namespace.name == packet.namespace }) else {
            // As in the reference: whoever speaks to a namespace without having joined it is not a client of ours.
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

    private func connect(to name: String, auth: JSONObject) {
        guard let namespace = namespaces.existing(name) else {
            refuse(SocketIOConnectError("Invalid namespace"), namespace: name)
            return
        }
        guard !sockets.contains(where: { $0.namespace === namespace }) else {
            refuse(SocketIOConnectError("Already connected"), namespace: name)
            return
        }
        var generator = SystemRandomNumberGenerator()
        let identifier = Base64.randomIdentifier(using: &generator)
        let socket = SocketIOSocket(id: identifier, namespace: namespace, connection: self, auth: auth)
        do throws(SocketIOConnectError) {
            try namespace.admit(socket)
        } catch {
            refuse(error, namespace: name)
            return
        }
        deadline = nil
        sockets.append(socket)
        namespace.add(socket)
        send(SocketIOPacket(namespace: name, .connect(["sid": .string(identifier)])))
        socket.didConnect()
        namespace.callConnectionHandlers(socket)
    }

    private func refuse(_ error: SocketIOConnectError, namespace: String) {
        var payload: JSONObject = ["message": .string(error.message)]
        payload["data"] = error.data
        send(SocketIOPacket(namespace: namespace, .connectError(.object(payload))))
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
        let all = sockets
        sockets = []
        deadline = nil
        for socket in all { socket.didDisconnect(reason) }
    }
}

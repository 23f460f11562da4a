package import NIOCore
import StateMachine

/// The Socket.IO side of a client: joining the namespace, keeping what is emitted while there is no connection, and
/// coming back after a loss.
///
/// Call ``handle(_:at:using:)`` for everything that happens, then drain ``nextOutput()`` until it is nil. Call again
/// with `.timeout` when ``deadline`` has passed.
package struct SocketIOClientSession {
    package enum Input {
        case connect
        case disconnect
        /// Another client of the same connection has begun to open it.
        case engineOpening
        /// The server may take as long as `patience` to let us in.
        case engineOpened(patience: TimeAmount)
        /// The engine is opened anew, to another server, since the one before did not let us in.
        case engineReopening
        /// Packets of other namespaces are ignored.
        case packet(SocketIOPacket)
        /// The engine ended, for `reason`; `error` says what went wrong if it could not be opened.
        case engineClosed(SocketIODisconnectReason, error: ConnectionFailure?)
        /// Emit an event; the identifier asks for an acknowledgement.
        case emit(String, [JSONValue], acknowledgement: Int?)
        /// Emit an event if it can leave at once.
        case emitVolatile(String, [JSONValue])
        /// Answer an event of the server.
        case acknowledge(id: Int, [JSONValue])
        case timeout
    }

    package enum Output {
        case openEngine
        case closeEngine
        /// The server did not let us in. Another one may be tried: `.engineReopening`, or else `.engineClosed`, is next.
        case abandonEngine(ConnectionFailure)
        case send(EncodedPacket)
        /// To be dropped if earlier packets have not left yet.
        case sendVolatile(EncodedPacket)
        /// `isRecovered`: the server has kept our place, and sends what we missed.
        case connected(sid: String, isRecovered: Bool)
        case disconnected(SocketIODisconnectReason)
        case connectError(SocketIOConnectError)
        case reconnectAttempt(Int)
        case reconnectFailed
        case event(name: String, arguments: [JSONValue], acknowledgement: Int?)
        case acknowledged(id: Int, arguments: [JSONValue])
        /// An emit was dropped because too many wait; its acknowledgement, if any, will not come.
        case dropped(acknowledgement: Int?)
    }

    private enum Phase {
        case idle
        case opening
        /// The engine is open; the server has not let us into the namespace yet.
        case joining(until: NIODeadline)
        case connected
        case waiting(until: NIODeadline)
    }

    private let namespace: String
    private let configuration: SocketIOClientConfiguration
    private var phase = Phase.idle
    /// With which to come back to our place on the server, if it keeps it.
    private var secret: String?
    /// The place of the last event seen in the order of those sent to us.
    private var lastOffset: String?
    private var backoff: Backoff
    private var buffered: [SocketIOPacket] = []
    private var outputs = OutputQueue<Output>()

    package init(namespace: String, configuration: SocketIOClientConfiguration) {
        self.namespace = namespace
        self.configuration = configuration
        backoff = Backoff(
            minimum: configuration.reconnectionDelay,
            maximum: configuration.reconnectionDelayMaximum,
            randomization: configuration.randomizationFactor
        )
    }

    package var deadline: NIODeadline? {
        switch phase {
        case .joining(let until), .waiting(let until): until
        case .idle, .opening, .connected: nil
        }
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(
        _ input: Input,
        at now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) {
        switch input {
        case .connect: connect()
        case .disconnect: disconnect()
        case .engineOpening: if case .waiting = phase { connect() }
        case .engineOpened(let patience): join(at: now, patience)
        case .engineReopening: if case .joining = phase { phase = .opening }
        case .packet(let packet): if packet.namespace == namespace { handle(packet.content) }
        case .engineClosed(let reason, let error): lose(reason, error, at: now, using: &generator)
        case .emit(let name, let arguments, let identifier): emit(name, arguments, identifier)
        case .emitVolatile(let name, let arguments):
            guard case .connected = phase else { return }
            let content = SocketIOPacket.Content.event(name: name, arguments: arguments, acknowledgement: nil)
            outputs.append(.sendVolatile(SocketIOPacket(namespace: namespace, content).encode()))
        case .acknowledge(let identifier, let arguments):
            send(SocketIOPacket(namespace: namespace, .acknowledgement(id: identifier, arguments: arguments)))
        case .timeout: handleTimeout(at: now)
        }
    }

    // MARK: - Coming and going

    private mutating func connect() {
        switch phase {
        case .idle, .waiting:
            phase = .opening
            outputs.append(.openEngine)
        case .opening, .joining, .connected: break
        }
    }

    private mutating func join(at now: NIODeadline, _ patience: TimeAmount) {
        guard case .opening = phase else { return }
        phase = .joining(until: now + patience)
        var auth = configuration.auth
        if let secret, let lastOffset {
            auth = auth ?? [:]
            auth?["pid"] = .string(secret)
            auth?["offset"] = .string(lastOffset)
        }
        outputs.append(.send(SocketIOPacket(namespace: namespace, .connect(auth)).encode()))
    }

    private mutating func disconnect() {
        switch phase {
        case .idle: return
        case .waiting: phase = .idle
        case .opening, .joining:
            phase = .idle
            outputs.append(.closeEngine)
        case .connected:
            phase = .idle
            outputs.append(.send(SocketIOPacket(namespace: namespace, .disconnect).encode()))
            outputs.append(.closeEngine)
            outputs.append(.disconnected(.ioClientDisconnect))
        }
        backoff.reset()
    }

    /// The engine is gone, and not because we wanted it.
    private mutating func lose(
        _ reason: SocketIODisconnectReason,
        _ error: ConnectionFailure?,
        at now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) {
        switch phase {
        case .idle, .waiting: return
        case .opening, .joining: outputs.append(.connectError(SocketIOConnectError(error ?? "\(reason)")))
        case .connected: outputs.append(.disconnected(reason))
        }
        phase = .idle
        guard configuration.reconnects else { return }
        if let limit = configuration.reconnectionAttempts, backoff.attempts >= limit {
            backoff.reset()
            outputs.append(.reconnectFailed)
            return
        }
        phase = .waiting(until: now + backoff.next(using: &generator))
    }

    private mutating func handleTimeout(at now: NIODeadline) {
        guard let deadline, deadline <= now else { return }
        switch phase {
        case .waiting:
            outputs.append(.reconnectAttempt(backoff.attempts))
            connect()
        case .joining:
            phase = .opening
            outputs.append(.abandonEngine("the server did not let the client into \(namespace) in time"))
        case .idle, .opening, .connected: break
        }
    }

    // MARK: - Packets

    private mutating func handle(_ content: SocketIOPacket.Content) {
        switch (content, phase) {
        case (.connect(let payload), .joining):
            guard let sid = payload?["sid"]?.stringValue else {
                let message = "the server does not speak Socket.IO 3 or later"
                leave(.connectError(SocketIOConnectError(message, data: nil, isFinal: true)))
                return
            }
            phase = .connected
            backoff.reset()
            let newSecret = payload?["pid"]?.stringValue
            let isRecovered = newSecret != nil && newSecret == secret
            if !isRecovered { lastOffset = nil }
            secret = newSecret
            outputs.append(.connected(sid: sid, isRecovered: isRecovered))
            for packet in buffered { outputs.append(.send(packet.encode())) }
            buffered = []
        case (.connectError(let payload), .joining):
            let message = payload["message"]?.stringValue ?? payload.stringValue ?? "refused"
            leave(.connectError(SocketIOConnectError(message, data: payload["data"], isFinal: true)))
        case (.disconnect, .connected): leave(.disconnected(.ioServerDisconnect))
        case (.event(let name, let arguments, let identifier), .connected):
            if secret != nil, let offset = arguments.last?.stringValue { lastOffset = offset }
            outputs.append(.event(name: name, arguments: arguments, acknowledgement: identifier))
        case (.acknowledgement(let identifier, let arguments), .connected):
            outputs.append(.acknowledged(id: identifier, arguments: arguments))
        default: break
        }
    }

    /// Ends for good: the server has said that it does not want us.
    private mutating func leave(_ last: Output) {
        phase = .idle
        backoff.reset()
        outputs.append(.closeEngine)
        outputs.append(last)
    }

    private mutating func emit(_ name: String, _ arguments: [JSONValue], _ identifier: Int?) {
        let content = SocketIOPacket.Content.event(name: name, arguments: arguments, acknowledgement: identifier)
        let packet = SocketIOPacket(namespace: namespace, content)
        if case .connected = phase {
            send(packet)
        } else if buffered.count < configuration.maximumBufferedEmits {
            buffered.append(packet)
        } else {
            outputs.append(.dropped(acknowledgement: identifier))
        }
    }

    private mutating func send(_ packet: SocketIOPacket) {
        if case .connected = phase { outputs.append(.send(packet.encode())) }
    }
}

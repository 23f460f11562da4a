package import NIOCore
package import NIOHTTP1
import Synchronization

/// What is remembered of the request that opened a session.
package struct EngineIOHandshake: Sendable {
    package var remoteAddress: SocketAddress?
    package var uri: String
    /// Empty unless the configuration asks for headers to be kept.
    package var headers: HTTPHeaders
}

/// Why no session is opened.
package enum AdmissionError: Error, Sendable {
    case serverFull
    case addressFull
    case closing

    package var message: String {
        switch self {
        case .serverFull: "Server is full"
        case .addressFull: "Too many sessions from this address"
        case .closing: "Server is closing"
        }
    }

    package var refusal: SocketIORefusal {
        self == .addressFull ? .tooManySessionsFromAddress : .tooManySessions
    }
}

/// The sessions of one server and the rules by which requests are admitted.
package final class EngineIOServer: Sendable {
    package typealias MakeApplication = @Sendable (EngineIOConnection) -> any EngineIOApplication

    private struct State {
        var connections: [String: EngineIOConnection] = [:]
        var perAddress = AddressCounter()
        var whenEmpty: EventLoopPromise<Void>?
    }

    package let parameters: EngineIOSessionParameters
    package let configuration: SocketIOServerConfiguration
    package let refusals: RefusalCounter
    private let makeApplication: MakeApplication
    private let state = Mutex(State())
    private let timers = Mutex<[ObjectIdentifier: DeadlineTimer]>([:])
    private let identifiers = Atomic<UInt64>(0)
    private let closing = Atomic<Bool>(false)

    package init(
        configuration: SocketIOServerConfiguration,
        refusals: RefusalCounter = RefusalCounter(),
        makeApplication: @escaping MakeApplication
    ) {
        self.configuration = configuration
        self.refusals = refusals
        self.makeApplication = makeApplication
        parameters = EngineIOSessionParameters(
            pingInterval: configuration.pingInterval,
            pingTimeout: configuration.pingTimeout,
            upgradeTimeout: configuration.upgradeTimeout,
            maximumPayload: configuration.maximumPayload,
            maximumBufferedBytes: configuration.maximumBufferedBytes,
            allowsUpgrades: configuration.transports.contains(.webSocket)
        )
    }

    /// A number for a request or WebSocket, unique in this server.
    package func makeIdentifier() -> UInt64 { identifiers.wrappingAdd(1, ordering: .relaxed).newValue }

    /// What keeps the deadlines of the connections of an event loop.
    package func deadlines(on eventLoop: any EventLoop) -> DeadlineTimer {
        timers.withLock { timers in
            if let timer = timers[ObjectIdentifier(eventLoop)] { return timer }
            let timer = DeadlineTimer(tick: parameters.tick, eventLoop: eventLoop)
            timers[ObjectIdentifier(eventLoop)] = timer
            return timer
        }
    }

    /// How many sessions are open.
    package var connectionCount: Int { state.withLock { $0.connections.count } }

    package func connection(_ sid: String) -> EngineIOConnection? { state.withLock { $0.connections[sid] } }

    /// Registers a new session, unless there are as many as allowed or the server is closing.
    package func open(
        _ opening: EngineIOSession.Opening,
        encoding: EngineIOEncoding = .standard,
        handshake: EngineIOHandshake,
        eventLoop: any EventLoop
    ) throws(AdmissionError) -> EngineIOConnection {
        var generator = SystemRandomNumberGenerator()
        let connection = EngineIOConnection(
            id: Base64.randomIdentifier(using: &generator),
            opening: opening,
            encoding: encoding,
            handshake: handshake,
            server: self,
            eventLoop: eventLoop
        )
        let address = AddressKey(handshake.remoteAddress)
        let refusal = state.withLock { state -> AdmissionError? in
            if isClosing { return .closing }
            guard state.connections.count < configuration.maximumSessions else { return .serverFull }
            guard state.perAddress.add(address, limit: configuration.maximumSessionsPerAddress) else {
                return .addressFull
            }
            state.connections[connection.id] = connection
            return nil
        }
        if let refusal { throw refusal }
        return connection
    }

    /// Starts a registered session; on its event loop.
    package func start(
        _ connection: EngineIOConnection,
        webSocket: WebSocketLink? = nil,
        responder: (EngineIOConnection.RequestID, EngineIOConnection.Responder)? = nil
    ) {
        connection.start(application: makeApplication(connection), webSocket: webSocket, responder: responder)
    }

    package func remove(_ connection: EngineIOConnection) {
        let promise = state.withLock { state in
            if state.connections.removeValue(forKey: connection.id) != nil {
                state.perAddress.remove(AddressKey(connection.handshake.remoteAddress))
            }
            return state.connections.isEmpty ? state.whenEmpty : nil
        }
        promise?.succeed()
    }

    /// Whether the server takes no new sessions any more.
    package var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// Refuses new sessions from now on and returns those that are open, with a future of their end.
    package func stopAdmitting(on eventLoop: any EventLoop) -> (open: [EngineIOConnection], end: EventLoopFuture<Void>)
    {
        closing.store(true, ordering: .relaxed)
        return state.withLock { state in
            let promise = state.whenEmpty ?? eventLoop.makePromise(of: Void.self)
            state.whenEmpty = promise
            if state.connections.isEmpty { promise.succeed() }
            return (Array(state.connections.values), promise.futureResult)
        }
    }
}

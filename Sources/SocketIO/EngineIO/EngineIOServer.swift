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

/// The sessions of one server and the rules by which requests are admitted.
package final class EngineIOServer: Sendable {
    package typealias MakeApplication = @Sendable (EngineIOConnection) -> any EngineIOApplication

    private struct State {
        var connections: [String: EngineIOConnection] = [:]
        var whenEmpty: EventLoopPromise<Void>?
    }

    package let parameters: EngineIOSessionParameters
    package let configuration: SocketIOServerConfiguration
    private let makeApplication: MakeApplication
    private let state = Mutex(State())
    private let timers = Mutex<[ObjectIdentifier: DeadlineTimer]>([:])
    private let identifiers = Atomic<UInt64>(0)
    private let closing = Atomic<Bool>(false)

    package init(configuration: SocketIOServerConfiguration, makeApplication: @escaping MakeApplication) {
        self.configuration = configuration
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

    /// Registers a new session; nil if there are as many as allowed or the server is closing.
    package func open(
        _ opening: EngineIOSession.Opening,
        handshake: EngineIOHandshake,
        eventLoop: any EventLoop
    ) -> EngineIOConnection? {
        var generator = SystemRandomNumberGenerator()
        let connection = EngineIOConnection(
            id: Base64.randomIdentifier(using: &generator),
            opening: opening,
            handshake: handshake,
            server: self,
            eventLoop: eventLoop
        )
        let isAdmitted = state.withLock { state in
            guard !isClosing, state.connections.count < configuration.maximumSessions else { return false }
            state.connections[connection.id] = connection
            return true
        }
        return isAdmitted ? connection : nil
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
            state.connections[connection.id] = nil
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

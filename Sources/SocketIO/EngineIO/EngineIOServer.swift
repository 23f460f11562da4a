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
        var isClosing = false
    }

    package let parameters: EngineIOSessionParameters
    package let configuration: SocketIOServerConfiguration
    private let makeApplication: MakeApplication
    private let state = Mutex(State())
    private let identifiers = Atomic<UInt64>(0)

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
            guard !state.isClosing, state.connections.count < configuration.maximumSessions else { return false }
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
        _ = state.withLock { $0.connections.removeValue(forKey: connection.id) }
    }

    /// Refuses new sessions from now on and returns those that are open.
    package func stopAdmitting() -> [EngineIOConnection] {
        state.withLock { state in
            state.isClosing = true
            return Array(state.connections.values)
        }
    }
}

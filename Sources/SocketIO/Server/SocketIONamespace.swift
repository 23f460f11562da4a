import NIOCore
import Synchronization

/// A namespace: sockets, rooms and handlers of their own on connections that are shared. May be used from any thread.
public final class SocketIONamespace: Sendable {
    /// Called on the new socket's event loop.
    public typealias ConnectionHandler = @Sendable (SocketIOSocket) -> Void
    /// Called on the event loop of a socket that wants to join; throws to refuse it.
    public typealias Middleware = @Sendable (SocketIOSocket) throws(SocketIOConnectError) -> Void
    /// Run as a task for a socket that wants to join; throws to refuse it.
    public typealias AsyncMiddleware = @Sendable (SocketIOSocket) async throws(SocketIOConnectError) -> Void

    /// The name, beginning with a slash.
    public let name: String
    let handlers: NamespaceHandlers
    let recovery: RecoveryLog?
    let members = Mutex(NamespaceMembers())

    init(name: String, handlers: NamespaceHandlers = NamespaceHandlers(), recovery: RecoveryLog?) {
        self.name = name
        self.handlers = handlers
        self.recovery = recovery
    }

    // MARK: - Handlers

    /// Asks `middleware` about every socket that wants to join, in the order of registration.
    public func use(_ middleware: @escaping Middleware) {
        handlers.update { $0.middleware.append(.immediate(middleware)) }
    }

    /// Asks `middleware`, which may take its time, about every socket that wants to join, in the order of registration.
    /// A client that is kept waiting longer than ``SocketIOServerConfiguration/connectTimeout`` is closed.
    public func useAsync(_ middleware: @escaping AsyncMiddleware) {
        handlers.update { $0.middleware.append(.asynchronous(middleware)) }
    }

    /// Calls `handler` for every socket that joins, after the client was told so. Register the socket's event handlers
    /// there. (`connect` is another name of the event; other names never occur.)
    public func on(_ event: String, _ handler: @escaping ConnectionHandler) {
        if event == "connection" || event == "connect" { onConnection(handler) }
    }

    /// Calls `handler` for every socket that joins.
    public func onConnection(_ handler: @escaping ConnectionHandler) {
        handlers.update { $0.connection.append(handler) }
    }

    /// Calls `handler` for every event of every socket, before the socket's own handlers. One handler for all sockets
    /// costs no memory per socket.
    public func onEvent(_ handler: @escaping @Sendable (SocketIOSocket, SocketIOEvent) -> Void) {
        handlers.update { $0.event.append(handler) }
    }

    /// Calls `handler` for every socket that is disconnected.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void) {
        handlers.update { $0.disconnect.append(handler) }
    }

    // MARK: - Sending

    /// Sends an event to every socket of the namespace.
    public func emit(_ event: String, _ arguments: JSONValue...) { all.emit(event, arguments: arguments) }

    /// Addresses rooms, or single sockets by their identifiers.
    public func to(_ rooms: String...) -> BroadcastOperator { all.to(rooms) }

    /// Addresses everyone but the sockets of these rooms.
    public func except(_ rooms: String...) -> BroadcastOperator { all.except(rooms) }

    /// Addresses everyone, with events that need not arrive: see ``BroadcastOperator/volatile``.
    public var volatile: BroadcastOperator { all.volatile }

    /// Addresses everyone.
    public var all: BroadcastOperator { BroadcastOperator(namespace: self) }

    // MARK: - Members

    /// The socket with this identifier, if it is connected.
    public func socket(_ id: String) -> SocketIOSocket? { members.withLock { $0.connected[id] } }

    /// The sockets that are connected now.
    public var sockets: [SocketIOSocket] { members.withLock { Array($0.connected.values) } }

    /// How many sockets are connected now.
    public var socketCount: Int { members.withLock { $0.connected.count } }

    /// The rooms that someone is in.
    public var rooms: Set<String> { members.withLock { Set($0.rooms.keys) } }
}

import Synchronization

/// What the application wants to know of a namespace, or of all namespaces of a family.
final class NamespaceHandlers: Sendable {
    enum Middleware: Sendable {
        case immediate(SocketIONamespace.Middleware)
        case asynchronous(SocketIONamespace.AsyncMiddleware)
    }

    struct Lists {
        var middleware: [Middleware] = []
        var connection: [SocketIONamespace.ConnectionHandler] = []
        var event: [@Sendable (SocketIOSocket, SocketIOEvent) -> Void] = []
        var disconnect: [@Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void] = []
    }

    private let lists = Mutex(Lists())

    func update(_ change: (inout Lists) -> Void) { lists.withLock { change(&$0) } }

    var middleware: [Middleware] { lists.withLock { $0.middleware } }

    func callConnection(_ socket: SocketIOSocket) {
        for handler in lists.withLock({ $0.connection }) { handler(socket) }
    }

    func callEvent(_ socket: SocketIOSocket, _ event: SocketIOEvent) {
        for handler in lists.withLock({ $0.event }) { handler(socket, event) }
    }

    func callDisconnect(_ socket: SocketIOSocket, _ reason: SocketIODisconnectReason) {
        for handler in lists.withLock({ $0.disconnect }) { handler(socket, reason) }
    }
}

/// Namespaces that are not named in advance (``SocketIOServer/of(matching:)``): each is made when its first client
/// comes, has the handlers registered here, and is forgotten when the last client has left.
public final class SocketIONamespaceFamily: Sendable {
    let includes: @Sendable (String, JSONObject) -> Bool
    let handlers = NamespaceHandlers()

    init(includes: @escaping @Sendable (String, JSONObject) -> Bool) { self.includes = includes }

    /// See ``SocketIONamespace/use(_:)``.
    public func use(_ middleware: @escaping SocketIONamespace.Middleware) {
        handlers.update { $0.middleware.append(.immediate(middleware)) }
    }

    /// See ``SocketIONamespace/useAsync(_:)``.
    public func useAsync(_ middleware: @escaping SocketIONamespace.AsyncMiddleware) {
        handlers.update { $0.middleware.append(.asynchronous(middleware)) }
    }

    /// See ``SocketIONamespace/onConnection(_:)``. The socket tells its namespace.
    public func onConnection(_ handler: @escaping SocketIONamespace.ConnectionHandler) {
        handlers.update { $0.connection.append(handler) }
    }

    /// See ``SocketIONamespace/onDisconnect(_:)``.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void) {
        handlers.update { $0.disconnect.append(handler) }
    }
}

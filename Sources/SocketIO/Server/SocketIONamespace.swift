import NIOCore
import Synchronization

/// A namespace: sockets, rooms and handlers of their own on connections that are shared. May be used from any thread.
public final class SocketIONamespace: Sendable {
    /// Called on the new socket's event loop.
    public typealias ConnectionHandler = @Sendable (SocketIOSocket) -> Void
    /// Called on the event loop of a socket that wants to join; throws to refuse it.
    public typealias Middleware = @Sendable (SocketIOSocket) throws(SocketIOConnectError) -> Void

    private struct Handlers {
        var middleware: [Middleware] = []
        var connection: [ConnectionHandler] = []
        var event: [@Sendable (SocketIOSocket, SocketIOEvent) -> Void] = []
        var disconnect: [@Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void] = []
    }

    fileprivate struct Members {
        var sockets: [String: SocketIOSocket] = [:]
        /// Room to identifiers, without the rooms that bear a socket's identifier.
        var rooms: [String: Set<String>] = [:]
        /// Identifier to rooms; only sockets that joined one.
        var roomsOfSocket: [String: Set<String>] = [:]
    }

    /// The name, beginning with a slash.
    public let name: String
    private let handlers = Mutex(Handlers())
    private let members = Mutex(Members())

    init(name: String) { self.name = name }

    // MARK: - Handlers

    /// Asks `middleware` about every socket that wants to join, in the order of registration.
    public func use(_ middleware: @escaping Middleware) {
        handlers.withLock { $0.middleware.append(middleware) }
    }

    /// Calls `handler` for every socket that joins, after the client was told so. Register the socket's event handlers
    /// there. (`connect` is another name of the event; other names never occur.)
    public func on(_ event: String, _ handler: @escaping ConnectionHandler) {
        if event == "connection" || event == "connect" { onConnection(handler) }
    }

    /// Calls `handler` for every socket that joins.
    public func onConnection(_ handler: @escaping ConnectionHandler) {
        handlers.withLock { $0.connection.append(handler) }
    }

    /// Calls `handler` for every event of every socket, before the socket's own handlers. One handler for all sockets
    /// costs no memory per socket.
    public func onEvent(_ handler: @escaping @Sendable (SocketIOSocket, SocketIOEvent) -> Void) {
        handlers.withLock { $0.event.append(handler) }
    }

    /// Calls `handler` for every socket that is disconnected.
    public func onDisconnect(_ handler: @escaping @Sendable (SocketIOSocket, SocketIODisconnectReason) -> Void) {
        handlers.withLock { $0.disconnect.append(handler) }
    }

    // MARK: - Sending

    /// Sends an event to every socket of the namespace.
    public func emit(_ event: String, _ arguments: JSONValue...) {
        BroadcastOperator(namespace: self).emit(event, arguments: arguments)
    }

    /// Addresses a room, or a single socket by its identifier.
    public func to(_ room: String) -> BroadcastOperator { BroadcastOperator(namespace: self).to(room) }

    /// Addresses everyone but the sockets of a room.
    public func except(_ room: String) -> BroadcastOperator { BroadcastOperator(namespace: self).except(room) }

    // MARK: - Members

    /// The socket with this identifier, if it is connected.
    public func socket(_ id: String) -> SocketIOSocket? { members.withLock { $0.sockets[id] } }

    /// The sockets that are connected now.
    public var sockets: [SocketIOSocket] { members.withLock { Array($0.sockets.values) } }

    /// How many sockets are connected now.
    public var socketCount: Int { members.withLock { $0.sockets.count } }

    /// The sockets in any of `rooms` (all if empty) and in none of `excluded`.
    func sockets(in rooms: [String], except excluded: [String]) -> [SocketIOSocket] {
        members.withLock { members in
            if excluded.isEmpty, rooms.count == 1, let room = rooms.first, members.rooms[room] == nil {
                return members.sockets[room].map { [$0] } ?? []
            }
            var targets: Set<String>
            if rooms.isEmpty {
                if excluded.isEmpty { return Array(members.sockets.values) }
                targets = Set(members.sockets.keys)
            } else {
                targets = []
                for room in rooms { targets.formUnion(members.identifiers(in: room)) }
            }
            for room in excluded { targets.subtract(members.identifiers(in: room)) }
            return targets.compactMap { members.sockets[$0] }
        }
    }

    func admit(_ socket: SocketIOSocket) throws(SocketIOConnectError) {
        for middleware in handlers.withLock({ $0.middleware }) { try middleware(socket) }
    }

    func add(_ socket: SocketIOSocket) { members.withLock { $0.sockets[socket.id] = socket } }

    func remove(_ socket: SocketIOSocket) {
        members.withLock { members in
            members.sockets[socket.id] = nil
            for room in members.roomsOfSocket.removeValue(forKey: socket.id) ?? [] {
                members.leave(socket.id, room)
            }
        }
    }

    func add(_ socket: SocketIOSocket, to room: String) {
        guard room != socket.id else { return }
        members.withLock { members in
            members.rooms[room, default: []].insert(socket.id)
            members.roomsOfSocket[socket.id, default: []].insert(room)
        }
    }

    func remove(_ socket: SocketIOSocket, from room: String) {
        members.withLock { members in
            members.leave(socket.id, room)
            members.roomsOfSocket[socket.id]?.remove(room)
            if members.roomsOfSocket[socket.id]?.isEmpty == true { members.roomsOfSocket[socket.id] = nil }
        }
    }

    func rooms(of id: String) -> Set<String> { members.withLock { $0.roomsOfSocket[id] ?? [] } }

    func callConnectionHandlers(_ socket: SocketIOSocket) {
        for handler in handlers.withLock({ $0.connection }) { handler(socket) }
    }

    func callEventHandlers(_ socket: SocketIOSocket, _ event: SocketIOEvent) {
        for handler in handlers.withLock({ $0.event }) { handler(socket, event) }
    }

    func callDisconnectHandlers(_ socket: SocketIOSocket, _ reason: SocketIODisconnectReason) {
        for handler in handlers.withLock({ $0.disconnect }) { handler(socket, reason) }
    }
}

extension SocketIONamespace.Members {
    fileprivate func identifiers(in room: String) -> Set<String> {
        var identifiers = rooms[room] ?? []
        if sockets[room] != nil { identifiers.insert(room) }
        return identifiers
    }

    fileprivate mutating func leave(_ id: String, _ room: String) {
        rooms[room]?.remove(id)
        if rooms[room]?.isEmpty == true { rooms[room] = nil }
    }
}

/// Addresses several sockets: those in any of the rooms named (all if none is), without those in excluded rooms.
public struct BroadcastOperator: Sendable {
    private let namespace: SocketIONamespace
    private var rooms: [String] = []
    private var excluded: [String] = []

    init(namespace: SocketIONamespace) { self.namespace = namespace }

    /// Adds a room, or a single socket by its identifier.
    public func to(_ room: String) -> BroadcastOperator {
        var copy = self
        copy.rooms.append(room)
        return copy
    }

    /// Leaves out a room, or a single socket by its identifier.
    public func except(_ room: String) -> BroadcastOperator {
        var copy = self
        copy.excluded.append(room)
        return copy
    }

    /// Sends an event to all of them.
    public func emit(_ event: String, _ arguments: JSONValue...) { emit(event, arguments: arguments) }

    /// Sends an event to all of them. It is encoded once; each event loop is entered once.
    public func emit(_ event: String, arguments: [JSONValue]) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        let content = SocketIOPacket.Content.event(name: event, arguments: arguments, acknowledgement: nil)
        let packet = SocketIOPacket(namespace: namespace.name, content).encode()
        forEachLoop { socket in socket.send(packet) }
    }

    /// Disconnects all of them; see ``SocketIOSocket/disconnect(close:)``.
    public func disconnectSockets(close: Bool = false) {
        forEachLoop { socket in socket.disconnect(close: close) }
    }

    /// The sockets that are addressed now.
    public var sockets: [SocketIOSocket] { namespace.sockets(in: rooms, except: excluded) }

    private func forEachLoop(_ body: @escaping @Sendable (SocketIOSocket) -> Void) {
        let byLoop = Dictionary(grouping: sockets) { ObjectIdentifier($0.eventLoop) }
        for group in byLoop.values {
            guard let eventLoop = group.first?.eventLoop else { continue }
            if eventLoop.inEventLoop {
                group.forEach(body)
            } else {
                eventLoop.execute { group.forEach(body) }
            }
        }
    }
}

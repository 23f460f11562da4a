import NIOCore
import Synchronization

/// Who is in a namespace, and in which rooms.
struct NamespaceMembers {
    var connected: [String: SocketIOSocket] = [:]
    /// Clients that lost their connection and may come back, by identifier. They stay in their rooms.
    var away: [String: SocketIOSocket] = [:]
    /// The identifiers of those, by the secret with which they come back.
    var identifiers: [String: String] = [:]
    /// Room to identifiers, without the rooms that bear a socket's identifier.
    var rooms: [String: Set<String>] = [:]
    /// Identifier to rooms; only sockets that joined one.
    var roomsOfSocket: [String: Set<String>] = [:]

    /// The sockets in any of `rooms` (all if empty) and in none of `excluded`.
    func sockets(in rooms: [String], except excluded: [String], includingAway: Bool) -> [SocketIOSocket] {
        if excluded.isEmpty, rooms.count == 1, let room = rooms.first, self.rooms[room] == nil {
            return socket(room, includingAway: includingAway).map { [$0] } ?? []
        }
        var targets: Set<String>
        if rooms.isEmpty {
            if excluded.isEmpty { return Array(connected.values) + (includingAway ? Array(away.values) : []) }
            targets = Set(connected.keys)
            if includingAway { targets.formUnion(away.keys) }
        } else {
            targets = []
            for room in rooms { targets.formUnion(identifiers(in: room)) }
        }
        for room in excluded { targets.subtract(identifiers(in: room)) }
        return targets.compactMap { socket($0, includingAway: includingAway) }
    }

    private func socket(_ id: String, includingAway: Bool) -> SocketIOSocket? {
        connected[id] ?? (includingAway ? away[id] : nil)
    }

    private func identifiers(in room: String) -> Set<String> {
        var identifiers = rooms[room] ?? []
        if connected[room] != nil || away[room] != nil { identifiers.insert(room) }
        return identifiers
    }

    mutating func join(_ id: String, _ room: String) {
        guard room != id else { return }
        rooms[room, default: []].insert(id)
        roomsOfSocket[id, default: []].insert(room)
    }

    mutating func leave(_ id: String, _ room: String) {
        rooms[room]?.remove(id)
        if rooms[room]?.isEmpty == true { rooms[room] = nil }
        roomsOfSocket[id]?.remove(room)
        if roomsOfSocket[id]?.isEmpty == true { roomsOfSocket[id] = nil }
    }

    mutating func remove(_ id: String) {
        connected[id] = nil
        away[id] = nil
        for room in roomsOfSocket[id] ?? [] { leave(id, room) }
    }
}

extension SocketIONamespace {
    func sockets(in rooms: [String], except excluded: [String], includingAway: Bool) -> [SocketIOSocket] {
        members.withLock { $0.sockets(in: rooms, except: excluded, includingAway: includingAway) }
    }

    func add(_ socket: SocketIOSocket) { members.withLock { $0.connected[socket.id] = socket } }

    func remove(_ socket: SocketIOSocket) { members.withLock { $0.remove(socket.id) } }

    func join(_ socket: SocketIOSocket, _ rooms: [String]) {
        members.withLock { members in
            for room in rooms { members.join(socket.id, room) }
        }
    }

    func leave(_ socket: SocketIOSocket, _ rooms: [String]) {
        members.withLock { members in
            for room in rooms { members.leave(socket.id, room) }
        }
    }

    func rooms(of id: String) -> Set<String> { members.withLock { $0.roomsOfSocket[id] ?? [] } }

    // MARK: - Clients that may come back

    /// Keeps a disconnected socket in its rooms; false if too many are away already.
    func keep(_ socket: SocketIOSocket, secret: String) -> Bool {
        members.withLock { members in
            guard let recovery, members.away.count < recovery.options.maximumClients else { return false }
            members.connected[socket.id] = nil
            members.away[socket.id] = socket
            members.identifiers[secret] = socket.id
            return true
        }
    }

    /// Gives out the socket of a client that comes back, once.
    func claim(secret: String) -> SocketIOSocket? {
        members.withLock { members in members.identifiers.removeValue(forKey: secret).flatMap { members.away[$0] } }
    }

    /// Puts `socket` in the place of the one with its identifier, which was away.
    func replace(with socket: SocketIOSocket) {
        members.withLock { members in
            members.away[socket.id] = nil
            members.connected[socket.id] = socket
        }
    }

    /// Gives up waiting for a client.
    func forget(_ socket: SocketIOSocket, secret: String) {
        members.withLock { members in
            members.identifiers[secret] = nil
            members.remove(socket.id)
        }
    }
}

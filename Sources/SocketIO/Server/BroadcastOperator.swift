public import NIOCore

/// Addresses several sockets: those in any of the rooms named (all if none is), without those in excluded rooms.
public struct BroadcastOperator: Sendable {
    private let namespace: SocketIONamespace
    private var rooms: [String] = []
    private var excluded: [String] = []
    private var isVolatile = false

    init(namespace: SocketIONamespace) { self.namespace = namespace }

    /// Adds rooms, or single sockets by their identifiers.
    public func to(_ rooms: String...) -> BroadcastOperator { to(rooms) }

    /// Adds rooms, or single sockets by their identifiers.
    public func to(_ rooms: [String]) -> BroadcastOperator {
        var copy = self
        copy.rooms += rooms
        return copy
    }

    /// Leaves out rooms, or single sockets by their identifiers.
    public func except(_ rooms: String...) -> BroadcastOperator { except(rooms) }

    /// Leaves out rooms, or single sockets by their identifiers.
    public func except(_ rooms: [String]) -> BroadcastOperator {
        var copy = self
        copy.excluded += rooms
        return copy
    }

    /// Events sent through this are dropped for clients that have not taken what was sent before, or are away.
    public var volatile: BroadcastOperator {
        var copy = self
        copy.isVolatile = true
        return copy
    }

    // MARK: - Sending

    /// Sends an event to all of them.
    public func emit(_ event: String, _ arguments: JSONValue...) { emit(event, arguments: arguments) }

    /// Sends an event to all of them. It is encoded once; each event loop is entered once.
    public func emit(_ event: String, arguments: [JSONValue]) {
        assert(!SocketIOPacket.reservedEvents.contains(event), "\(event) cannot be emitted: the name is reserved")
        let content = SocketIOPacket.Content.event(name: event, arguments: arguments, acknowledgement: nil)
        let packet = SocketIOPacket(namespace: namespace.name, content).encode()
        let targets = namespace.sockets(in: rooms, except: excluded, includingAway: !isVolatile)
        guard !targets.isEmpty else { return }
        let event = namespace.outgoing(packet, isVolatile: isVolatile)
        Self.forEach(of: targets) { socket in socket.send(event) }
    }

    /// Sends an event to all of them and waits until each has acknowledged it, at most for `timeout`. The answers come
    /// with the identifiers of the sockets, in no particular order.
    public func emitWithAck(
        _ event: String,
        _ arguments: JSONValue...,
        timeout: TimeAmount
    ) async -> [(id: String, answer: Result<[JSONValue], SocketIOError>)] {
        await withTaskGroup(of: (id: String, answer: Result<[JSONValue], SocketIOError>).self) { group in
            for socket in sockets {
                group.addTask {
                    let answer = await socket.answer(to: event, arguments: arguments, timeout: timeout)
                    return (socket.id, answer)
                }
            }
            var answers: [(id: String, answer: Result<[JSONValue], SocketIOError>)] = []
            for await answer in group { answers.append(answer) }
            return answers
        }
    }

    // MARK: - Members

    /// Adds all of them to a room.
    public func join(_ room: String) { forEach { socket in socket.join(room) } }

    /// Takes all of them out of a room.
    public func leave(_ room: String) { forEach { socket in socket.leave(room) } }

    /// Disconnects all of them; see ``SocketIOSocket/disconnect(close:)``.
    public func disconnectSockets(close: Bool = false) { forEach { socket in socket.disconnect(close: close) } }

    /// The sockets that are addressed now.
    public var sockets: [SocketIOSocket] { namespace.sockets(in: rooms, except: excluded, includingAway: false) }

    private func forEach(_ body: @escaping @Sendable (SocketIOSocket) -> Void) { Self.forEach(of: sockets, body) }

    private static func forEach(of sockets: [SocketIOSocket], _ body: @escaping @Sendable (SocketIOSocket) -> Void) {
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

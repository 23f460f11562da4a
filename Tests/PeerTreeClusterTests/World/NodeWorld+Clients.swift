import JSON
import PeerTreeCore
import PeerTreeSignalling

@testable import PeerTreeCluster

// What clients do by themselves.

extension NodeWorld {
    mutating func addClient(_ audience: Int, isSource: Bool) {
        clients.append(WorldClient(audience: audience, isSource: isSource))
        plan(.client(clients.count - 1), in: delay(0...4_000))
    }

    mutating func act(_ number: Int) {
        guard clients[number].isAlive else { return }
        plan(.client(number), in: delay(200...600))
        noticeLoss(number)
        guard let socket = clients[number].socket else { return connect(number) }
        // A host that is silent is given up in seconds.
        if !isRunning(socket.node), chance(10) { return breakSocket(number) }
        switch clients[number].standing {
        case .nowhere: ask(number)
        case .asking(let since): if since + .seconds(10) <= now { waitNoLonger(number) }
        case .member: lookAround(number)
        }
    }

    /// Whoever has a place asks again; whoever wants one begins anew.
    private mutating func waitNoLonger(_ number: Int) {
        if clients[number].token != nil { ask(number) } else { breakSocket(number) }
    }

    /// The node is dead, and the client hears of that now or later.
    private mutating func noticeLoss(_ number: Int) {
        guard let socket = clients[number].socket,
            nodes[socket.node].life != socket.life || nodes[socket.node].process == nil,
            chance(50)
        else { return }
        dropSocket(number)
    }

    private mutating func dropSocket(_ number: Int) {
        clients[number].socket = nil
        clients[number].standing = .nowhere
    }

    /// The client's socket breaks, and its node hears of that.
    mutating func breakSocket(_ number: Int) {
        guard let socket = clients[number].socket else { return }
        ledger.note("client \(number) loses \(socket.id)", at: now)
        send(.disconnected(id: socket.id), by: number)
        dropSocket(number)
    }

    private mutating func connect(_ number: Int) {
        let node = Int.random(in: nodes.indices, using: &random)
        guard let process = nodes[node].process, process.leavesSince == nil else { return }
        let id = "socket\(sockets.count)"
        sockets[id] = number
        let part = SignallingPart.part(ofSocket: id, of: options.loops)
        clients[number].socket = WorldClient.Socket(id: id, node: node, life: nodes[node].life, part: part)
        clients[number].standing = .nowhere
        ledger.note("client \(number) is \(id) at node\(node)", at: now)
        send(.connected(id: id, address: 7), by: number)
    }

    mutating func send(_ input: SignallingService.Input, by number: Int) {
        guard let socket = clients[number].socket else { return }
        let at = max(now + delay(1...20), socket.sentUntil)
        clients[number].socket?.sentUntil = at
        let address = Address(node: socket.node, life: socket.life, executor: .loop(socket.part))
        plan(.arrive(address, .loop([input])), at: at)
    }

    mutating func emit(_ event: String, _ payload: JSONValue, by number: Int) {
        guard let socket = clients[number].socket else { return }
        send(.event(id: socket.id, name: event, arguments: [payload]), by: number)
    }

    private mutating func ask(_ number: Int) {
        let client = clients[number]
        var request: JSONObject = [:]
        var native: JSONObject = ["v": 2]
        if let token = client.token {
            native["resume"] = token
            native["place"] = client.place
        } else if client.isSource {
            request["createNew"] = true
        } else {
            guard let tree = trees[client.audience] else { return }
            request["treeID"] = .string(tree)
        }
        request["peerTree"] = .object(native)
        clients[number].standing = .asking(since: now)
        emit("simple-signal[discover]", .object(request), by: number)
    }

    // MARK: Neighbours

    /// Whether there is somebody to link to: whoever never heard of its place cannot be found there.
    private func isAlive(_ id: String) -> Bool {
        sockets[id].map { clients[$0].isAlive && clients[$0].names.contains(id) } ?? false
    }

    /// Links are between clients: whoever is gone is noticed, wherever the servers are.
    private mutating func lookAround(_ number: Int) {
        if let parent = clients[number].parent, !isAlive(parent.id), chance(30) {
            let loss: JSONValue = ["stripe": 0, "epoch": JSONValue(clients[number].epoch), "reason": "closed"]
            emit("peer-tree[orphaned]", loss, by: number)
        }
        for child in clients[number].children where sockets[child.id] != nil && !isAlive(child.id) {
            clients[number].children.removeAll { $0.id == child.id }
            emit("peer-tree[child-lost]", ["id": .string(child.id), "reason": "closed"], by: number)
        }
        if chance(20) { emit("peer-tree[status]", ["depth": 1], by: number) }
    }

    // MARK: Coming and going

    /// It is gone for good: it says so, its socket breaks, or not even that is noticed at once.
    mutating func end(_ number: Int) {
        guard clients[number].isAlive else { return }
        ledger.note("client \(number) is gone", at: now)
        if chance(50) { emit("peer-tree[leave]", [:], by: number) }
        breakSocket(number)
        clients[number].isAlive = false
    }
}

import PeerTreeCore
import TestSupport

// Between the server and the clients: sockets, and what travels on them.

extension Simulation {
    // MARK: Sockets

    /// Says something to the server, if there is a socket to say it on.
    func tell(_ event: ClientEvent, by client: Int) {
        guard clients[client].isConnected else { return }
        schedule(.toServer(client: client, socket: clients[client].socket, event), after: clients[client].delay)
    }

    func serverReceives(_ event: ClientEvent, from client: Int, on socket: UInt32) {
        guard isServerUp, serverSockets[client] == socket else { return }
        server.receive(event, from: client, at: now)
        drainServer()
    }

    /// A client connects to the server, or tries to.
    func connectSocket(_ client: Int) {
        guard clients[client].isAlive, !clients[client].isConnected else { return }
        guard isServerUp else {
            let wait = TimeSpan.random(in: conditions.reconnectDelay, using: &random)
            schedule(.socketOpened(client: client), after: wait)
            input(.serverUnreachable(reason: "refused", isFinal: false), to: client)
            return
        }
        clients[client].socket += 1
        clients[client].isConnected = true
        serverSockets[client] = clients[client].socket
        input(.serverConnected, to: client)
    }

    /// A client's socket breaks; the server notices a moment later, and the client connects again after `span`.
    func breakSocket(_ client: Int, for span: TimeSpan) {
        guard clients[client].isConnected else { return }
        loseSocket(client)
        schedule(.socketClosed(client: client, socket: clients[client].socket), after: clients[client].delay)
        schedule(.socketOpened(client: client), after: span)
    }

    private func loseSocket(_ client: Int) {
        clients[client].isConnected = false
        input(.serverLost, to: client)
    }

    func serverLoses(_ client: Int, on socket: UInt32) {
        guard isServerUp, serverSockets[client] == socket else { return }
        serverSockets[client] = 0
        server.disconnected(client, at: now)
        drainServer()
    }

    /// The server asks a client over its socket whether it is there, and closes it if nothing comes within a second.
    func probe(_ client: Int) {
        let socket = serverSockets[client]
        after(.seconds(1)) { if !$0.clients[client].isAlive { $0.serverLoses(client, on: socket) } }
    }

    /// The server's process ends and another one is there after `span`; every client finds its way back.
    func restartServer(for span: TimeSpan) {
        isServerUp = false
        server.restart()
        schedule(.serverUp, after: span)
        for client in clients.indices {
            serverSockets[client] = 0
            guard clients[client].isAlive, clients[client].isConnected else { continue }
            loseSocket(client)
            let wait = TimeSpan.random(in: conditions.reconnectDelay, using: &random)
            schedule(.socketOpened(client: client), after: wait)
        }
    }

    func clientReceives(_ event: ServerEvent, _ client: Int, on socket: UInt32) {
        guard clients[client].isAlive, clients[client].isConnected, clients[client].socket == socket else { return }
        if clients[client].puppet != nil { hear(event, as: client) }
        input(.server(event), to: client)
    }

    // MARK: What a client wants

    func perform(_ output: ClientOutput<SimulatedBuffer>, of client: Int) {
        switch output {
        case .emit(let event):
            note(event, by: client)
            tell(event, by: client)
        case .reconnectServer: breakSocket(client, for: conditions.reconnectDelay.lowerBound)
        case .disconnectServer: closeSocket(client)
        case .connect(let id, _): connect(client, id)
        case .accept(let id, let offer, _): accept(client, id, offer)
        case .takeAnswer(let id, _): with(id, of: client) { takeAnswer($0) }
        case .closeChannel(let id): with(id, of: client) { closeChannel($0) }
        case .closeConnection(let id): with(id, of: client) { closeConnection($0) }
        case .send(let id, let frame): with(id, of: client) { send(frame, on: $0, by: client) }
        case .sendMessage(let id, let message):
            let bytes = SimulatedBuffer(bytes: message.parts.flatMap { $0.bytes })
            with(id, of: client) { transmit(bytes, isText: message.isText, from: $0) }
        case .setLowThreshold(let id, let bytes):
            with(id, of: client) { links[$0.link].sides[$0.side].lowThreshold = bytes }
        case .askBuffered(let id):
            with(id, of: client) { end in
                clients[client].client.handle(.buffered(id, links[end.link].sides[end.side].queue.bytes), at: now)
            }
        case .deliver(let message): deliver(message, to: client)
        case .sign(let thing, let statement):
            if let signature = SimulatedKey.sign(statement) {
                clients[client].client.handle(.signed(thing, signature), at: now)
            }
        case .verify(let ticket, let statement, let signature):
            schedule(
                .input(client, .verified(ticket: ticket, SimulatedKey.sign(statement) == signature)),
                after: .microseconds(UInt64.random(in: 0...500, using: &random))
            )
        case .gap(let gap): report(gap, by: client)
        case .entryFailed: tryAgain(client)
        case .subtreeComplete: clients[client].completions += 1
        case .left: shutDown(client)
        // No broadcast of the simulation is encrypted, so nothing is sealed.
        case .seal, .open, .unreadable: break
        // No path is ever renewed: those of the simulation do not fail alone.
        case .restart, .answer, .addCandidate, .askRoundTrip: break
        case .entered, .connected, .upstream, .downstream, .neighbourGone, .writable, .ended, .serverLost, .serverBack,
            .renamed, .serverGoingAway, .refused, .tree, .status:
            break
        }
    }

    private func with(_ id: LinkID, of client: Int, _ body: (LinkEnd) -> Void) {
        if let end = clients[client].ends[id] { body(end) }
    }

    private func note(_ event: ClientEvent, by client: Int) {
        switch event {
        case .orphaned(_, _, let reason), .promoted(_, _, let reason, _): clients[client].orphanings.append(reason)
        case .childLost(_, let reason): clients[client].lostChildren.append(reason)
        default: break
        }
    }

    /// An application that could not get in tries again after a while.
    private func tryAgain(_ client: Int) {
        guard clients[client].life == .running else { return }
        schedule(.input(client, .enter(clients[client].isSource ? nil : server.treeID)), after: .seconds(2))
    }

    private func deliver(_ message: Message<SimulatedBuffer>, to client: Int) {
        // What the source signed nobody can forge, whoever lies.
        if clients[client].puppet == nil, options.isSigned, let fault = log.fault(in: message) {
            fail("client \(client): \(fault)")
        }
        if clients[client].puppet == nil, let fault = clients[client].record.deliver(message, &log), isStrict {
            fail("client \(client): \(fault)")
        }
        schedule(.input(client, .consumed(through: message.lastSequence)), after: clients[client].readingTime)
    }

    private func report(_ gap: Gap, by client: Int) {
        guard clients[client].puppet == nil else { return }
        if let fault = clients[client].record.report(gap, log), isStrict { fail("client \(client): \(fault)") }
    }

    /// A process ends: its socket closes, its links fall silent.
    func shutDown(_ client: Int) {
        guard clients[client].isAlive else { return }
        clients[client].life = .gone
        closeSocket(client)
        endLinksToOriginals(of: client)
    }

    private func closeSocket(_ client: Int) {
        guard clients[client].isConnected else { return }
        clients[client].isConnected = false
        schedule(.socketClosed(client: client, socket: clients[client].socket), after: clients[client].delay)
    }
}

import NIOCore
import StateMachine

// Connections until they are proven, and the way of their bytes to links.
extension LinkNode {
    mutating func accept(_ id: ConnectionID, at now: NIODeadline) {
        guard unproven < options.maximumUnprovenConnections else {
            outputs.append(.refusedStranger(.busy, by: .this))
            return outputs.append(.close(id))
        }
        open(id, .acceptor, to: nil, at: now)
    }

    mutating func open(_ id: ConnectionID, _ role: LinkRole, to name: NodeName?, at now: NIODeadline) {
        if let name, links[name] == nil { return outputs.append(.close(id)) }
        connections[id] = NodeConnection(role: role, expected: name, limit: now + options.handshakeTimeout)
        unproven += 1
    }

    mutating func secure(_ id: ConnectionID, _ certificates: LinkCertificates, at now: NIODeadline) {
        guard let connection = connections[id], case .securing = connection.phase else { return }
        let handshake = Handshake(
            connection.role,
            identity,
            expected: connection.expected,
            certificates: certificates,
            nonce: LinkNonce(using: &random),
            limit: connection.limit
        )
        connections[id]?.phase = .proving(handshake)
        drainHandshake(id, handshake, at: now)
    }

    mutating func take(_ bytes: ByteBuffer, on id: ConnectionID, at now: NIODeadline) {
        do throws(LinkViolation) {
            connections[id]?.reader.append(bytes)
            while let phase = connections[id]?.phase, let frame = try nextFrame(on: id) {
                handle(try LinkFrame(reading: frame), on: id, phase, at: now)
            }
        } catch {
            end(id, error, at: now)
        }
    }

    private mutating func nextFrame(on id: ConnectionID) throws(LinkViolation) -> ByteBuffer? {
        guard let index = connections.index(forKey: id) else { return nil }
        return try connections.values[index].nextFrame(options)
    }

    /// What came on a connection is not of this protocol.
    private mutating func end(_ id: ConnectionID, _ violation: LinkViolation, at now: NIODeadline) {
        guard let connection = connections[id] else { return }
        refuse(id, .violation(violation))
        endDialing(connection, .violation(violation), by: .this, at: now)
        guard let name = connection.node else { return }
        outputs.append(.event(name, .refused(.violation(violation), by: .this)))
        feed(name, .closed(id), at: now)
    }

    private mutating func handle(
        _ frame: LinkFrame,
        on id: ConnectionID,
        _ phase: NodeConnection.Phase,
        at now: NIODeadline
    ) {
        switch phase {
        case .securing: break
        case .proven(let name): feed(name, .frame(id, frame), at: now)
        case .proving(var handshake):
            handshake.handle(.frame(frame), at: now)
            connections[id]?.phase = .proving(handshake)
            drainHandshake(id, handshake, at: now)
        }
    }

    private mutating func drainHandshake(_ id: ConnectionID, _ handshake: Handshake, at now: NIODeadline) {
        var handshake = handshake
        while let output = handshake.nextOutput() {
            switch output {
            case .send(let frame): outputs.append(.write(id, frame))
            case .proven(let node): meet(node, on: id, at: now)
            case .refused(let refusal, let refuser):
                guard let connection = discard(id) else { return }
                outputs.append(.close(id))
                endDialing(connection, refusal, by: refuser, at: now)
            }
        }
        guard let connection = connections[id], case .proving = connection.phase else { return }
        connections[id]?.phase = .proving(handshake)
    }

    private mutating func meet(_ node: ProvenNode, on id: ConnectionID, at now: NIODeadline) {
        guard let connection = connections[id] else { return }
        guard links[node.name] != nil else {
            outputs.append(.refusedStranger(.unknownNode(node.name), by: .this))
            return refuse(id, .unknownNode(node.name))
        }
        connections[id]?.phase = .proven(node.name)
        unproven -= 1
        feed(node.name, .proven(id, node, by: connection.role), at: now)
    }

    /// A connection is gone by itself.
    mutating func forget(_ id: ConnectionID, at now: NIODeadline) {
        guard let connection = discard(id) else { return }
        if let name = connection.node { return feed(name, .closed(id), at: now) }
        guard let name = connection.expected, links[name] != nil else { return }
        outputs.append(.event(name, .dialFailed("the other end closed the connection")))
        feed(name, .dialFailed, at: now)
    }

    /// Closes a connection, and says why.
    mutating func refuse(_ id: ConnectionID, _ refusal: LinkRefusal) {
        guard let connection = discard(id) else { return }
        if case .securing = connection.phase {} else { outputs.append(.write(id, .refuse(refusal))) }
        outputs.append(.close(id))
    }

    /// A connection came to nothing before it was proven: who asked for it hears of that.
    mutating func endDialing(
        _ connection: NodeConnection,
        _ refusal: LinkRefusal,
        by refuser: LinkEvent.Refuser,
        at now: NIODeadline
    ) {
        guard connection.node == nil else { return }
        guard let name = connection.expected else {
            return outputs.append(.refusedStranger(refusal, by: refuser))
        }
        guard links[name] != nil else { return }
        outputs.append(.event(name, .refused(refusal, by: refuser)))
        feed(name, .dialFailed, at: now)
    }

    private mutating func discard(_ id: ConnectionID) -> NodeConnection? {
        guard let connection = connections.removeValue(forKey: id) else { return nil }
        if connection.node == nil { unproven -= 1 }
        return connection
    }
}

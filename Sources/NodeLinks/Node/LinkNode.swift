package import NIOCore
import StateMachine

/// All links of a node, and the connections that they come over.
///
/// Call ``handle(_:at:)`` for everything that happens, or ``send(_:to:at:)``, then drain ``nextOutput()`` until it is nil.
/// Call with `.deadlineReached` when ``deadline`` has passed.
package struct LinkNode: Sendable {
    package enum Input {
        /// A node that is to be linked from now on.
        case add(NodeName)
        /// The link ends, and its session; what came of it before is forgotten.
        case remove(NodeName)
        /// Those that are valid from now on, for connections to come.
        case secrets(LinkSecrets)
        /// Another node has connected.
        case accepted(ConnectionID)
        /// A connection that was asked for is there.
        case dialed(ConnectionID, NodeName)
        /// A connection that was asked for cannot be had; in the words of the system.
        case dialFailed(NodeName, String)
        /// TLS is established.
        case secured(ConnectionID, LinkCertificates)
        case bytes(ConnectionID, ByteBuffer)
        /// The connection is gone.
        case closed(ConnectionID)
        /// The connection has taken what was written, and takes more.
        case writable(ConnectionID)
        /// Whether the user takes what comes from the node.
        case readsFrames(NodeName, Bool)
        case deadlineReached
    }

    package enum Output: Sendable {
        case dial(NodeName)
        case write(ConnectionID, LinkFrame)
        /// After what was written. Nothing that happens to it counts any more.
        case close(ConnectionID)
        /// Whether to read from the connection; at first it is read.
        case read(ConnectionID, Bool)
        case event(NodeName, LinkEvent)
        /// Somebody connected who is no node of this cluster, as far as it has shown.
        case refusedStranger(LinkRefusal, by: LinkEvent.Refuser)
    }

    var identity: LinkIdentity
    let options: LinkOptions
    var random: any RandomNumberGenerator & Sendable
    var links: [NodeName: NodeLink] = [:]
    var connections: [ConnectionID: NodeConnection] = [:]
    var unproven = 0
    var outputs = OutputQueue<Output>(keptCapacity: 256)

    /// - Parameter random: of the system, but in tests: nonces and the names of sessions come from it.
    package init(_ identity: LinkIdentity, _ options: LinkOptions, random: any RandomNumberGenerator & Sendable) {
        self.identity = identity
        self.options = options
        self.random = random
    }

    /// When `.deadlineReached` is due. Takes a look at every link.
    package var deadline: NIODeadline? {
        var earliest = NIODeadline.distantFuture
        for link in links.values { if let due = link.deadline { earliest = min(earliest, due) } }
        if unproven > 0 { for connection in connections.values { earliest = min(earliest, connection.deadline) } }
        return earliest == .distantFuture ? nil : earliest
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input, at now: NIODeadline) {
        switch input {
        case .add(let name): add(name, at: now)
        case .remove(let name): remove(name)
        case .secrets(let secrets): identity.secrets = secrets
        case .accepted(let id): accept(id, at: now)
        case .dialed(let id, let name): open(id, .dialer, to: name, at: now)
        case .dialFailed(let name, let words):
            guard links[name] != nil else { return }
            outputs.append(.event(name, .dialFailed(words)))
            feed(name, .dialFailed, at: now)
        case .secured(let id, let certificates): secure(id, certificates, at: now)
        case .bytes(let id, let bytes): take(bytes, on: id, at: now)
        case .closed(let id): forget(id, at: now)
        case .writable(let id): if let name = connections[id]?.node { feed(name, .writable(id), at: now) }
        case .readsFrames(let name, let reads): feed(name, .readsFrames(reads), at: now)
        case .deadlineReached: checkTime(at: now)
        }
    }

    /// Sends a payload, to come out once and in order as long as both processes live.
    ///
    /// - Returns: its number in the session.
    /// - Throws: ``LinkError`` if it was not taken.
    package mutating func send(
        _ payload: ByteBuffer,
        to name: NodeName,
        at now: NIODeadline
    ) throws(LinkError) -> UInt64 {
        guard links[name] != nil else { throw .unknownNode(name) }
        guard let session = links[name]?.agreedSession else { throw .noSession(name) }
        guard payload.readableBytes <= options.maximumPayloadBytes else {
            throw .tooLong(bytes: payload.readableBytes, limit: options.maximumPayloadBytes)
        }
        feed(name, .send(payload), at: now)
        guard links[name]?.agreedSession == session, let number = links[name]?.lastNumber else { throw .overflow(name) }
        return number
    }

    private mutating func add(_ name: NodeName, at now: NIODeadline) {
        guard links[name] == nil, name != identity.name else { return }
        links[name] = NodeLink(from: identity.name, to: name, options, at: now)
        feed(name, .deadlineReached, at: now)
    }

    private mutating func remove(_ name: NodeName) {
        links[name]?.remove()
        drain(name)
        links[name] = nil
        for (id, connection) in connections where connection.expected == name { refuse(id, .removed) }
    }

    private mutating func checkTime(at now: NIODeadline) {
        let due = links.filter { $0.value.deadline.map { $0 <= now } ?? false }.map(\.key)
        for name in due { feed(name, .deadlineReached, at: now) }
        guard unproven > 0 else { return }
        for (id, connection) in connections where connection.deadline <= now {
            refuse(id, .tooSlow)
            endDialing(connection, .tooSlow, by: .this, at: now)
        }
    }

    /// Gives a link an input, and passes on what comes of it.
    mutating func feed(_ name: NodeName, _ input: NodeLink.Input, at now: NIODeadline) {
        links[name]?.handle(input, at: now, using: &random)
        drain(name)
    }

    private mutating func drain(_ name: NodeName) {
        while let output = links[name]?.nextOutput() {
            switch output {
            case .dial: outputs.append(.dial(name))
            case .write(let id, let frame): outputs.append(.write(id, frame))
            case .close(let id, let refusal): refuse(id, refusal)
            case .read(let id, let reads): outputs.append(.read(id, reads))
            case .event(let event): outputs.append(.event(name, event))
            }
        }
    }
}

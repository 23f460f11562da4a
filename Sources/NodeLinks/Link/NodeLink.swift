import NIOCore
import StateMachine

/// The link to one other node: a session that outlives its connections, and the connection of the moment.
///
/// Of two nodes that whose name comes first *leads*: it dials, and says which connection counts (`attach`). The other
/// dials only when it has waited in vain. A newer connection takes the place of an older one, since nobody dials who has
/// one: the older is dead, and one end does not know yet.
struct NodeLink {
    enum Input {
        case send(ByteBuffer)
        /// A connection on which the other node has proved itself, dialed by one of both.
        case proven(ConnectionID, ProvenNode, by: LinkRole)
        /// A connection that was asked for came to nothing.
        case dialFailed
        case frame(ConnectionID, LinkFrame)
        case closed(ConnectionID)
        /// The connection takes more.
        case writable(ConnectionID)
        /// Whether the user takes frames.
        case readsFrames(Bool)
        case deadlineReached
    }

    enum Output {
        case dial
        case write(ConnectionID, LinkFrame)
        /// After what was written. No input comes of it any more.
        case close(ConnectionID, LinkRefusal)
        /// Whether to read from the connection.
        case read(ConnectionID, Bool)
        case event(LinkEvent)
    }

    let own: NodeName
    let other: NodeName
    let options: LinkOptions
    var session: LinkSession?
    /// The one before.
    var endedSession: LinkID?
    /// The one over which frames go, or will once both agree on the session.
    var active: ActiveConnection?
    /// Proven ones of which the leader has not said yet whether they count.
    var candidates: [(id: ConnectionID, limit: NIODeadline)] = []
    var runs = KnownRuns()
    /// Of the leader: its own attempts; else the latest that came.
    var lastAttempt: UInt64 = 0
    var redial: Redial
    var isDialing = false
    var reachability: Reachability
    /// When the last input came.
    var now: NIODeadline
    var outputs = OutputQueue<Output>(keptCapacity: 64)

    init(from own: NodeName, to other: NodeName, _ options: LinkOptions, at now: NIODeadline) {
        self.own = own
        self.other = other
        self.options = options
        self.now = now
        reachability = Reachability(at: now)
        redial = Redial(at: own < other ? now : now + options.dialPatience, options)
    }

    var leads: Bool { own < other }

    /// The session that both ends agree on.
    var agreedSession: LinkID? {
        session.flatMap { $0.isAgreed ? $0.id : nil }
    }

    /// The number of what was sent last in the session.
    var lastNumber: UInt64? { session.map { $0.queue.next - 1 } }

    /// Whether there is nothing to wait for but the time to dial.
    var canDial: Bool { active == nil && candidates.isEmpty && !isDialing }

    /// When `.deadlineReached` is due.
    var deadline: NIODeadline? {
        var earliest = reachability.deadline(options) ?? .distantFuture
        for candidate in candidates { earliest = min(earliest, candidate.limit) }
        guard let active else { return canDial ? min(earliest, redial.nextAt) : earliest }
        if let silentAt = active.silentAt(options) { earliest = min(earliest, silentAt) }
        guard active.isAttached else { return earliest }
        if active.room > 0, let due = session?.received.deadline { earliest = min(earliest, due) }
        return min(earliest, active.wroteAt + options.keepAlive)
    }

    mutating func nextOutput() -> Output? {
        if let output = outputs.next() { return output }
        fill()
        return outputs.next()
    }

    mutating func handle(_ input: Input, at now: NIODeadline, using random: inout some RandomNumberGenerator) {
        self.now = max(self.now, now)
        switch input {
        case .send(let payload): send(payload, using: &random)
        case .proven(let connection, let node, let dialer): meet(node, on: connection, dialer, using: &random)
        case .dialFailed: endDialing(using: &random)
        case .frame(let connection, let frame): handle(frame, on: connection, using: &random)
        case .closed(let connection): forget(connection, using: &random)
        case .writable(let connection): if active?.id == connection { active?.room = options.burstBytes }
        case .readsFrames(let reads): setDeaf(!reads)
        case .deadlineReached: break
        }
        checkTime(using: &random)
    }

    /// Ends the session, and the connections with it.
    mutating func remove() {
        closeAll(.removed)
        endSession(.removed)
    }

    mutating func tell(_ event: LinkEvent) { outputs.append(.event(event)) }

    private mutating func setDeaf(_ isDeaf: Bool) {
        reachability.setDeaf(isDeaf, at: now)
        active?.setDeaf(isDeaf, at: now)
        if let active, active.isAttached { outputs.append(.read(active.id, !isDeaf)) }
    }
}

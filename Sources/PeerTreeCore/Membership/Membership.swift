/// A client's membership of a tree: finds and keeps a place, makes the links that the place asks for, and tells the
/// server what it has to know.
///
/// A state machine without I/O. Call ``handle(_:at:)`` with what happened, then ``nextOutput()`` until it returns nil,
/// carrying out each output, and ``MembershipInput/tick`` once ``deadline`` is reached. A ``Client`` is a membership
/// with the ``Peer`` that it finds the links for; hosts run that.
public struct Membership<Random: RandomNumberGenerator> {
    enum Phase: Equatable {
        /// In no tree.
        case outside
        /// Asked for a tree: to be entered by then.
        case entering(tree: Text?, deadline: Instant)
        /// In a tree.
        case member
        /// The tree is gone.
        case over
        /// Handing over; `isHandedOver`: only what was sent has still to get out.
        case leaving(isHandedOver: Bool)
        /// Nothing happens any more.
        case left
    }

    /// The limits and timers in force.
    public let configuration: MembershipConfiguration
    /// The tree this peer is in, or was.
    public internal(set) var treeID: Text?
    /// What the server calls this peer; changes with the socket.
    public internal(set) var ownID: Text?
    /// Whether it is the source of that tree.
    public internal(set) var isSource = false
    /// Whose tree it is, if it is signed.
    public internal(set) var sourceKey: SourceKey?
    /// Hops from the source, as the server last said; nil if it did not.
    public internal(set) var depth: UInt32?
    /// How many children this peer may have in a tree of one stripe, as the server last said; nil if it did not.
    public internal(set) var capacity: Int?
    /// New paths that both ends of a link have agreed on.
    public internal(set) var restartCount: UInt64 = 0

    var phase = Phase.outside
    var server = ServerLine()
    var iceServers = ICEServers()
    var place = AssignedPlace()
    var remotes = RemoteTable()
    var sessions = SessionTable()
    var reports = ReportSchedule()
    private var nextLink: UInt32 = 1
    var random: Random
    private var outputs = OutputQueue<MembershipOutput>()

    /// A membership of no tree, without a socket to a server.
    ///
    /// - Parameter random: where the names of sessions come from. Nobody may be able to guess them.
    public init(_ configuration: MembershipConfiguration, random: Random) {
        self.configuration = configuration
        self.random = random
    }

    /// Whether it is over: no input changes anything any more.
    public var hasLeft: Bool { phase == .left }

    /// Whether it is over or about to be.
    public var isLeaving: Bool {
        if case .leaving = phase { return true }
        return hasLeft
    }

    /// When ``MembershipInput/tick`` is due.
    public var deadline: Instant {
        guard !hasLeft else { return .distantFuture }
        var earliest = min(min(server.deadline, sessions.deadline), entryDeadline)
        if isReporting { earliest = min(earliest, reports.next) }
        if mayRenew { earliest = min(earliest, iceServers.renewal) }
        return earliest
    }

    /// The next thing to be done, or nil.
    public mutating func nextOutput() -> MembershipOutput? {
        outputs.popFirst()
    }

    /// Takes an input.
    public mutating func handle(_ input: MembershipInput, at now: Instant) {
        guard !hasLeft else { return }
        switch input {
        case .enter(let tree): enter(tree, at: now)
        case .cancelEntering: cancelEntering()
        case .restartPaths: restartPaths(at: now)
        case .leave: leave()
        case .stop: stop()
        case .serverConnected: serverConnected(at: now)
        case .serverLost: serverLost()
        case .serverUnreachable(let reason, let isFinal): serverUnreachable(reason, isFinal, at: now)
        case .server(let event): receive(event, at: now)
        case .described(let link, let sdp): described(link, sdp)
        case .candidate(let link, let candidate): found(candidate, link)
        case .connectionFailed(let link): connectionFailed(link)
        case .path(let link, let state): pathChanged(link, state, at: now)
        case .relayed(let link, let isRelayed): relayed(link, isRelayed)
        case .channelOpened(let link): opened(link)
        case .channelClosed(let link): closed(link)
        case .networkChanged(let isLost): networkChanged(isLost, at: now)
        case .tick: tick(at: now)
        case .connect(let remote): connect(remote)
        case .cancelConnect(let remote): cancelConnect(remote)
        case .close(let link): close(link, at: now)
        case .attached(let stripe, let epoch): tell(.attached(stripe: stripe, epoch: epoch))
        case .orphaned(let stripe, let epoch, let reason): orphaned(stripe, epoch, reason)
        case .promoted(let stripe, let epoch, let reason, let standby):
            tell(.promoted(stripe: stripe, epoch: epoch, reason, standby: remotes.name(of: standby)))
        case .childLost(let remote, let reason): tell(.childLost(remotes.name(of: remote), reason))
        case .left: handedOver()
        }
    }

    /// The id by which the server calls a peer.
    public func name(of remote: RemoteID) -> Text {
        remotes.name(of: remote)
    }

    /// How many such ids are remembered.
    package var rememberedNames: Int { remotes.count }

    /// The name of the session that a link came of.
    func sessionName(of link: LinkID) -> Text {
        sessions[link]?.name ?? .empty
    }

    // MARK: Saying something

    mutating func emit(_ output: MembershipOutput) {
        outputs.append(output)
    }

    /// Tells the server. Our own events go only to one that knows them, and none to one that is away: what it missed it
    /// learns from the question that comes first when it is back.
    mutating func tell(_ event: ClientEvent) {
        guard server.isConnected, server.isNative || event.name.isOriginal else { return }
        emit(.emit(event))
    }

    /// A number that nobody guesses.
    mutating func makeNumber() -> UInt64 {
        random.next()
    }

    mutating func makeLink() -> LinkID {
        defer { nextLink &+= 1 }
        return LinkID(nextLink)
    }

    // MARK: What the server says

    private mutating func receive(_ event: ServerEvent, at now: Instant) {
        forgetRemotes()
        switch event {
        case .discovered(let answer): answered(answer, at: now)
        case .discoveryFailed(let code, let message): refusedPlace(code, message, at: now)
        case .assign(let assignment): assigned(assignment)
        case .admit(let id, let stripe): admitted(id, stripe)
        case .childGone(let id, let stripe): released(id, stripe)
        case .admitWard(let id): admittedWard(id)
        case .wardGone(let id): releasedWard(id)
        case .standby(let id): stoodBy(id)
        case .suspect(let id): suspected(id)
        case .place(let depth):
            learn(depth: depth)
            sayPlace()
        case .offer(let session, let initiator, let sdp, let isNative):
            offered(session, initiator, sdp, isNative, at: now)
        case .signal(let session, let signal, let isNative): signalled(session, signal, isNative, at: now)
        case .reject(let session): rejected(session)
        case .resume(let token, let capacity): resumable(token, capacity)
        case .iceServers(let advice): iceServers.take(advice, at: now)
        case .statusInterval(let interval): pace(interval, at: now)
        case .pulseWanted: if mayHandInPulse { emit(.pulseWanted) }
        case .tree(let summary): if phase == .member { emit(.tree(summary)) }
        case .goingAway: if phase == .member { emit(.serverGoingAway) }
        case .end: if phase == .member { treeEnded() }
        case .refused(let code, let message): refused(code, message, at: now)
        }
    }

    /// Forgets names that nothing refers to any more, so that a long-lived relay does not grow.
    private mutating func forgetRemotes() {
        let (sessions, place) = (sessions.values, place)
        remotes.trim { id in place.refers(to: id) || sessions.contains { $0.remote == id } }
    }

    // MARK: Time

    private mutating func tick(at now: Instant) {
        entryTimedOut(at: now)
        if server.deadline <= now, let question = server.question, question != .enter { ask(question, at: now) }
        timeOutSessions(at: now)
        if isReporting, reports.next <= now {
            reports.next = now + reports.interval
            emit(.statusDue)
        }
        if mayRenew, iceServers.renewal <= now {
            iceServers.asked(at: now)
            tell(.iceServers)
        }
    }
}

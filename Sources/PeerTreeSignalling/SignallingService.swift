package import JSON
package import PeerTreeCore
import StateMachine

/// Introduces peers to each other: simple-signal 2.x and the events of peer-tree beside it, over any transport that
/// delivers Socket.IO events.
///
/// A state machine without I/O. Feed what happens to ``handle(_:at:)``, then drain ``nextOutput()`` until it returns
/// nil; call ``handle(_:at:)`` with ``Input/deadlineReached`` when ``deadline`` has come. Nothing a client sends makes it
/// trap or grow without bound; what is refused is answered to the sender alone and changes nothing for anyone.
package struct SignallingService: Sendable {
    /// What happens at the sockets.
    package enum Input: Sendable {
        /// A client joined the namespace under a new id, with a token if it has one. The number stands for the network
        /// address it came from, if that is known: what shares limits has the same.
        case connected(id: String, address: UInt64? = nil, token: String? = nil)
        /// A client emitted an event.
        case event(id: String, name: String, arguments: [JSONValue])
        /// A client's socket is gone.
        case disconnected(id: String)
        /// A dashboard asks. Nobody else has its number.
        case asked(watcher: Int, DashboardQuestion)
        /// ``SignallingService/deadline`` has come.
        case deadlineReached
        /// The server is about to stop.
        case goingAway
    }

    /// Whether a server has all its trees.
    package enum Readiness: String, Sendable {
        case ready
        /// It was started with a key that was kept, and peers of an earlier run may be about to come back.
        case restoring
        case stopping
    }

    /// What to emit.
    package enum Output: Equatable, Sendable {
        /// Emit `event` with the one argument `payload` to the client `id`.
        case emit(id: String, event: String, payload: JSONValue)
        /// Ask the client `id` whether it is there, and disconnect it unless it answers within a second.
        case probe(id: String)
        /// Disconnect the client `id`, which was told why.
        case disconnect(id: String)
        /// Tell a dashboard.
        case answer(watcher: Int, DashboardAnswer)
    }

    /// The options the service was made with.
    package let options: SignallingOptions

    private(set) var tracker: Tracker
    var clients: [String: Client] = [:]
    var members: [PeerHandle: Member] = [:]
    /// Every id of every member, old ones too.
    var memberIDs: [String: PeerHandle] = [:]
    /// Members by their number, which is the part of a resume token that is not secret.
    var memberNumbers: [UInt64: PeerHandle] = [:]
    var trees: [TreeHandle: TreeEntry] = [:]
    var treeIDs: [String: TreeHandle] = [:]
    /// What restored peers said of links that are not settled yet.
    var claims: [PeerHandle: RestorationClaim] = [:]
    /// Restored peers by the id of a parent that has not come back yet.
    var awaitedParents: [String: [PeerHandle]] = [:]
    /// Whom this run of the server has restored: no token of theirs from before is good again once they are gone. As many
    /// as there were peers when the server stopped, at most.
    var restoredNumbers: Set<UInt64> = []
    /// Restored trees that are over, and those that ended while joins wait for others to be restored.
    var endedTreeIDs: Set<String> = []
    /// Joins of trees that may come back.
    var waitingJoins = WaitingJoins()
    /// When the server was started.
    let startedAt: Instant
    var summaries = SummaryQueue()
    /// Who watches trees, and what they have yet to be told.
    var dashboard = DashboardFeed()
    var addresses = AddressTable()
    /// How many events of each name came; those of unknown names count as `other`.
    package private(set) var events: [String: UInt64] = [:]
    /// How many inputs were refused, by code.
    package private(set) var refusals: [String: UInt64] = [:]
    var random: any RandomNumberGenerator & Sendable
    /// Keys, and what is done with them.
    let security: SignallingSecurity
    /// Tells the tokens of this run from those of earlier ones.
    let run: UInt64
    private(set) var now = Instant.zero
    /// Whether the server is about to stop.
    private var isLeaving = false
    private var outputs = OutputQueue<Output>(keptCapacity: 1_024)

    /// A service without clients.
    ///
    /// - Parameters:
    ///   - security: Keys, and what is done with them. With the state key of an earlier run, peers of that run get their
    ///     places back.
    ///   - startedAt: When the server was started.
    ///   - random: Where tree ids come from. It must be unpredictable, except in tests.
    package init(
        options: SignallingOptions = SignallingOptions(),
        security: SignallingSecurity,
        startedAt: Instant = .zero,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.options = options
        self.security = security
        self.startedAt = startedAt
        var random = random
        run = random.next()
        self.random = random
        tracker = Tracker(options: options.tracker)
    }

    /// When to call ``handle(_:at:)`` again at the latest, or nil if nothing is pending.
    package var deadline: Instant? {
        let waiting = waitingJoins.count > 0 ? restorationEnd : nil
        return [tracker.deadline, summaries.deadline, waiting].compactMap { $0 }.min()
    }

    /// Clients connected now.
    package var clientCount: Int { clients.count }

    /// Trees that are not over.
    package var treeCount: Int { trees.count }

    /// Levels below the source of the deepest tree.
    package var maximumDepth: Int {
        trees.keys.reduce(0) { max($0, (try? tracker.maximumDepth(of: $1)) ?? 0) }
    }

    /// Joins that wait for trees of an earlier run.
    package var waitingCount: Int { waitingJoins.count }

    /// Whether it is a good moment to send more clients here.
    package func readiness(at now: Instant) -> Readiness {
        if isLeaving { return .stopping }
        return security.isStateKept && now < restorationEnd ? .restoring : .ready
    }

    /// Peers in all trees, sources included.
    package var peerCount: Int { members.count }

    /// What placement has done so far.
    package var trackerStatistics: TrackerStatistics { tracker.statistics }

    /// Seconds since 1970.
    var unixTime: UInt64 { options.unixTimeAtZero + now.nanoseconds / 1_000_000_000 }

    /// Takes in what happened.
    package mutating func handle(_ input: Input, at now: Instant) {
        self.now = max(self.now, now)
        // Whatever is due comes before the input, so that it meets the state it would have met in time.
        track(.deadlineReached)
        endWaiting()
        switch input {
        case .connected(let id, let address, let token):
            connect(id, from: address, token: token)
        case .event(let id, let name, let arguments):
            receive(name, arguments, from: id)
        case .disconnected(let id):
            disconnect(id)
        case .asked(let watcher, let question):
            answer(question, to: watcher)
        case .deadlineReached:
            break
        case .goingAway:
            isLeaving = true
            dashboard.endAll()
            for member in members.values where member.isNative && member.isConnected {
                emit(.goingAway, [:], to: member.id)
            }
        }
        sendDueSummaries()
    }

    /// The next event to emit, or nil if all is emitted for now.
    package mutating func nextOutput() -> Output? { outputs.next() }

    // MARK: Sockets

    private mutating func connect(_ id: String, from address: UInt64?, token: String?) {
        guard clients[id] == nil else { return }
        if let address, !addresses.connect(address, options: options, at: now) {
            refuse("connect", .tooManySockets, to: id)
            outputs.append(.disconnect(id: id))
            return
        }
        clients[id] = Client(
            rate: EventRate(burst: options.eventBurst, at: now),
            address: address,
            access: security.access(token)
        )
    }

    private mutating func disconnect(_ id: String) {
        guard let client = clients.removeValue(forKey: id) else { return }
        waitingJoins.remove(id)
        if let address = client.address { addresses.disconnect(address) }
        guard let member = client.member else { return }
        members[member]?.isConnected = false
        dashboard.changed(member)
        track(.signallingLost(member))
    }

    private mutating func receive(_ name: String, _ arguments: [JSONValue], from id: String) {
        guard var client = clients[id] else { return }
        let event = SignallingName(fromClient: name)
        events[event?.string ?? "other", default: 0] += 1
        let isAllowed = client.rate.take(perSecond: options.eventsPerSecond, burst: options.eventBurst, at: now)
        let mayComplain = !isAllowed && client.rate.mayComplain(at: now)
        clients[id] = client
        guard isAllowed else {
            let error = SignallingError(code: "too-fast", message: "Events are dropped: send fewer.")
            if mayComplain { refuse(name, error, to: id) } else { refused(error) }
            return
        }
        do throws(SignallingError) {
            switch event {
            case .discover:
                discover(arguments.first, from: id)
            case .offer:
                try relayOffer(arguments.first, from: try member(of: client))
            case .signal:
                try relaySignal(arguments.first, from: try member(of: client))
            case .reject:
                try relayReject(arguments.first, from: try member(of: client))
            case .attached:
                try attached(arguments.first, from: try nativeMember(of: client))
            case .orphaned:
                try orphaned(arguments.first, from: try nativeMember(of: client))
            case .promoted:
                try promoted(arguments.first, from: try nativeMember(of: client))
            case .childLost:
                try childLost(arguments.first, from: try nativeMember(of: client))
            case .status:
                try status(arguments.first, from: try nativeMember(of: client))
            case .iceServers:
                sendICEServers(to: try nativeMember(of: client))
            case .leave:
                track(.leave(try nativeMember(of: client)))
            default:
                throw SignallingError(code: "unknown-event", message: "The server does not know this event.")
            }
        } catch {
            refuse(name, error, to: id)
        }
    }

    private func member(of client: Client) throws(SignallingError) -> PeerHandle {
        guard let member = client.member else { throw .notAMember }
        return member
    }

    private func nativeMember(of client: Client) throws(SignallingError) -> PeerHandle {
        let member = try member(of: client)
        guard members[member]?.isNative ?? false else { throw .notNative }
        return member
    }

    // MARK: Output

    mutating func say(_ answer: DashboardAnswer, to watcher: Int) {
        outputs.append(.answer(watcher: watcher, answer))
    }

    mutating func probe(_ peer: PeerHandle) {
        if let member = members[peer], member.isConnected { outputs.append(.probe(id: member.id)) }
    }

    mutating func emit(_ event: SignallingName, _ payload: JSONValue, to id: String) {
        outputs.append(.emit(id: id, event: event.string, payload: payload))
    }

    /// Emits to a member that has a socket now.
    mutating func emit(_ event: SignallingName, _ payload: JSONValue, to peer: PeerHandle) {
        guard let member = members[peer], member.isConnected else { return }
        emit(event, payload, to: member.id)
    }

    /// Tells a client why its input was refused. Original clients ignore the event.
    mutating func refuse(_ event: String, _ error: SignallingError, to id: String) {
        refused(error)
        // The name is the client's own text: it must not be echoed without bound.
        let name = event.utf8.count <= options.maximumStringBytes ? event : String(event.prefix(32)) + "…"
        emit(
            .error,
            ["event": .string(name), "code": .string(error.code), "message": .string(error.message)],
            to: id
        )
    }

    /// Counts a refusal. Codes are ours, so there are only so many.
    mutating func refused(_ error: SignallingError) {
        refusals[error.code, default: 0] += 1
    }

    // MARK: The tracker

    /// Feeds the tracker an input that it may refuse only for being out of date, and says what follows.
    mutating func track(_ input: Tracker.Input) {
        try? tracker.handle(input, at: now)
        sayWhatFollows()
    }

    /// Feeds the tracker an input of a client.
    mutating func report(_ input: Tracker.Input) throws(SignallingError) {
        do throws(TrackerError) {
            try tracker.handle(input, at: now)
        } catch {
            throw SignallingError(error)
        }
        sayWhatFollows()
    }

    /// Runs an operation of the tracker that has an answer, and says what else follows from it.
    mutating func ask<Answer>(
        _ operation: (inout Tracker, Instant) throws(TrackerError) -> Answer
    ) throws(SignallingError) -> Answer {
        do throws(TrackerError) {
            return try operation(&tracker, now)
        } catch {
            throw SignallingError(error)
        }
    }

    /// Translates what the tracker has to say.
    mutating func sayWhatFollows() {
        while let output = tracker.nextOutput() { say(output) }
    }
}

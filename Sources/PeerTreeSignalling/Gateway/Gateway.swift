package import JSON
package import PeerTreeCore
import StateMachine

/// Where clients come in: their sockets, how much each and its address may do, who may enter what, and which tree each is
/// in. What happens in a tree is the affair of its ``TreeService``, with which it speaks in messages.
///
/// A state machine without I/O. Nothing a client sends makes it trap or grow without bound; what is refused is answered to
/// the sender alone.
package struct Gateway: Sendable {
    /// What happens.
    package enum Input: Sendable {
        /// A client joined the namespace under a new id, with a token if it has one. The number stands for the network
        /// address it came from, if that is known: what shares limits has the same.
        case connected(id: String, address: UInt64?, token: String?)
        /// A client emitted an event.
        case event(id: String, name: String, arguments: [JSONValue])
        /// A client's socket is gone.
        case disconnected(id: String)
        /// A dashboard asks. Nobody else has its number.
        case asked(watcher: Int, DashboardQuestion)
        /// The service of a tree speaks, in the name of the slot's owner.
        case told(ToGateway, FencingToken)
        /// The services of these nodes have these slots now, and know nobody there yet.
        case learned([Slot: SlotOwner])
        /// The server is about to stop.
        case goingAway
    }

    /// What to do.
    package enum Output: Sendable {
        /// Emit `event` with the one argument `payload` to the client `id`.
        case emit(id: String, event: String, payload: JSONValue)
        /// Ask the client `id` whether it is there, and disconnect it unless it answers within a second.
        case probe(id: String)
        /// Disconnect the client `id`, which was told why.
        case disconnect(id: String)
        /// Tell a dashboard.
        indirect case answer(watcher: Int, DashboardAnswer)
        /// Say this to the tree service of a node, or to all at this node.
        case send(ToTree, to: NodeSession?)
    }

    let options: SignallingOptions
    /// Keys, and what is done with them.
    let security: SignallingSecurity
    var clients: [String: GatewayClient] = [:]
    /// Those that have a place, by its slot.
    private var slotMembers = SlotMembers()
    /// Those that have asked for a place, by socket.
    var pending: [String: PendingEntry] = [:]
    /// Dashboards that were not answered yet, and the tree about which each of them asks.
    var asking: [Int: String] = [:]
    /// Whom it tells what, and whom it believes.
    var owners: SlotOwners
    /// How often clients have asked for a place.
    var wishes: UInt64 = 0
    /// What addresses take, here and at other gateways.
    let addresses: AddressLimits
    /// The addresses for which trees that were made here are counted.
    var treesMade: [String: UInt64] = [:]
    /// Dashboards, and which tree each of them watches.
    var watchers: [Int: String] = [:]
    private var counts = GatewayCounts()
    /// Whether the server is about to stop.
    private(set) var isLeaving = false
    private(set) var now = Instant.zero
    var random: any RandomNumberGenerator & Sendable
    private var outputs = OutputQueue<Output>(keptCapacity: 1_024)

    /// Events that are held for a client while it is not answered.
    private static let mostHeld = 64

    /// A gateway without clients.
    ///
    /// - Parameters:
    ///   - owner: Who has all slots, if they are never another's. Default: nobody, until it is ``Input/learned(_:)``.
    ///   - limits: What it shares with others of its process; new ones if there are none.
    ///   - random: Where tree ids come from. It must be unpredictable, except in tests.
    package init(
        options: SignallingOptions,
        security: SignallingSecurity,
        owner: SlotOwner? = nil,
        limits: SharedLimits? = nil,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.options = options
        self.security = security
        self.random = random
        owners = SlotOwners(all: owner)
        addresses = (limits ?? SharedLimits(options)).addresses
    }

    /// Clients connected now.
    package var clientCount: Int { clients.count }

    /// Whether it knows for every tree whom to ask.
    package var knowsOwners: Bool { owners.areKnown }

    /// How many events of each name came; those of unknown names count as `other`.
    package var events: [String: UInt64] { counts.events }

    /// How many inputs were refused, by code.
    package var refusals: [String: UInt64] { counts.refusals }

    /// Seconds since 1970.
    var unixTime: UInt64 { options.unixTimeAtZero + now.nanoseconds / 1_000_000_000 }

    /// Takes in what happened.
    package mutating func handle(_ input: Input, at now: Instant) {
        self.now = max(self.now, now)
        switch input {
        case .connected(let id, let address, let token): connect(id, from: address, token: token)
        case .event(let id, let name, let arguments): receive(name, arguments, from: id)
        case .disconnected(let id): disconnect(id)
        case .asked(let watcher, let question): pass(question, of: watcher)
        case .told(let message, let fence): if owners.believe(fence) { take(message, fence) }
        case .learned(let news): learn(news)
        case .goingAway: leave()
        }
    }

    /// The next thing to do, or nil if all is done for now.
    package mutating func nextOutput() -> Output? { outputs.next() }

    // MARK: Sockets

    private mutating func connect(_ id: String, from address: UInt64?, token: String?) {
        guard clients[id] == nil else { return }
        if let address, !addresses.connect(address, at: now) {
            refuse("connect", .tooManySockets, to: id)
            outputs.append(.disconnect(id: id))
            return
        }
        clients[id] = GatewayClient(
            rate: EventRate(burst: options.eventBurst, at: now),
            address: address,
            access: security.access(token)
        )
    }

    private mutating func disconnect(_ id: String) {
        guard let client = clients.removeValue(forKey: id) else { return }
        withdraw(id)
        if let tree = client.token?.treeID { slotMembers.remove(id, tree: tree) }
        if let address = client.address { addresses.disconnect(address) }
        if let member = client.member(id) { send(.disconnected(member)) }
    }

    private mutating func learn(_ found: [Slot: SlotOwner]) {
        let news = owners.learn(found)
        if !news.anew.isEmpty { greetOwners(of: news.anew) }
        if !news.whole.isEmpty { goOn(with: news.whole) }
        for message in news.held { send(message) }
    }

    /// Services that have come to have slots know all but who waits for trees to come back, and who watches.
    private mutating func goOn(with slots: Set<Slot>) {
        for id in pending.keys.sorted() where pending[id]?.phase == .waiting {
            if let tree = pending[id]?.entry.tree, slots.contains(Slot(ofTree: tree)) { askAgain(id) }
        }
        endTreesOfOthers(in: slots)
        endAsking(about: slots)
    }

    /// A tree goes on to count for whoever made it as long as its source is here: the new service tells its end to whoever
    /// announces that, or had it.
    private mutating func endTreesOfOthers(in slots: Set<Slot>) {
        let kept = Set(
            slotMembers.members(of: slots).compactMap { clients[$0]?.token }.filter(\.isSource).map(\.treeID)
        )
        for tree in treesMade.keys.sorted() where slots.contains(Slot(ofTree: tree)) && !kept.contains(tree) {
            endTree(tree)
        }
    }

    private mutating func endAsking(about slots: Set<Slot>) {
        for watcher in asking.keys.sorted() where asking[watcher].map({ slots.contains(Slot(ofTree: $0)) }) ?? false {
            pass(.refused(.notWatching), to: watcher)
        }
    }

    /// Services that have come to have slots are told where everybody was there, and asked for whoever was not answered yet.
    private mutating func greetOwners(of slots: Set<Slot>) {
        func isLost(_ tree: String) -> Bool { slots.contains(Slot(ofTree: tree)) }
        // Whoever gives a tree up first waits for the service of that one.
        let waiting = pending.keys.sorted().filter { id in
            guard let entry = pending[id] else { return false }
            let awaited = entry.phase == .releasing ? clients[id]?.token?.treeID : entry.entry.tree
            return awaited.map(isLost) ?? false
        }
        let members = slotMembers.members(of: slots).sorted()
        endTreesOfOthers(in: slots)
        // Sources come first: so no tree is there without its own for long.
        for isSource in [true, false] {
            for id in members where clients[id]?.standing?.value.token.isSource == isSource { announce(id) }
        }
        for id in waiting {
            if pending[id]?.isAbandoned ?? false { giveUp(id) } else { askAgain(id) }
        }
        endAsking(about: slots)
    }

    private mutating func announce(_ id: String) {
        guard let client = clients[id], let standing = client.standing?.value else { return }
        guard !standing.isLeaving else { return unseat(id) }
        send(.announce(Announcement(socket: id, address: client.address, standing: standing)))
    }

    /// A client has no place any more. The tree of a source is over with it.
    mutating func unseat(_ id: String) {
        guard let token = clients[id]?.token else { return }
        seat(id, nil)
        if token.isSource { endTree(token.treeID) }
    }

    /// A client has this place now, or none.
    mutating func seat(_ id: String, _ standing: Standing?) {
        guard let place = clients.index(forKey: id) else { return }
        if let former = clients.values[place].token?.treeID { slotMembers.remove(id, tree: former) }
        if let standing { slotMembers.add(id, tree: standing.token.treeID) }
        clients.values[place].standing = standing.map { Boxed($0) }
    }

    private mutating func leave() {
        isLeaving = true
        send(.goingAway)
        for id in clients.keys.sorted() where clients[id]?.standing?.value.isNative ?? false {
            emit(.goingAway, [:], to: id)
        }
    }

    // MARK: Events

    private mutating func receive(_ name: String, _ arguments: [JSONValue], from id: String) {
        guard let place = clients.index(forKey: id) else { return }
        counts.count(SignallingName(fromClient: name))
        let (rate, burst) = (options.eventsPerSecond, options.eventBurst)
        guard clients.values[place].rate.take(perSecond: rate, burst: burst, at: now) else {
            let mayComplain = clients.values[place].rate.mayComplain(at: now)
            if mayComplain { refuse(name, .tooFast, to: id) } else { refused(.tooFast) }
            return
        }
        guard let entry = pending[id], entry.phase != .waiting else { return dispatch(name, arguments, from: id) }
        guard entry.held.count < Self.mostHeld else { return refuse(name, .tooFast, to: id) }
        pending[id]?.held.append(PendingEntry.Held(name: name, arguments: arguments))
    }

    /// Takes up an event of a client that is not waiting for an answer.
    mutating func dispatch(_ name: String, _ arguments: [JSONValue], from id: String) {
        do throws(SignallingError) {
            guard let event = SignallingName(fromClient: name) else { throw .unknownEvent }
            switch event {
            case .discover: discover(arguments.first, from: id)
            case .iceServers:
                _ = try nativeMember(id)
                sendICEServers(to: id)
            case .leave:
                let member = try nativeMember(id)
                note(event, nil, by: id)
                send(.leave(member))
            case .offer, .signal, .reject: pass(event, try payload(arguments), by: try member(id))
            case .attached, .orphaned, .promoted, .childLost, .status, .pulse:
                pass(event, try payload(arguments), by: try nativeMember(id))
            default: throw .unknownEvent
            }
        } catch {
            refuse(name, error, to: id)
        }
    }

    /// What an event says, if it is not more than a message to the service of the tree may hold.
    private func payload(_ arguments: [JSONValue]) throws(SignallingError) -> JSONValue? {
        guard let payload = arguments.first else { return nil }
        let (bytes, depth) = (options.maximumPayloadBytes, options.maximumPayloadDepth)
        guard payload.fits(bytes: bytes, depth: depth) else {
            throw .badField(
                "The first argument",
                "JSON of at most \(bytes) bytes, nested at most \(depth) deep, without binary parts"
            )
        }
        return payload
    }

    /// Passes an event on to the service of a member's tree.
    private mutating func pass(_ event: SignallingName, _ payload: JSONValue?, by member: MemberSocket) {
        switch event {
        case .signal, .attached, .status, .pulse: break
        default: note(event, payload, by: member.socket)
        }
        send(.event(member, event, payload))
    }

    private mutating func note(_ event: SignallingName, _ payload: JSONValue?, by id: String) {
        let options = options
        clients[id]?.standing?.value.said(event, payload, options: options)
    }

    private func member(_ id: String) throws(SignallingError) -> MemberSocket {
        guard let member = clients[id]?.member(id) else { throw .notAMember }
        return member
    }

    private func nativeMember(_ id: String) throws(SignallingError) -> MemberSocket {
        guard let client = clients[id], let member = client.member(id) else { throw .notAMember }
        guard client.standing?.value.isNative ?? false else { throw .notNative }
        return member
    }

    // MARK: Output

    /// Says something to the service that has the tree. If nobody is known to have it, whoever has will hear it all when that
    /// is learned.
    mutating func send(_ message: ToTree) {
        guard let slot = message.slot else { return outputs.append(.send(message, to: nil)) }
        if owners.isAnyHeld, owners.keep(message, of: slot) { return }
        if let owner = owners.owner(of: slot) { outputs.append(.send(message, to: owner)) }
    }

    mutating func emit(_ event: SignallingName, _ payload: JSONValue, to id: String) {
        outputs.append(.emit(id: id, event: event.string, payload: payload))
    }

    mutating func probe(_ id: String) {
        outputs.append(.probe(id: id))
    }

    mutating func say(_ answer: DashboardAnswer, to watcher: Int) {
        asking[watcher] = nil
        outputs.append(.answer(watcher: watcher, answer))
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

    /// Counts a refusal.
    mutating func refused(_ error: SignallingError) { counts.countRefusal(error.code) }
}

import JSON
package import PeerTreeCore
import StateMachine

/// The trees of a server, or some of them: who is in which, whom each peer is told of, and what passes between two of
/// them. It knows no sockets but by name: those are the affair of the ``Gateway``s, with which it speaks in messages.
///
/// A state machine without I/O. The same messages at the same times make the same answers.
package struct TreeService: Sendable {
    /// What happens.
    package enum Input: Sendable {
        /// A gateway speaks.
        case told(ToTree, by: GatewayID)
        /// A node is gone, and with it every socket that its gateways had.
        case lost(NodeSession)
        /// Whether a node can be reached. While it cannot, its sockets may be there or not: whose they are keeps its place, and gets
        /// no new children.
        case linked(NodeSession, isReachable: Bool)
        /// What other nodes have counts towards the limits of trees and peers.
        case elsewhere(LoadElsewhere)
        /// The service has these slots from now on, in these terms, which are greater than those of whoever had them before.
        /// Members of their trees are announced, or come back by themselves.
        case took([Slot: SlotTerm])
        /// Another service has these slots, or is about to. Of their trees nothing is kept, and nothing more said.
        case letGo(Set<Slot>)
        /// Another service may come to have this slot: nothing is to happen in it from now on. Answered by one
        /// ``Output/snapshot(_:_:_:)``.
        case freeze(Slot)
        /// A slot that was frozen stays here.
        case thaw(Slot)
        /// What the service before this one knew of a slot that this one ``took(_:)``.
        case inherited(Slot, SlotSnapshot)
        /// Clients can reach the service from now on: what it waits for counts from here.
        case reachable
        /// ``TreeService/deadline`` has come.
        case deadlineReached
    }

    /// What to do.
    package enum Output: Sendable {
        /// Say this to a gateway, in the name of the slot's owner.
        case tell(ToGateway, GatewayID, FencingToken)
        /// All that another service needs to go on with a slot that is frozen; nil if it is not, and gateways have to say who is
        /// where.
        indirect case snapshot(Slot, SlotTerm, SlotSnapshot?)
    }

    let options: SignallingOptions
    /// Keys, and what is done with them.
    let security: SignallingSecurity
    private(set) var tracker: Tracker
    var members: [PeerHandle: Member] = [:]
    /// Every id of every member, old ones too.
    var memberIDs: [String: PeerHandle] = [:]
    /// Members by their number, which is the part of a resume token that is not secret.
    var memberNumbers: [UInt64: PeerHandle] = [:]
    var trees: [TreeHandle: TreeEntry] = [:]
    var treeIDs = TreeNames()
    /// What there is to know after an earlier service of these trees was gone.
    var restoration = Restorations()
    var summaries = SummaryQueue()
    /// Who watches trees, and what they have yet to be told.
    var dashboard = DashboardFeed()
    /// Where numbers come from.
    var random: any RandomNumberGenerator & Sendable
    /// What it may have, together with others.
    private(set) var share: QuotaShare
    /// Where its trees may be. Of others it takes nothing: whoever asks for them will hear who has those.
    var slots: SlotTenures
    private(set) var now = Instant.zero
    private var outputs = OutputQueue<Output>(keptCapacity: 1_024)

    /// A service without trees.
    ///
    /// - Parameters:
    ///   - security: Keys, and what is done with them. With the state key of an earlier service, peers of that one get
    ///     their places back.
    ///   - slots: Those that it has.
    ///   - limits: What it shares with others of its process; new ones if there are none.
    ///   - random: Where numbers of members come from.
    package init(
        options: SignallingOptions,
        security: SignallingSecurity,
        slots: SlotTenures,
        limits: SharedLimits? = nil,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.options = options
        self.security = security
        self.slots = slots
        self.random = random
        share = QuotaShare(of: limits ?? SharedLimits(options))
        tracker = Tracker(options: options.tracker)
    }

    /// When to call ``handle(_:at:)`` again at the latest, or nil if nothing is pending.
    package var deadline: Instant? {
        var earliest = tracker.deadline ?? .distantFuture
        if let due = summaries.deadline { earliest = min(earliest, due) }
        if let due = restoration.waitingJoins.deadline { earliest = min(earliest, due) }
        if let due = slots.deadline { earliest = min(earliest, due) }
        return earliest == .distantFuture ? nil : earliest
    }

    /// Trees that are not over.
    package var treeCount: Int { trees.count }

    /// Levels below the source of the deepest tree.
    package var maximumDepth: Int {
        trees.keys.reduce(0) { max($0, (try? tracker.maximumDepth(of: $1)) ?? 0) }
    }

    /// Peers in all trees, sources included.
    package var peerCount: Int { members.count }

    /// Joins that wait for trees of an earlier run.
    package var waitingCount: Int { restoration.waitingJoins.count }

    /// What placement has done so far.
    package var trackerStatistics: TrackerStatistics { tracker.statistics }

    /// Microseconds since 1970.
    var unixMicroseconds: UInt64 { options.unixTimeAtZero * 1_000_000 + now.nanoseconds / 1_000 }

    /// Seconds since 1970.
    var unixTime: UInt64 { options.unixTimeAtZero + now.nanoseconds / 1_000_000_000 }

    /// The same in milliseconds.
    var unixMilliseconds: UInt64 { options.unixTimeAtZero * 1_000 + now.nanoseconds / 1_000_000 }

    /// Takes in what happened.
    package mutating func handle(_ input: Input, at now: Instant) {
        self.now = max(self.now, now)
        // Whatever is due comes before the input, so that it meets the state it would have met in time.
        track(.deadlineReached)
        endWaiting()
        giveUpLateHandOvers()
        switch input {
        case .told(let message, let gateway): take(message, from: gateway)
        case .lost(let node): lose(node)
        case .linked(let node, let isReachable): reach(node, isReachable)
        case .elsewhere(let load): share.count(elsewhere: load)
        case .took(let terms): take(terms)
        case .letGo(let lost): letGo(lost)
        case .freeze(let slot): freeze(slot)
        case .thaw(let slot): if let handOver = slots.handOver(of: slot) { thaw(slot, handOver.term) }
        case .inherited(let slot, let snapshot): inherit(slot, snapshot)
        case .reachable: slots.beginAnew(at: self.now)
        case .deadlineReached: break
        }
        sendDueSummaries()
        share.count(peers: members.count, trees: trees.count, waiting: restoration.waitingJoins.count)
    }

    /// The next message, or nil if all is said for now.
    package mutating func nextOutput() -> Output? { outputs.next() }

    // MARK: Messages

    mutating func take(_ message: ToTree, from gateway: GatewayID) {
        if slots.isAnyLeaving, let slot = message.slot, slots.handOver(of: slot) != nil {
            return keep(message, of: slot, from: gateway)
        }
        switch message {
        case .enter(let entry): enter(entry, from: gateway)
        case .announce(let announcement): announce(announcement, from: gateway)
        case .withdraw(let tree, let socket): withdraw(socket, from: tree)
        case .release(let member, let wish): release(member, for: wish, from: gateway)
        case .leave(let member):
            if let peer = peer(member) { track(.leave(peer)) }
        case .event(let member, let event, let payload): receive(event, payload, from: member)
        case .disconnected(let member):
            if let peer = peer(member) { lostSocket(member.socket, of: peer) }
        case .asked(let tree, let watcher, let question):
            answer(question, of: Slot(ofTree: tree), to: watcher, at: gateway)
        case .goingAway: dashboard.endAll(of: gateway)
        // The slot is frozen no more.
        case .held: break
        }
    }

    /// Whom a message speaks of; nil if the member is gone, or has another socket now.
    func peer(_ member: MemberSocket) -> PeerHandle? {
        guard let peer = memberNumbers[member.number], members[peer]?.id == member.socket else { return nil }
        return peer
    }

    /// Its members may come back by another gateway.
    mutating func lose(_ node: NodeSession) {
        giveUpHandOvers(waitingFor: node, isLost: true)
        restoration.waitingJoins.removeAll(of: node)
        dashboard.removeAll(of: node)
        for (peer, member) in membersConnected(at: node) { lostSocket(member.id, of: peer) }
    }

    private mutating func reach(_ node: NodeSession, _ isReachable: Bool) {
        if !isReachable { giveUpHandOvers(waitingFor: node, isLost: false) }
        for (peer, _) in membersConnected(at: node) {
            track(isReachable ? .signallingResumed(peer) : .signallingUnreachable(peer))
        }
    }

    private func membersConnected(at node: NodeSession) -> [(PeerHandle, Member)] {
        let found = members.filter { $0.value.gateway.node == node && $0.value.isConnected }
        return found.sorted { ($0.key.tree.index, $0.key.index) < ($1.key.tree.index, $1.key.index) }
    }

    mutating func lostSocket(_ socket: String, of peer: PeerHandle) {
        guard let member = members[peer], member.isConnected, member.id == socket else { return }
        members[peer]?.isConnected = false
        dashboard.changed(peer)
        track(.signallingLost(peer))
    }

    private mutating func receive(_ event: SignallingName, _ payload: JSONValue?, from member: MemberSocket) {
        guard let peer = peer(member) else { return }
        do throws(SignallingError) {
            switch event {
            case .offer: try relayOffer(payload, from: peer)
            case .signal: try relaySignal(payload, from: peer)
            case .reject: try relayReject(payload, from: peer)
            case .attached: try attached(payload, from: peer)
            case .orphaned: try orphaned(payload, from: peer)
            case .promoted: try promoted(payload, from: peer)
            case .childLost: try childLost(payload, from: peer)
            case .status: try status(payload, from: peer)
            case .pulse: try pulse(payload, from: peer)
            default: throw .unknownEvent
            }
        } catch {
            refuse(event.string, error, to: peer)
        }
    }

    // MARK: Slots

    private mutating func take(_ terms: [Slot: SlotTerm]) {
        for (slot, term) in terms.sorted(by: { $0.key.number < $1.key.number }) {
            if slots.handOver(of: slot) != nil { thaw(slot, term) } else { slots.begin(slot, term: term, at: now) }
        }
    }

    private mutating func letGo(_ lost: Set<Slot>) {
        for slot in lost { slots.end(slot) }
        for id in lost.flatMap({ treeIDs.ids(in: $0) }).sorted() {
            if let tree = treeIDs[id] { track(.endTree(tree)) }
        }
        restoration.forget(lost)
    }

    // MARK: Output

    /// Says something of a slot's tree, unless that is another service's by now.
    mutating func tell(_ message: ToGateway, of slot: Slot, to gateway: GatewayID) {
        guard let tenure = slots[slot] else { return }
        outputs.append(.tell(message, gateway, FencingToken(slot: slot, term: tenure.term)))
    }

    /// Says something in the name of a term in which the slot may be frozen.
    mutating func say(_ message: ToGateway, to gateway: GatewayID, _ slot: Slot, _ term: SlotTerm) {
        outputs.append(.tell(message, gateway, FencingToken(slot: slot, term: term)))
    }

    mutating func give(_ snapshot: SlotSnapshot?, of slot: Slot, _ term: SlotTerm) {
        outputs.append(.snapshot(slot, term, snapshot))
    }

    mutating func probe(_ peer: PeerHandle) {
        guard let member = members[peer], member.isConnected else { return }
        tell(.probe(member.socket), of: member.slot, to: member.gateway)
    }

    /// Emits to a member that has a socket now.
    mutating func emit(_ event: SignallingName, _ payload: JSONValue, to peer: PeerHandle) {
        guard let member = members[peer], member.isConnected else { return }
        tell(.emit(member.socket, event, payload), of: member.slot, to: member.gateway)
    }

    /// Tells a member why something it said was not taken.
    mutating func refuse(_ event: String, _ error: SignallingError, to peer: PeerHandle) {
        guard let member = members[peer] else { return }
        tell(.refuse(member.socket, event: event, error), of: member.slot, to: member.gateway)
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

    /// A tree goes on elsewhere.
    mutating func forget(_ tree: TreeHandle) { try? tracker.drop(tree) }

    /// Goes on with a tree; nil if there can be none such, or not one more.
    mutating func adopt(_ shape: TreeSnapshot) -> [PeerHandle]? { try? tracker.adopt(shape, at: now) }

    /// Translates what the tracker has to say.
    mutating func sayWhatFollows() {
        while let output = tracker.nextOutput() { say(output) }
    }
}

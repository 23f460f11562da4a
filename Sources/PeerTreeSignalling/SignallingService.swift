package import JSON
package import PeerTreeCore
import StateMachine

/// Introduces peers to each other: simple-signal 2.x and the events of peer-tree beside it, over any transport that
/// delivers Socket.IO events. A ``Gateway`` and a ``TreeService`` in one place, which hand each other their messages at
/// once. A server has one of these, or several on loops of their own, each with some of the sockets and those trees whose
/// ``Slot`` falls to it; what they say to each other is output of one and input of the other, and must keep its order. The
/// services of a cluster's nodes speak with each other in the same way.
///
/// A state machine without I/O. Feed what happens to ``handle(_:at:)``, then drain ``nextOutput()`` until it returns
/// nil; call ``handle(_:at:)`` with ``Input/deadlineReached`` when ``deadline`` has come.
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
        /// Another part of the server speaks, or another node.
        case told(PartMessage)
        /// This node has these slots from now on, in these terms. All parts hear it before one of them hears who owns them
        /// (``learned(_:)``).
        case took([Slot: SlotTerm])
        /// Another node has these slots, or is about to.
        case letGo(Set<Slot>)
        /// Another node may come to have this slot: it is to be frozen. Answered by ``Output/snapshot(_:_:_:)``.
        case freeze(Slot)
        /// A slot that was frozen stays here.
        case thaw(Slot)
        /// What the node that had a slot before this one knew of it. It comes between ``took(_:)`` and ``learned(_:)``.
        indirect case inherited(Slot, SlotSnapshot)
        /// These nodes have these slots now.
        case learned([Slot: SlotOwner])
        /// Another node is gone, or what it has said may not be all.
        case lost(NodeSession)
        /// Whether another node can be reached.
        case linked(NodeSession, isReachable: Bool)
        /// What other nodes have counts towards the limits of trees and peers.
        case elsewhere(LoadElsewhere)
        /// ``SignallingService/deadline`` has come.
        case deadlineReached
        /// Clients can come from now on. A server says it once it listens; until then, waiting counts from its start.
        case reachable
        /// The server is about to stop.
        case goingAway
    }

    /// Whether a server has all its trees.
    package enum Readiness: String, Sendable {
        case ready
        /// It was started with a key that was kept, and peers of an earlier run may be about to come back; or it has not yet
        /// learned who of its cluster has which slot.
        case restoring
        case stopping
    }

    /// What to do at the sockets.
    package enum Output: Sendable {
        /// Emit `event` with the one argument `payload` to the client `id`.
        case emit(id: String, event: String, payload: JSONValue)
        /// Ask the client `id` whether it is there, and disconnect it unless it answers within a second.
        case probe(id: String)
        /// Disconnect the client `id`, which was told why.
        case disconnect(id: String)
        /// Tell a dashboard.
        indirect case answer(watcher: Int, DashboardAnswer)
        /// Tell the part of the server that has this number.
        case tell(PartMessage, part: Int)
        /// Tell another node.
        case send(NodeMessage, to: NodeSession)
        /// What another node needs to go on with a slot that was to be frozen; nil if it is not.
        indirect case snapshot(Slot, SlotTerm, SlotSnapshot?)
    }

    /// The sockets.
    package private(set) var gateway: Gateway
    /// The trees.
    package private(set) var tree: TreeService
    private let part: SignallingPart
    /// Whether its slots are its own for as long as it lives.
    private let isAlone: Bool
    private var outputs = OutputQueue<Output>(keptCapacity: 1_024)
    /// When to call ``handle(_:at:)`` again at the latest, or nil if nothing is pending. Kept, since whoever drives the service
    /// asks after every event.
    package private(set) var deadline: Instant?

    /// A service without clients.
    ///
    /// - Parameters:
    ///   - security: Keys, and what is done with them. With the state key of an earlier run, peers of that run get their
    ///     places back.
    ///   - term: That of all slots, for good; nil in a cluster, where slots are ``Input/took(_:)`` and
    ///     ``Input/learned(_:)``.
    ///   - startedAt: When the server was started.
    ///   - part: Which of a server's services this is. Default: the only one.
    ///   - limits: What it shares with the others.
    ///   - random: Where ids of trees and numbers of members come from. It must be unpredictable, except in tests.
    package init(
        options: SignallingOptions = SignallingOptions(),
        security: SignallingSecurity,
        term: SlotTerm?,
        startedAt: Instant = .zero,
        part: SignallingPart = .whole,
        limits: SharedLimits? = nil,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.part = part
        isAlone = term != nil
        let limits = limits ?? SharedLimits(options)
        gateway = Gateway(
            options: options,
            security: security,
            owner: term.map { SlotOwner(.here, term: $0) },
            limits: limits,
            random: random
        )
        tree = TreeService(
            options: options,
            security: security,
            slots: term.map { SlotTenures(all: $0, since: startedAt) } ?? SlotTenures(),
            limits: limits,
            random: random
        )
    }

    /// Whether it is a good moment to send more clients here.
    package func readiness(at now: Instant) -> Readiness {
        if gateway.isLeaving { return .stopping }
        let isIncomplete = isAlone ? tree.isRestoring(at: now) : !gateway.knowsOwners
        return isIncomplete ? .restoring : .ready
    }

    /// What there is here.
    package var list: TreeList {
        TreeList(
            clients: gateway.clientCount,
            treeCount: tree.treeCount,
            peers: tree.peerCount,
            largest: tree.largestTrees(DashboardTree.mostListed)
        )
    }

    /// Takes in what happened.
    package mutating func handle(_ input: Input, at now: Instant) {
        defer { deadline = tree.deadline }
        // Whatever is due comes before the input, so that it meets the state it would have met in time.
        if let deadline, deadline <= now {
            pass(TreeService.Input.deadlineReached, at: now)
        }
        switch input {
        case .connected(let id, let address, let token):
            pass(.connected(id: id, address: address, token: token), at: now)
        case .event(let id, let name, let arguments): pass(.event(id: id, name: name, arguments: arguments), at: now)
        case .disconnected(let id): pass(.disconnected(id: id), at: now)
        case .asked(let watcher, let question): pass(.asked(watcher: watcher, question), at: now)
        case .told(.toTree(let message, let gateway)): pass(TreeService.Input.told(message, by: gateway), at: now)
        case .told(.toGateway(let message, let fence)): pass(.told(message, fence), at: now)
        case .took(let terms):
            let own = terms.filter { isHere($0.key) }
            if !own.isEmpty { pass(TreeService.Input.took(own), at: now) }
        case .letGo(let slots): pass(TreeService.Input.letGo(slots), at: now)
        case .freeze(let slot): if isHere(slot) { pass(TreeService.Input.freeze(slot), at: now) }
        case .thaw(let slot): if isHere(slot) { pass(TreeService.Input.thaw(slot), at: now) }
        case .inherited(let slot, let snapshot):
            if isHere(slot) { pass(TreeService.Input.inherited(slot, snapshot), at: now) }
        case .learned(let owners): pass(.learned(owners), at: now)
        case .lost(let node): pass(TreeService.Input.lost(node), at: now)
        case .linked(let node, let isReachable):
            pass(TreeService.Input.linked(node, isReachable: isReachable), at: now)
        case .elsewhere(let load):
            // All parts hear it, and have one count: one of them writes it down.
            if part.number == 0 { pass(TreeService.Input.elsewhere(load), at: now) }
        case .deadlineReached: break
        case .reachable: pass(TreeService.Input.reachable, at: now)
        case .goingAway: pass(.goingAway, at: now)
        }
    }

    /// The next thing to do, or nil if all is done for now.
    package mutating func nextOutput() -> Output? { outputs.next() }

    /// Whether the trees of a slot are this part's, if they are this server's.
    private func isHere(_ slot: Slot) -> Bool { part.part(of: slot) == part.number }

    // MARK: Messages

    private mutating func pass(_ input: Gateway.Input, at now: Instant) {
        gateway.handle(input, at: now)
        carryOut(at: now)
    }

    private mutating func pass(_ input: TreeService.Input, at now: Instant) {
        hand(input, at: now)
        carryOut(at: now)
    }

    /// Does what the gateway wants done.
    private mutating func carryOut(at now: Instant) {
        while let output = gateway.nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                outputs.append(.emit(id: id, event: event, payload: payload))
            case .probe(let id): outputs.append(.probe(id: id))
            case .disconnect(let id): outputs.append(.disconnect(id: id))
            case .answer(let watcher, let answer): outputs.append(.answer(watcher: watcher, answer))
            case .send(let message, let node):
                guard let node, node != .here else {
                    deliver(message, at: now)
                    continue
                }
                outputs.append(.send(.toTree(message, from: part.gateway.number), to: node))
            }
        }
    }

    /// Says something to the part that has the tree, or to all.
    private mutating func deliver(_ message: ToTree, at now: Instant) {
        let parts = message.slot.map { part.part(of: $0) }.map { $0..<$0 + 1 } ?? 0..<part.count
        for number in parts {
            if number == part.number {
                hand(.told(message, by: part.gateway), at: now)
            } else {
                outputs.append(.tell(.toTree(message, by: part.gateway), part: number))
            }
        }
    }

    private mutating func hand(_ input: TreeService.Input, at now: Instant) {
        tree.handle(input, at: now)
        while let output = tree.nextOutput() {
            switch output {
            case .tell(let message, let name, let fence): say(message, to: name, fence, at: now)
            case .snapshot(let slot, let term, let snapshot): outputs.append(.snapshot(slot, term, snapshot))
            }
        }
    }

    private mutating func say(_ message: ToGateway, to name: GatewayID, _ fence: FencingToken, at now: Instant) {
        if name.node != .here {
            outputs.append(.send(.toGateway(message, number: name.number, fence), to: name.node))
        } else if name == part.gateway {
            gateway.handle(.told(message, fence), at: now)
        } else {
            outputs.append(.tell(.toGateway(message, fence), part: Int(name.number)))
        }
    }
}

package import NodeLinks
package import PeerTreeSignalling
package import PeerTreeSignallingWire
import StateMachine

/// One node among those of its cluster: which others there are, who of them has which slot, and what goes to whom.
///
/// A node learns from etcd which others there are, links them, and hears from themselves what they own: each greets the
/// others at the beginning of a session, names its slots and their terms, and names those that it comes to have. What is said
/// in the name of an owner that is none any more is left out, and whoever says it is told. A session that ends is as the death
/// of the other node's gateways and services: those of the next are new, and each side tells the other anew who is where.
///
/// A state machine without I/O: hand inputs to ``handle(_:)``, and drain ``nextOutput()``.
package struct ClusterNode: Sendable {
    package enum Input: Sendable {
        /// What the node's ``SlotOwnership`` has to say, in its order.
        case ownership([SlotOwnership.Output])
        /// What the link to a node has to say; nil stands for strangers.
        case link(NodeName?, LinkEvent)
        /// A frame for another node, if it is still that.
        case send([UInt8], to: NodeSession)
        /// A loop has frozen a slot, as it was told to; nil if it could not.
        case frozen(FencingToken, FrozenSlot?)
        /// A message of another node could not be read, for this reason.
        case unreadable(NodeSession, String)
        /// What the server has now; to be said every few seconds.
        case report(TreeList)
        /// This node is about to stop.
        case leaving
    }

    package enum Output: Sendable {
        /// Keep a link to that node, at this address.
        case link(NodeName, LinkAddress)
        case unlink(NodeName)
        case send(NodeName, [UInt8])
        /// Tell every loop of the server.
        case tell(SignallingService.Input)
        /// Hand these to the services of trees, in their order, as said by a gateway.
        case toTrees([LetterToTree], by: GatewayID)
        /// Hand these to the gateway of this number, in their order.
        case toGateway([LetterToGateway], number: UInt32, from: NodeSession)
        case ownership(SlotOwnership.Input)
        case noticed(ClusterNotice)
    }

    let me: NodeID
    let version: String?
    let options: SignallingOptions
    var nodes: [NodeName: LinkedNode] = [:]
    /// Whose session a number is.
    var sessions: [NodeSession: NodeName] = [:]
    private var lastSession = NodeSession.here
    /// What this node owns.
    var own: [Slot: SlotTerm] = [:]
    /// Who has each slot, in the greatest terms that were heard of.
    var owners: [Slot: SlotOwner] = [:]
    /// What it has offered to others, and what they have sent of what it may come to own.
    var outgoing = OutgoingSnapshots()
    var incoming = IncomingSnapshots()
    /// What this node says of itself.
    private(set) var report = NodeReport(clients: 0, trees: 0, peers: 0, isConfirmed: false, isLeaving: false)
    /// What the others have, as the server has heard.
    private var elsewhere = LoadElsewhere.none
    /// What has happened.
    var counts = ClusterCounts()
    var outputs = OutputQueue<Output>()

    /// - Parameter version: Of this program, for people.
    package init(_ me: NodeID, version: String?, options: SignallingOptions) {
        self.me = me
        self.version = version
        self.options = options
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input) {
        switch input {
        case .ownership(let news):
            var new: [Slot: SlotTerm] = [:]
            for output in news { take(output, owning: &new) }
            tellOwned(&new)
        case .link(let name?, let event): take(event, of: name)
        case .link(nil, .refused(let refusal, let refuser)): notice(.refused(nil, refusal, by: refuser))
        case .link(nil, _): break
        case .send(let frame, let session): if let name = sessions[session] { outputs.append(.send(name, frame)) }
        case .frozen(let fence, let frozen): offer(fence, frozen)
        case .unreadable(let session, let words): if let name = sessions[session] { notice(.unreadable(name, words)) }
        case .leaving:
            report.isLeaving = true
            sendToAll(.report(report))
        case .report(let list): tellReport(list)
        }
    }

    mutating func notice(_ notice: ClusterNotice) {
        counts.count(notice)
        outputs.append(.noticed(notice))
    }

    mutating func send(_ frame: NodeFrame, to name: NodeName) { outputs.append(.send(name, frame.written())) }

    // MARK: What this node owns

    /// - Parameter new: What it has come to own, and has not told yet.
    private mutating func take(_ output: SlotOwnership.Output, owning new: inout [Slot: SlotTerm]) {
        switch output {
        case .owns(let slot, let term): new[slot] = term
        case .letsGo(let slot):
            tellOwned(&new)
            own[slot] = nil
            outgoing[slot] = nil
            outputs.append(.tell(.letGo([slot])))
            notice(.letsGo(slot))
        case .offer(let slot, let term, let node):
            tellOwned(&new)
            prepareOffer(of: slot, term, to: node)
        case .keeps(let slot):
            tellOwned(&new)
            withdrawOffer(of: slot)
        case .decline(let slot, let term, let node):
            incoming.remove(slot)
            say(.declined(FencingToken(slot: slot, term: term)), to: node)
        case .joined(let node, let address): join(node, at: address)
        case .left(let node): leave(node)
        case .confirmed(let isConfirmed):
            report.isConfirmed = isConfirmed
            notice(.confirmed(isConfirmed))
        case .noticed(let news): notice(.ownership(news))
        case .ask, .watch: break
        }
    }

    private mutating func say(_ frame: NodeFrame, to node: NodeID) {
        guard let name = NodeName(node.name), nodes[name]?.greeted?.id == node else { return }
        send(frame, to: name)
    }

    /// All parts of the server have a slot before any of them, or another node, says something to whoever has it.
    private mutating func tellOwned(_ new: inout [Slot: SlotTerm]) {
        guard !new.isEmpty else { return }
        defer { new = [:] }
        counts.termChanges += UInt64(new.count)
        outputs.append(.tell(.took(new)))
        var inherited: [Slot: SlotTerm] = [:]
        for (slot, term) in new.sorted(by: { $0.key.number < $1.key.number }) {
            if let known = own[slot] {
                // It was this node's all the time.
                inherited[slot] = known
            } else if let known = inherit(slot) {
                inherited[slot] = known.term
                counts.inherited += 1
                outputs.append(.tell(.inherited(slot, known.snapshot)))
            }
            own[slot] = term
            outgoing[slot] = nil
            owners[slot] = SlotOwner(.here, term: term, inherited: inherited[slot])
        }
        outputs.append(.tell(.learned(owners.filter { new[$0.key] != nil })))
        sendToAll(.owned(Self.fences(new), inherited: Self.fences(inherited)))
        notice(.owns(Self.fences(new)))
    }

    private mutating func sendToAll(_ frame: NodeFrame) {
        for name in nodes.keys.sorted() where nodes[name]?.hasSession ?? false { send(frame, to: name) }
    }

    private mutating func tellReport(_ list: TreeList) {
        report.clients = UInt64(clamping: list.clients)
        report.trees = UInt64(clamping: list.treeCount)
        report.peers = UInt64(clamping: list.peers)
        report.largest = list.largest
        sendToAll(.report(report))
    }

    /// The server hears what all others have together, whenever that is something else. What a node has counts until the node is
    /// gone, reachable or not: its trees are there.
    mutating func countElsewhere() {
        let all = nodes.values.compactMap(\.report).reduce(into: TreeList()) { $0.add(TreeList($1)) }
        let total = LoadElsewhere(trees: all.treeCount, peers: all.peers)
        guard total != elsewhere else { return }
        elsewhere = total
        outputs.append(.tell(.elsewhere(total)))
    }

    private static func fences(_ slots: [Slot: SlotTerm]) -> [FencingToken] {
        slots.map { FencingToken(slot: $0.key, term: $0.value) }.sorted { $0.slot.number < $1.slot.number }
    }

    // MARK: Which nodes there are

    private mutating func join(_ node: NodeID, at text: String) {
        guard let name = NodeName(node.name), let address = LinkAddress(text) else {
            return notice(.badAddress(node, text))
        }
        nodes[name, default: LinkedNode()].registered = node
        nodes[name]?.address = text
        outputs.append(.link(name, address))
        notice(.joined(node, address: text))
    }

    private mutating func leave(_ node: NodeID) {
        guard let name = NodeName(node.name), nodes[name]?.registered == node else { return }
        nodes[name]?.registered = nil
        notice(.left(node))
        forgetIfGone(name)
    }

    /// A node that is not registered is gone if it cannot be reached: a store that stalls ends no node that lives.
    mutating func forgetIfGone(_ name: NodeName) {
        guard let node = nodes[name], node.registered == nil, !node.isReachable else { return }
        endSession(of: name)
        nodes[name] = nil
        countElsewhere()
        outputs.append(.unlink(name))
    }

    // MARK: Sessions

    mutating func beginSession(with name: NodeName) {
        endSession(of: name)
        nodes[name]?.hasSession = true
        send(.greeting(run: me.run, version: version), to: name)
        send(.owned(Self.fences(own), inherited: []), to: name)
        send(.report(report), to: name)
    }

    mutating func greet(_ name: NodeName, run: UInt64, version: String?) {
        guard nodes[name]?.greeted == nil, let id = NodeID(name: name.description, run: run) else { return }
        lastSession.number += 1
        sessions[lastSession] = name
        nodes[name]?.greeted = (id, lastSession)
        nodes[name]?.version = version
        // It says next what this life of it has.
        nodes[name]?.report = nil
        outputs.append(.ownership(.reachable(id, true)))
        notice(.met(id, version: version))
    }

    mutating func endSession(of name: NodeName) {
        nodes[name]?.hasSession = false
        guard let (id, session) = nodes[name]?.greeted else { return }
        nodes[name]?.greeted = nil
        sessions[session] = nil
        incoming.removeAll(of: session)
        forgetOffers(to: id)
        outputs.append(.tell(.lost(session)))
        outputs.append(.ownership(.reachable(id, false)))
    }

    /// What a frame of another node is.
    func read(_ bytes: [UInt8]) throws(WrittenFormError) -> NodeFrame {
        try NodeFrame(written: bytes, options: options)
    }
}

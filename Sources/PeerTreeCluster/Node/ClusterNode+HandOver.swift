import NodeLinks
import PeerTreeSignalling
import PeerTreeSignallingWire
import StateMachine

// Slots go from one living node to another with all that is known of their trees.

extension ClusterNode {
    // MARK: The node that gives

    /// The slot is to be offered, once it is frozen.
    mutating func prepareOffer(of slot: Slot, _ term: SlotTerm, to node: NodeID) {
        guard own[slot] == term, name(of: node) != nil else { return }
        outgoing[slot] = OutgoingSnapshots.Offer(node: node, term: term)
        outputs.append(.tell(.freeze(slot)))
    }

    /// The slot is frozen, or could not be.
    mutating func offer(_ fence: FencingToken, _ frozen: FrozenSlot?) {
        guard let offer = outgoing[fence.slot], offer.term == fence.term, let name = name(of: offer.node) else {
            return
        }
        if let frozen, outgoing.send(frozen.byteCount, of: fence.slot) {
            send(.snapshot(fence, gateways: frozen.gateways.map { self.name(of: $0) }), to: name)
            for part in frozen.parts { send(.piece(fence, part), to: name) }
        }
        outgoing[fence.slot]?.isMade = true
        send(.offered(fence), to: name)
    }

    /// The offer is void.
    mutating func withdrawOffer(of slot: Slot) {
        guard outgoing[slot] != nil else { return }
        outgoing[slot] = nil
        outputs.append(.tell(.thaw(slot)))
    }

    /// What a node was to be offered stays. What it was offered stays frozen, whatever became of the link: the node may take it
    /// as it was frozen, until the ownership has withdrawn the offer at etcd.
    mutating func forgetOffers(to node: NodeID) {
        for slot in outgoing.slots(toBeOfferedTo: node) { withdrawOffer(of: slot) }
    }

    private func name(of node: NodeID) -> NodeName? {
        NodeName(node.name).flatMap { nodes[$0]?.greeted?.id == node ? $0 : nil }
    }

    private func name(of gateway: GatewayID?) -> GatewayName {
        guard let gateway else { return GatewayName(node: nil, number: 0) }
        let node = gateway.node == .here ? me : sessions[gateway.node].flatMap { nodes[$0]?.greeted?.id }
        return GatewayName(node: node.map { ($0.name, $0.run) }, number: gateway.number)
    }

    // MARK: The node that takes

    mutating func receive(_ part: [UInt8], of fence: FencingToken, from name: NodeName, _ session: NodeSession) {
        do throws(WrittenFormError) {
            try incoming.add(part, to: fence, from: session, options)
        } catch {
            notice(.unreadable(name, "\(error)"))
        }
    }

    /// What is known of a slot that is this node's now: it was frozen in the greatest term that was heard of.
    mutating func inherit(_ slot: Slot) -> (term: SlotTerm, snapshot: SlotSnapshot)? {
        guard let received = incoming.remove(slot), received.term == owners[slot]?.term else { return nil }
        var snapshot = received.slot
        snapshot.gateways = received.gateways.map { gateway(named: $0) }
        return (received.term, snapshot)
    }

    private func gateway(named name: GatewayName) -> GatewayID? {
        guard let node = name.node, let id = NodeID(name: node.name, run: node.run) else { return nil }
        if id == me { return GatewayID(name.number) }
        guard let known = NodeName(id.name).flatMap({ nodes[$0]?.greeted }), known.id == id else { return nil }
        return GatewayID(name.number, at: known.session)
    }
}

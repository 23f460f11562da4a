import PeerTreeCore

/// Giving the trees of a slot to another service as they are, so that nobody has to say anew where it was.
///
/// The slot is frozen, and gateways with members in it are told. Each says that it has heard that, and keeps what it would say
/// next until the slot has an owner again: so all that it was told before has come, and all that it has said is in the
/// snapshot. If one does not answer, or its members cannot be told, the slot goes without a snapshot: gateways then say who
/// was where (``ToTree/announce(_:)``), as after a death.
extension TreeService {
    // MARK: The service that has it

    mutating func freeze(_ slot: Slot) {
        guard let tenure = slots[slot] else { return }
        guard let snapshot = takeOut(slot) else { return give(nil, of: slot, tenure.term) }
        let handOver = HandOver(snapshot, term: tenure.term, at: now)
        slots.suspend(slot, handOver)
        for gateway in handOver.awaited.sorted() { say(.hold, to: gateway, slot, tenure.term) }
        giveIfWhole(slot)
    }

    /// The trees of a slot, which are here no more; nil if one of them is being rebuilt or has members of whom nobody can
    /// tell.
    private mutating func takeOut(_ slot: Slot) -> SlotSnapshot? {
        var snapshot = SlotSnapshot()
        var taken: [[PeerHandle]] = []
        guard !restoration.waitingJoins.isWaiting(for: slot) else { return nil }
        for id in treeIDs.ids(in: slot) {
            guard let tree = treeIDs[id], let found = try? tracker.snapshot(of: tree, at: now),
                found.tree.peers.allSatisfy({ $0.signalling != .unreachable }),
                let known = self.snapshot(of: tree, found.tree, found.peers, &snapshot)
            else { return nil }
            snapshot.trees.append(known)
            taken.append(found.peers)
        }
        for peers in taken { drop(peers) }
        return snapshot
    }

    private func snapshot(
        of tree: TreeHandle,
        _ shape: TreeSnapshot,
        _ peers: [PeerHandle],
        _ snapshot: inout SlotSnapshot
    ) -> SlotSnapshot.Tree? {
        guard let entry = trees[tree] else { return nil }
        var known = SlotSnapshot.Tree(
            id: entry.id,
            isEncrypted: entry.isEncrypted,
            key: entry.key,
            origin: entry.origin.map { snapshot.place(of: $0) },
            activity: entry.activity,
            shape: shape
        )
        let places = Dictionary(uniqueKeysWithValues: zip(peers, peers.indices))
        for peer in peers {
            guard let member = members[peer] else { return nil }
            var copy = SlotSnapshot.Member(
                gateway: member.isConnected ? snapshot.place(of: member.gateway) : nil,
                ids: member.ids,
                number: member.number,
                tokenExpiry: member.tokenExpiry,
                statusInterval: member.statusInterval,
                report: member.report
            )
            copy.sessions = member.begun.compactMap { id in
                guard let session = member.sessions[id], let other = places[session.other],
                    let back = members[session.other]?.sessions[id]
                else { return nil }
                return SlotSnapshot.Session(id: id, other: other, otherID: session.otherID, ownID: back.otherID)
            }
            known.members.append(copy)
        }
        return known
    }

    /// Forgets a tree without a word.
    private mutating func drop(_ peers: [PeerHandle]) {
        guard let tree = peers.first?.tree else { return }
        for peer in peers {
            guard let member = members.removeValue(forKey: peer) else { continue }
            memberNumbers[member.number] = nil
            for id in member.ids where memberIDs[id] == peer { memberIDs[id] = nil }
        }
        if let id = trees.removeValue(forKey: tree)?.id { treeIDs[id] = nil }
        dashboard.ended(tree)
        forget(tree)
    }

    /// Something comes from a gateway while the slot is frozen.
    mutating func keep(_ message: ToTree, of slot: Slot, from gateway: GatewayID) {
        guard case .held = message else { return slots.update(slot) { $0.keep(message, from: gateway) } }
        slots.update(slot) { $0.answered(gateway) }
        giveIfWhole(slot)
    }

    private mutating func giveIfWhole(_ slot: Slot) {
        guard let handOver = slots.handOver(of: slot), !handOver.isGivenOut, handOver.awaited.isEmpty else { return }
        slots.update(slot) { $0.isGivenOut = true }
        give(handOver.snapshot, of: slot, handOver.term)
    }

    /// The slot stays, or the other service gets it without a snapshot.
    private mutating func giveUp(_ slot: Slot, _ handOver: HandOver) {
        thaw(slot, handOver.term)
        give(nil, of: slot, handOver.term)
    }

    mutating func giveUpLateHandOvers() {
        for (slot, handOver) in slots.lateHandOvers(at: now) { giveUp(slot, handOver) }
    }

    /// A node is gone, or cannot be reached: its gateways answer no more.
    mutating func giveUpHandOvers(waitingFor node: NodeSession, isLost: Bool) {
        for (slot, handOver) in slots.handOvers {
            if isLost { slots.update(slot) { $0.lost.insert(node) } }
            let isAwaited = handOver.awaited.contains { $0.node == node }
            if !handOver.isGivenOut, isAwaited { giveUp(slot, handOver) }
        }
    }

    /// The slot stays here: what has been said since it was frozen is taken up.
    mutating func thaw(_ slot: Slot, _ term: SlotTerm) {
        guard let handOver = slots.resume(slot, term: term, at: now) else { return }
        let snapshot = handOver.snapshot
        for gateway in snapshot.gateways.compactMap({ $0 }) { say(.carryOn, to: gateway, slot, term) }
        adopt(snapshot)
        for node in handOver.lost.sorted() { lose(node) }
    }

    // MARK: The service that comes to have it

    /// Goes on with what another service has had.
    mutating func inherit(_ slot: Slot, _ snapshot: SlotSnapshot) {
        guard slots[slot] != nil, snapshot.trees.allSatisfy({ Slot(ofTree: $0.id) == slot }) else { return }
        adopt(snapshot)
    }

    private mutating func adopt(_ snapshot: SlotSnapshot) {
        for tree in snapshot.trees { adopt(tree, snapshot.gateways) }
        for letter in snapshot.letters {
            if let gateway = snapshot.gateway(letter.gateway) { take(letter.message, from: gateway) }
        }
    }

    private mutating func adopt(_ known: SlotSnapshot.Tree, _ gateways: [GatewayID?]) {
        guard treeIDs[known.id] == nil, known.members.count == known.shape.peers.count,
            let peers = adopt(known.shape), let source = peers.first
        else { return turnAway(known, gateways) }
        treeIDs[known.id] = source.tree
        var entry = TreeEntry(id: known.id, source: source, layout: known.shape.layout)
        entry.isEncrypted = known.isEncrypted
        entry.key = known.key
        entry.origin = known.origin.flatMap { gateways.indices.contains($0) ? gateways[$0] : nil }
        entry.activity = known.activity
        trees[source.tree] = entry
        for (place, peer) in peers.enumerated() { register(peer, known, place, gateways) }
        for (peer, member) in zip(peers, known.members) { addSessions(of: peer, member, peers) }
        sayWhatFollows()
        for (place, peer) in peers.enumerated() where known.shape.peers[place].signalling == .connected {
            if members[peer]?.isConnected == false { track(.signallingLost(peer)) }
        }
        summarySoon(source.tree)
    }

    /// There can be no such tree here: its members hear that they have no place.
    private mutating func turnAway(_ known: SlotSnapshot.Tree, _ gateways: [GatewayID?]) {
        for (member, peer) in zip(known.members, known.shape.peers) {
            guard let place = member.gateway, gateways.indices.contains(place), let gateway = gateways[place],
                let id = member.ids.last
            else { continue }
            turnAway(
                MemberSocket(tree: known.id, number: member.number, socket: id),
                isNative: peer.isNative,
                at: gateway
            )
        }
    }

    private mutating func register(
        _ peer: PeerHandle,
        _ tree: SlotSnapshot.Tree,
        _ place: Int,
        _ gateways: [GatewayID?]
    ) {
        let (known, shape) = (tree.members[place], tree.shape.peers[place])
        let gateway = known.gateway.flatMap { gateways.indices.contains($0) ? gateways[$0] : nil }
        var member = Member(
            id: "",
            tree: tree.id,
            gateway: gateway ?? GatewayID(0),
            isNative: shape.isNative,
            stripes: tree.shape.layout.stripes,
            number: known.number,
            statusInterval: options.statusInterval
        )
        member.isConnected = gateway != nil && shape.signalling == .connected
        member.tokenExpiry = known.tokenExpiry
        member.statusInterval = known.statusInterval
        member.report = known.report
        for id in known.ids { _ = member.rename(id) }
        members[peer] = member
        memberNumbers[known.number] = peer
        for id in known.ids where id == member.id || memberIDs[id] == nil { memberIDs[id] = peer }
    }

    private mutating func addSessions(of peer: PeerHandle, _ known: SlotSnapshot.Member, _ peers: [PeerHandle]) {
        for session in known.sessions where peers.indices.contains(session.other) {
            let other = peers[session.other]
            guard other != peer, members[other]?.sessions[session.id] == nil else { continue }
            members[peer]?.add(Session(other: other, otherID: session.otherID, isInitiator: true), id: session.id)
            members[other]?.add(Session(other: peer, otherID: session.ownID, isInitiator: false), id: session.id)
        }
    }
}

extension SlotSnapshot {
    fileprivate func gateway(_ place: Int) -> GatewayID? { gateways.indices.contains(place) ? gateways[place] : nil }
}

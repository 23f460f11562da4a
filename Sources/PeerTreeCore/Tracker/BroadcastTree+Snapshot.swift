/// Going on with a tree that another tracker has had.
extension BroadcastTree {
    /// The tree as it is, and its peers in the order in which they are in it; nil while it is being rebuilt, so that nobody
    /// knows who hangs where.
    func snapshot(at now: Instant) -> (tree: TreeSnapshot, peers: [PeerHandle])? {
        guard restorations.isEmpty else { return nil }
        var order: [Int32] = []
        order.reserveCapacity(peerCount)
        var places = Array(repeating: -1, count: peers.count)
        var current = SpanningTree.source
        while current != SpanningTree.none {
            places[Int(current)] = order.count
            order.append(current)
            current = peers[Int(current)].next
        }
        func place(_ peer: Int32?) -> Int? {
            guard let peer, peer != SpanningTree.none else { return nil }
            return places[Int(peer)]
        }
        let list = order.map { peer in
            let record = peers[Int(peer)]
            return TreeSnapshot.Peer(
                isNative: record.isNative,
                origin: record.origin,
                age: now - record.joinedAt,
                signalling: record.hasLostSignalling ? .lost : record.isSuspect ? .unreachable : .connected,
                standby: place(stripes.count == 1 ? standbys.standby(of: peer) : nil),
                eviction: blame[peer]?.eviction.map {
                    TreeSnapshot.Eviction(stripe: $0.stripe, capacity: $0.capacity, rounds: $0.rounds)
                },
                places: stripes.map { stripe in
                    let node = stripe.nodes[Int(peer)]
                    return TreeSnapshot.Place(
                        capacity: node.capacity,
                        parent: place(node.parent),
                        holder: place(heldParent(node)),
                        epoch: node.epoch,
                        isAttached: node.flags.contains(.attached),
                        isMoving: node.flags.contains(.rebalancing)
                    )
                }
            )
        }
        return (TreeSnapshot(layout: layout, peers: list), order.map { handle(of: $0) })
    }

    /// Becomes the tree of a sound snapshot, in a free entry of the tracker's table. Peers have the indices that they have
    /// there.
    mutating func adopt(_ snapshot: TreeSnapshot, _ context: inout TrackerContext) {
        state = .live
        layout = snapshot.layout
        stripes = Array(repeating: SpanningTree(layout), count: layout.stripes)
        wholes = WholeViewers(stripes: layout.stripes)
        stripeCapacity = Array(repeating: 0, count: layout.stripes)
        for peer in snapshot.peers { insert(peer, at: context.now) }
        for stripe in stripes.indices { stripeCapacity[stripe] -= Int(stripes[stripe].nodes[0].capacity) }
        // Those who came last are below the others: so a link changes little above it.
        for index in snapshot.peers.indices.reversed() {
            let peer = Int32(truncatingIfNeeded: index)
            for stripe in stripes.indices { settle(peer, snapshot.peers[index].places[stripe], stripe: stripe) }
        }
        for (index, peer) in snapshot.peers.enumerated() {
            goOn(with: Int32(truncatingIfNeeded: index), peer, &context)
        }
    }

    private mutating func insert(_ peer: TreeSnapshot.Peer, at now: Instant) {
        // Its age may be greater than this clock's.
        let since = Instant(nanoseconds: now.nanoseconds - min(peer.age.nanoseconds, now.nanoseconds))
        let index = insertPeer(isNative: peer.isNative, origin: peer.origin, at: since) {
            Int(peer.places[$0].capacity)
        }
        if takesWhole(index) { wholes.count += 1 }
        for stripe in stripes.indices {
            stripes[stripe].update(index) { node in
                node.epoch = peer.places[stripe].epoch
                guard peer.places[stripe].isAttached else { return }
                node.flags.insert(.attached)
                node.fedAt = now
            }
        }
    }

    /// Links a peer to its parents, or lets it wait for one.
    private mutating func settle(_ peer: Int32, _ place: TreeSnapshot.Place, stripe: Int) {
        if let parent = place.parent.map({ Int32(truncatingIfNeeded: $0) }) {
            if takesWhole(peer) {
                attachWhole(peer, to: parent, stripe: stripe)
            } else {
                stripes[stripe].link(peer, under: parent)
            }
        } else if peer != SpanningTree.source, !takesWhole(peer) {
            stripes[stripe].wait(peer)
        }
        if let holder = place.holder.map({ Int32(truncatingIfNeeded: $0) }) {
            let generation = peers[Int(holder)].generation
            stripes[stripe].update(holder) { $0.heldSlots &+= 1 }
            stripes[stripe].update(peer) {
                $0.heldParent = holder
                $0.heldParentGeneration = generation
            }
        }
        if place.isMoving {
            stripes[stripe].update(peer) { $0.flags.insert(.rebalancing) }
            movesInFlight += 1
        }
    }

    /// What is waited for goes on.
    private mutating func goOn(with peer: Int32, _ known: TreeSnapshot.Peer, _ context: inout TrackerContext) {
        if known.signalling != .connected { setSuspect(peer, true) }
        if known.signalling == .lost { startResumeTimer(peer, &context) }
        for stripe in stripes.indices { startAttachTimer(peer, stripe: stripe, &context) }
        if takesWhole(peer), stripeOfWhole(peer) == nil { wholes.waiting.append(peer) }
        if let standby = known.standby {
            standbys.assign(Int32(truncatingIfNeeded: standby), to: peer)
        } else {
            wantStandby(peer, context.options)
        }
        if let eviction = known.eviction { goOn(withEvictionOf: peer, eviction, &context) }
    }

    /// Forgets the tree, and says nothing of it: it goes on elsewhere.
    mutating func drop(_ context: inout TrackerContext) {
        for peer in peers.indices.map({ Int32(truncatingIfNeeded: $0) }) where peers[Int(peer)].isOccupied {
            cancelTimers(of: peer, &context)
        }
        self = BroadcastTree(index: index, generation: generation &+ 1)
    }
}

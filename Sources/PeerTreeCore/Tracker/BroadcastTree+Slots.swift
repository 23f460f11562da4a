/// Brings slots to where they are needed. Every viewer takes one in each stripe and offers its own in a single one, so
/// departures can leave one stripe short of slots while another has more than enough; and slots can hang where nobody
/// reaches them, below a peer that waits for one itself.
extension BroadcastTree {
    // MARK: A stripe that runs short

    /// Moves what peers offer from the stripe with the most slots to those that could let nobody in. A tree that is being
    /// rebuilt has slots that cannot be seen yet.
    mutating func balanceSlots(_ context: inout TrackerContext) {
        guard stripes.count > 1, restorations.isEmpty else { return }
        for stripe in stripes.indices {
            var moves = 0
            while surplus(of: stripe) < Self.reserve, moves < Self.movesPerInput, recruit(for: stripe, &context) {
                moves += 1
            }
        }
    }

    /// A newcomer that offers nothing in a stripe is let in if it leaves a slot free.
    private static let reserve = 2
    /// How many peers are moved for a stripe in the handling of one input.
    private static let movesPerInput = 4

    /// The stripe with the fewest slots to spare, in which a newcomer is to take children.
    var poorestStripe: Int {
        var poorest = 0
        for stripe in stripes.indices where surplus(of: stripe) < surplus(of: poorest) { poorest = stripe }
        return poorest
    }

    /// How many slots a stripe offers beyond those that its viewers need.
    func surplus(of stripe: Int) -> Int {
        let source = stripes[stripe].nodes[Int(SpanningTree.source)]
        let needed = peerCount - 1 - wholes.count + wholes.slots[stripe]
        return stripeCapacity[stripe] + Int(source.capacity) - needed
    }

    /// Makes a peer of the richest stripe interior in `stripe` instead, if that leaves both better off than `stripe` is.
    private mutating func recruit(for stripe: Int, _ context: inout TrackerContext) -> Bool {
        guard let donor = stripes.indices.max(by: { surplus(of: $0) < surplus(of: $1) }),
            let peer = recruit(from: donor)
        else { return false }
        let capacity = stripes[donor].nodes[Int(peer)].capacity
        guard surplus(of: donor) - Int(capacity) > surplus(of: stripe) else { return false }
        setCapacity(0, of: peer, stripe: donor)
        setCapacity(capacity, of: peer, stripe: stripe)
        if stripes[stripe].nodes[Int(peer)].flags.contains(.waiting) {
            // Now it brings slots, and goes first.
            stripes[stripe].unlink(peer)
            stripes[stripe].wait(peer)
        }
        context.outputs.append(.capacityChanged(peer: handle(of: peer)))
        let children = stripes[donor].children(of: peer)
        for child in children {
            stripes[donor].unlink(child)
            sayChildGone(child, from: peer, stripe: donor, &context)
        }
        for child in children { place(child, stripe: donor, reason: .rebalanced, &context) }
        return true
    }

    /// A peer that offers slots in a stripe and feeds nobody there; else the parent of the deepest leaf, unless it keeps a
    /// slot for somebody who may come back to it, or feeds somebody who cannot be told to move.
    private func recruit(from stripe: Int) -> Int32? {
        let tree = stripes[stripe]
        if let idle = tree.deepMovableLeaf(capacity: 1), restorations[idle] == nil { return idle }
        guard let parent = tree.deepestMovableLeaf().map({ tree.nodes[Int($0)].parent }),
            parent != SpanningTree.source, restorations[parent] == nil, tree.nodes[Int(parent)].heldSlots == 0,
            tree.nodes[Int(parent)].flags.isSuperset(of: [.native, .attached]), !peers[Int(parent)].isSuspect,
            !tree.children(of: parent).contains(where: { takesWhole($0) })
        else { return nil }
        return parent
    }

    // MARK: Slots out of reach

    /// Lets a subtree that waits and has free slots take the place of a leaf that has none, and puts the leaf into one of
    /// those.
    ///
    /// - Returns: whether there was such a leaf.
    mutating func displaceLeaf(for waiting: Int32, stripe: Int, _ context: inout TrackerContext) -> Bool {
        guard restorations.isEmpty, stripes[stripe].nodes[Int(waiting)].bestSlot != .none,
            let leaf = stripes[stripe].shallowestYieldingLeaf() ?? stripes[stripe].deepestMovableLeaf()
        else { return false }
        let parent = stripes[stripe].nodes[Int(leaf)].parent
        stripes[stripe].unlink(leaf)
        sayChildGone(leaf, from: parent, stripe: stripe, &context)
        stripes[stripe].unlink(waiting)
        attach(waiting, to: parent, stripe: stripe)
        assign(waiting, stripe: stripe, reason: .parentLost, isAnnounced: true, &context)
        place(leaf, stripe: stripe, reason: .rebalanced, &context)
        return true
    }
}

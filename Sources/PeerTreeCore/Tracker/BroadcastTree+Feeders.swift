/// Who takes children is near the source, so that a tree is as deep as those who do need it to be: in a stripe most viewers are
/// leaves, and make room.
///
/// Only in a tree of several stripes: in a single one everybody takes children, but for a few.
extension BroadcastTree {
    /// Puts a detached subtree whose root takes children into the place of a leaf that takes none, if that is nearer to the
    /// source than any free slot is. The leaf goes where there is room, maybe below it, and is fed until it is there.
    ///
    /// - Returns: whether there was such a leaf.
    mutating func displaceNearLeaf(
        for peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) -> Bool {
        guard mayDisplace(peer, stripe: stripe, context.options), let leaf = stripes[stripe].shallowestYieldingLeaf()
        else { return false }
        let parent = stripes[stripe].nodes[Int(leaf)].parent
        guard !excludedParents(of: peer, stripe: stripe).contains(parent) else { return false }
        stripes[stripe].unlink(leaf)
        sayChildGone(leaf, from: parent, stripe: stripe, &context)
        attach(peer, to: parent, stripe: stripe)
        assign(peer, stripe: stripe, reason: reason, isAnnounced: isAnnounced, &context)
        if movesInFlight < context.options.maximumMovesInFlight { countMove(of: leaf, stripe: stripe, &context) }
        place(leaf, stripe: stripe, reason: .rebalanced, &context)
        return true
    }

    /// Whether a leaf is to make room for a peer: moves are few at a time, unless the peer could go nowhere else.
    private func mayDisplace(_ peer: Int32, stripe: Int, _ options: TrackerOptions) -> Bool {
        guard stripes[stripe].prefersFeeders, restorations.isEmpty else { return false }
        let node = stripes[stripe].nodes[Int(peer)]
        guard node.capacity > 0, node.bestSlot != .none,
            let leafDepth = stripes[stripe].shallowestYieldingDepth
        else { return false }
        guard let slotDepth = stripes[stripe].shallowestSlotDepth else { return true }
        return leafDepth < slotDepth && movesInFlight < options.maximumMovesInFlight
    }

    /// Moves those who take children up, the deepest first, as long as a free slot or a leaf is nearer to the source.
    mutating func raiseFeeders(stripe: Int, _ context: inout TrackerContext) {
        guard stripes[stripe].prefersFeeders, restorations.isEmpty else { return }
        // The leaf that makes room moves, too.
        while movesInFlight + 2 <= context.options.maximumMovesInFlight,
            let depth = stripes[stripe].deepestFeederDepth, depth > nearestPlace(stripe: stripe),
            let peer = stripes[stripe].deepestFeeder()
        {
            let excluded = excludedParents(of: peer, stripe: stripe)
            guard let parent = parentAbove(depth, excluding: excluded, stripe: stripe) else {
                // What is nearer failed it; the next deepest may have a choice.
                stripes[stripe].update(peer) { $0.flags.insert(.pinned) }
                continue
            }
            unlinkHolding(peer, stripe: stripe, &context)
            if let leaf = parent.leaf {
                stripes[stripe].unlink(leaf)
                sayChildGone(leaf, from: parent.peer, stripe: stripe, &context)
            }
            attach(peer, to: parent.peer, stripe: stripe)
            countMove(of: peer, stripe: stripe, &context)
            assign(peer, stripe: stripe, reason: .rebalanced, isAnnounced: true, &context)
            guard let leaf = parent.leaf else { continue }
            countMove(of: leaf, stripe: stripe, &context)
            place(leaf, stripe: stripe, reason: .rebalanced, &context)
        }
    }

    /// The level of the nearest place that a peer can have that takes children. A leaf makes room only if there is a free
    /// slot for it: that of the peer that takes its place is kept until that one has moved.
    private func nearestPlace(stripe: Int) -> Int {
        guard let slot = stripes[stripe].shallowestSlotDepth else { return .max }
        return min(slot, stripes[stripe].shallowestYieldingDepth ?? .max)
    }

    /// Who has such a place above a level, and the leaf that is in it.
    private mutating func parentAbove(
        _ depth: Int,
        excluding excluded: [Int32],
        stripe: Int
    ) -> (peer: Int32, leaf: Int32?)? {
        if stripes[stripe].shallowestSlotDepth == nearestPlace(stripe: stripe) {
            guard let parent = stripes[stripe].bestParent(excluding: excluded),
                stripes[stripe].depth(of: parent) + 1 < depth
            else { return nil }
            return (parent, nil)
        }
        guard let leaf = stripes[stripe].shallowestYieldingLeaf() else { return nil }
        let parent = stripes[stripe].nodes[Int(leaf)].parent
        return excluded.contains(parent) ? nil : (parent, leaf)
    }
}

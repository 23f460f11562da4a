/// What happens when peers go: orphans get new places, holes are filled from below.
extension BroadcastTree {
    /// Takes a viewer out of the tree and gives its children new places.
    mutating func removePeer(_ peer: Int32, reason: RemovalReason, _ context: inout TrackerContext) {
        let gone = handle(of: peer)
        forgetBlame(of: peer, wasGone: reason == .vanished, &context)
        cancelProbe(of: peer, &context)
        _ = endRestoration(of: peer, &context)
        leaveStandbys(peer, &context)
        let childReason: AssignmentReason = reason == .left ? .parentLeft : .parentLost
        partWithWholes(of: peer, reason: childReason, isGone: true, &context)
        if takesWhole(peer) { partWhole(peer, &context) }
        for stripe in stripes.indices {
            cancelAttachTimer(peer, stripe: stripe, &context)
            releaseHold(of: peer, stripe: stripe, &context)
            vacate(peer, stripe: stripe, reason: childReason, &context)
        }
        context.timers.cancel(&peers[Int(peer)].resumeTimer)
        erasePeer(peer, at: context.now)
        switch reason {
        case .left: context.statistics.leaves += 1
        case .vanished: context.statistics.vanishes += 1
        case .attachTimeout: context.statistics.attachTimeouts += 1
        case .treeEnded: break
        }
        context.outputs.append(.removed(peer: gone, reason: reason))
        settle(&context)
    }

    /// Detaches a peer from its parent and its children, and gives the children new places.
    ///
    /// As in a heap, the deepest leaf fills the hole and takes over the children where they are, so that no depth
    /// grows and every subtree stays whole. A single orphan needs no such help: the hole itself is free for it.
    ///
    /// - Parameter isGone: False if the peer stays in the tree: it feeds its children until they have other parents.
    mutating func vacate(
        _ peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        isGone: Bool = true,
        _ context: inout TrackerContext
    ) {
        let parent = stripes[stripe].nodes[Int(peer)].parent
        let orphans = stripes[stripe].children(of: peer)
        let successor = orphans.count > 1 ? findSuccessor(of: peer, orphans: orphans, stripe: stripe) : nil
        stripes[stripe].unlink(peer)
        if parent != SpanningTree.none { sayChildGone(peer, from: parent, stripe: stripe, &context) }
        for orphan in orphans {
            if isGone { stripes[stripe].unlink(orphan) } else { unlinkHolding(orphan, stripe: stripe, &context) }
        }
        guard let successor else {
            scatter(orphans, stripe: stripe, reason: reason, &context)
            return
        }
        if isGone || !orphans.contains(successor) { unlinkHolding(successor, stripe: stripe, &context) }
        attach(successor, to: parent, stripe: stripe)
        context.statistics.promotions += 1
        assign(successor, stripe: stripe, reason: .promoted, isAnnounced: true, &context)
        for orphan in orphans where orphan != successor {
            attach(orphan, to: successor, stripe: stripe)
            assign(orphan, stripe: stripe, reason: reason, isAnnounced: true, &context)
        }
    }

    /// Gives each of several detached subtrees the best place there is. Those that bring shallow free slots go first,
    /// since the others may find room in them.
    private mutating func scatter(
        _ orphans: [Int32],
        stripe: Int,
        reason: AssignmentReason,
        _ context: inout TrackerContext
    ) {
        var ranked = orphans.map { (slot: stripes[stripe].nodes[Int($0)].bestSlot, orphan: $0) }
        ranked.sort { $0.slot < $1.slot }
        for (_, orphan) in ranked {
            place(orphan, stripe: stripe, reason: reason, &context)
        }
    }

    /// A leaf that can take the place of `peer` and all of its children, or nil if the children must scatter.
    private func findSuccessor(of peer: Int32, orphans: [Int32], stripe: Int) -> Int32? {
        let tree = stripes[stripe]
        let parent = tree.nodes[Int(peer)].parent
        guard parent != SpanningTree.none, !tree.nodes[Int(parent)].flags.contains(.suspect) else { return nil }
        if let leaf = tree.deepestMovableLeaf(), canSucceed(leaf, peer, orphans: orphans, stripe: stripe) {
            return leaf
        }
        if let leaf = tree.deepMovableLeaf(capacity: orphans.count),
            canSucceed(leaf, peer, orphans: orphans, stripe: stripe)
        {
            return leaf
        }
        return orphans.first { canSucceed($0, peer, orphans: orphans, stripe: stripe) }
    }

    private func canSucceed(_ leaf: Int32, _ peer: Int32, orphans: [Int32], stripe: Int) -> Bool {
        let tree = stripes[stripe]
        let node = tree.nodes[Int(leaf)]
        let needed = orphans.count - (node.parent == peer ? 1 : 0)
        guard node.isMovableLeaf, Int(node.capacity) >= needed else { return false }
        guard !exclusions.isEmpty else { return true }
        let parent = tree.nodes[Int(peer)].parent
        return !excludedParents(of: leaf, stripe: stripe).contains(parent)
            && !orphans.contains { excludedParents(of: $0, stripe: stripe).contains(leaf) }
    }
}

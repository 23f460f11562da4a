/// Where peers go: finding parents, assigning them, moving leaves up.
extension BroadcastTree {
    /// Hangs a detached subtree under the best parent there is, or lets it wait for one.
    ///
    /// - Parameter standby: The standby that the peer has turned to, if it has: it stays there if it may.
    mutating func place(
        _ peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        standby: Int32? = nil,
        isAnnounced: Bool = true,
        _ context: inout TrackerContext
    ) {
        let kept = standby.flatMap { mayStay(peer, at: $0) ? $0 : nil }
        if kept == nil, displaceNearLeaf(for: peer, stripe: stripe, reason: reason, isAnnounced: isAnnounced, &context)
        {
            return
        }
        var parent = kept ?? findParent(for: peer, stripe: stripe)
        if parent == nil, stripes[stripe].nodes[Int(peer)].heldParent != SpanningTree.none {
            // The only free slot may be the one that is kept for this very peer.
            let keeper = dropHold(of: peer, stripe: stripe)
            parent = findParent(for: peer, stripe: stripe)
            if let keeper, keeper != parent { sayChildGone(peer, from: keeper, stripe: stripe, &context) }
        }
        if let parent {
            attach(peer, to: parent, stripe: stripe)
        } else {
            stripes[stripe].wait(peer)
        }
        assign(peer, stripe: stripe, reason: reason, isAnnounced: isAnnounced, &context)
    }

    /// The best parent for a detached subtree. Parents that failed this peer are passed over as long as there is any
    /// other: trying one of them again beats having none.
    mutating func findParent(for peer: Int32, stripe: Int) -> Int32? {
        let excluded = excludedParents(of: peer, stripe: stripe)
        if !excluded.isEmpty, let parent = stripes[stripe].bestParent(excluding: excluded) { return parent }
        return stripes[stripe].bestParent()
    }

    /// The parents a peer does not want and that are still in the tree.
    func excludedParents(of peer: Int32, stripe: Int) -> [Int32] {
        guard !exclusions.isEmpty, let list = exclusions[ExclusionKey(peer: peer, stripe: stripe)] else { return [] }
        return list.peers.compactMap { index(of: $0) }
    }

    /// Links a detached subtree under `parent`. A slot the parent kept for this very peer becomes the slot it takes.
    mutating func attach(_ peer: Int32, to parent: Int32, stripe: Int) {
        if stripes[stripe].nodes[Int(peer)].heldParent == parent {
            _ = dropHold(of: peer, stripe: stripe)
        }
        stripes[stripe].link(peer, under: parent)
    }

    /// Starts a new epoch for `peer` at the place it has been given.
    mutating func assign(
        _ peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) {
        cancelAttachTimer(peer, stripe: stripe, &context)
        stripes[stripe].update(peer) { node in
            node.epoch &+= 1
            node.flags.subtract([.attached, .pinned, .rejoined])
        }
        startAttachTimer(peer, stripe: stripe, &context)
        admit(peer, stripe: stripe, &context)
        if isAnnounced { announce(peer, stripe: stripe, reason: reason, &context) }
        reviewStandbys(afterMoveOf: peer, &context)
    }

    /// Lets a peer in at the parent it has, if it has one.
    func admit(_ peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        let parent = stripes[stripe].nodes[Int(peer)].parent
        guard parent != SpanningTree.none else { return }
        context.outputs.append(.admit(parent: handle(of: parent), child: handle(of: peer), stripe: stripe))
    }

    /// Says where `peer` belongs now.
    func announce(_ peer: Int32, stripe: Int, reason: AssignmentReason, _ context: inout TrackerContext) {
        let assignment = assignment(of: peer, stripe: stripe)
        context.outputs.append(.assign(peer: handle(of: peer), assignment: assignment, reason: reason))
    }

    /// Runs the time a native peer has to attach. One that cannot be told of its parent yet is not hurried.
    mutating func startAttachTimer(_ peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        let node = stripes[stripe].nodes[Int(peer)]
        guard node.parent != SpanningTree.none, node.attachTimer == TimerQueue.none, node.flags.contains(.native),
            node.flags.isDisjoint(with: [.attached, .suspect])
        else { return }
        let timer = context.timers.start(
            TimerQueue.Subject(
                tree: index,
                peer: peer,
                stripe: UInt8(truncatingIfNeeded: stripe),
                kind: .attach
            ),
            deadline: context.now + context.options.attachTimeout
        )
        stripes[stripe].setAttachTimer(timer, of: peer)
    }

    mutating func cancelAttachTimer(_ peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        var timer = stripes[stripe].nodes[Int(peer)].attachTimer
        context.timers.cancel(&timer)
        stripes[stripe].setAttachTimer(timer, of: peer)
    }

    // MARK: Make before break

    /// Cuts a peer off its parent so that it can go elsewhere. If it gets the stream there, the parent keeps the slot
    /// until the new link is open; else the parent is told at once.
    mutating func unlinkHolding(_ peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        let isFed = stripes[stripe].nodes[Int(peer)].flags.contains(.attached)
        unlink(peer, stripe: stripe, isHolding: isFed, &context)
    }

    /// Cuts a peer off its parent, which keeps the slot until the peer has another link if `isHolding`, unless one does
    /// already; else it is told at once.
    mutating func unlink(_ peer: Int32, stripe: Int, isHolding: Bool, _ context: inout TrackerContext) {
        let node = stripes[stripe].nodes[Int(peer)]
        stripes[stripe].unlink(peer)
        guard node.parent != SpanningTree.none else { return }
        guard isHolding, node.heldParent == SpanningTree.none else {
            sayChildGone(peer, from: node.parent, stripe: stripe, &context)
            return
        }
        let generation = peers[Int(node.parent)].generation
        stripes[stripe].update(node.parent) { $0.heldSlots &+= 1 }
        stripes[stripe].update(peer) {
            $0.heldParent = node.parent
            $0.heldParentGeneration = generation
        }
    }

    /// Gives the kept slot back, and returns the parent that kept it if that one is still in the tree.
    mutating func dropHold(of peer: Int32, stripe: Int) -> Int32? {
        let node = stripes[stripe].nodes[Int(peer)]
        // A leaf that made room is one of the moves in flight, though no slot is kept for it.
        if node.flags.contains(.rebalancing) {
            movesInFlight -= 1
            stripes[stripe].update(peer) { $0.flags.remove(.rebalancing) }
        }
        guard node.heldParent != SpanningTree.none else { return nil }
        stripes[stripe].update(peer) { $0.heldParent = SpanningTree.none }
        guard let parent = heldParent(node) else { return nil }
        stripes[stripe].update(parent) { $0.heldSlots &-= 1 }
        return parent
    }

    /// The parent that keeps a slot for `node`, if that one is still in the tree.
    func heldParent(_ node: SpanningTreeNode) -> Int32? {
        guard node.heldParent != SpanningTree.none, peers[Int(node.heldParent)].isOccupied,
            peers[Int(node.heldParent)].generation == node.heldParentGeneration
        else { return nil }
        return node.heldParent
    }

    /// Gives the kept slot back and tells the parent that kept it.
    mutating func releaseHold(of peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        if let parent = dropHold(of: peer, stripe: stripe) {
            sayChildGone(peer, from: parent, stripe: stripe, &context)
        }
    }

    func sayChildGone(_ child: Int32, from parent: Int32, stripe: Int, _ context: inout TrackerContext) {
        context.outputs.append(
            .childGone(parent: handle(of: parent), child: handle(of: child), stripe: stripe)
        )
    }

    // MARK: Settling

    /// Ends the handling of every input: stripes share their slots, those who wait get what is free, then deep peers move
    /// up, first those that take children, and those that lack a standby get one.
    mutating func settle(_ context: inout TrackerContext) {
        balanceSlots(&context)
        for stripe in stripes.indices {
            placeWaiting(stripe: stripe, &context)
            raiseFeeders(stripe: stripe, &context)
            rebalance(stripe: stripe, &context)
        }
        placeWaitingWholes(&context)
        assignStandbys(&context)
    }

    private mutating func placeWaiting(stripe: Int, _ context: inout TrackerContext) {
        while true {
            let peer = stripes[stripe].firstWaiting
            guard peer != SpanningTree.none else { return }
            if stripes[stripe].bestParent() != nil {
                stripes[stripe].unlink(peer)
                place(peer, stripe: stripe, reason: .parentLost, &context)
            } else if !displaceLeaf(for: peer, stripe: stripe, &context) {
                return
            }
        }
    }

    /// Moves the deepest leaf up while it is two or more levels deeper than the shallowest free slot.
    private mutating func rebalance(stripe: Int, _ context: inout TrackerContext) {
        while movesInFlight < context.options.maximumMovesInFlight,
            let slotDepth = stripes[stripe].shallowestSlotDepth,
            let leafDepth = stripes[stripe].deepestMovableLeafDepth, leafDepth >= slotDepth + 2,
            let leaf = stripes[stripe].deepestMovableLeaf()
        {
            guard let target = findParent(for: leaf, stripe: stripe),
                stripes[stripe].depth(of: target) + 3 <= leafDepth
            else {
                // Its exclusions leave it nothing better; the next deepest may have a choice.
                stripes[stripe].update(leaf) { $0.flags.insert(.pinned) }
                continue
            }
            unlinkHolding(leaf, stripe: stripe, &context)
            attach(leaf, to: target, stripe: stripe)
            countMove(of: leaf, stripe: stripe, &context)
            assign(leaf, stripe: stripe, reason: .rebalanced, isAnnounced: true, &context)
        }
    }

    /// Makes a peer that has just been sent elsewhere one of the moves in flight, until it has attached.
    mutating func countMove(of peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        context.statistics.moves += 1
        guard !stripes[stripe].nodes[Int(peer)].flags.contains(.rebalancing) else { return }
        stripes[stripe].update(peer) { $0.flags.insert(.rebalancing) }
        movesInFlight += 1
    }
}

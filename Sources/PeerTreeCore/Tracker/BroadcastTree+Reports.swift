/// What peers say about their links, and what follows.
extension BroadcastTree {
    /// A peer's link to the parent of `epoch` is open.
    mutating func attached(
        _ peer: Int32,
        stripe: Int,
        epoch: UInt32,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        guard try isCurrent(epoch, of: peer, stripe: stripe, &context) else { return }
        let node = stripes[stripe].nodes[Int(peer)]
        guard node.parent != SpanningTree.none, !node.flags.contains(.attached) else { return }
        cancelAttachTimer(peer, stripe: stripe, &context)
        stripes[stripe].update(peer) {
            $0.flags.insert(.attached)
            $0.flags.remove(.rejoined)
            $0.fedAt = context.now
        }
        if stripes[stripe].nodes[Int(node.parent)].failures > 0 {
            stripes[stripe].update(node.parent) { $0.failures &-= 1 }
        }
        releaseHold(of: peer, stripe: stripe, &context)
        wantStandby(peer, context.options)
        settle(&context)
    }

    /// A peer lost the parent of `epoch` and asks for another one.
    ///
    /// - Parameter standby: The standby that it has turned to meanwhile, if it has.
    mutating func orphaned(
        _ peer: Int32,
        stripe: Int,
        epoch: UInt32,
        reason: LossReason,
        standby: Int32? = nil,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        guard peer != SpanningTree.source else { throw .sourceHasNoParent }
        let parent = stripes[stripe].nodes[Int(peer)].parent
        let isCurrent = try isCurrent(epoch, of: peer, stripe: stripe, &context)
        if restorations[peer]?.isPending(stripe) ?? false {
            // The parent that was to come back is dead.
            placeRestored(peer, stripe: stripe, isAnnounced: true, &context)
            return
        }
        guard isCurrent, parent != SpanningTree.none else {
            announce(peer, stripe: stripe, reason: .parentLost, &context)
            return
        }
        context.statistics.orphanReports += 1
        if reason == .forged { context.statistics.forgeries += 1 }
        let isSuspect = peers[Int(parent)].isSuspect
        let wasFed = stripes[stripe].nodes[Int(peer)].flags.contains(.attached)
        // Who never had a link to a parent without signalling could not get one, and knows nothing against it.
        let isDead = peers[Int(parent)].hasLostSignalling && reason != .slow && wasFed
        if isDead, parent != SpanningTree.source {
            removePeer(parent, reason: .vanished, &context)
            return
        }
        if reason.mayMeanDeath { probe(parent, calledDeadBy: peer, &context) }
        let isVotedOut = testify(peer, about: parent, stripe: stripe, reason, &context)
        if reason != .slow, !isSuspect { stripes[stripe].update(parent) { $0.fail() } }
        replaceParent(
            of: peer,
            stripe: stripe,
            reason: reason.isRefusal ? .refused : .parentLost,
            standby: standby,
            isStillTried: reason == .unreachable && !wasFed,
            &context
        )
        if isVotedOut { evict(parent, &context) }
        settle(&context)
    }

    /// A parent lost the link to its child.
    mutating func childLost(
        _ parent: Int32,
        child: Int32,
        stripe: Int,
        _ reason: LossReason,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        let node = stripes[stripe].nodes[Int(child)]
        guard node.parent == parent else {
            guard heldParent(node) == parent else { throw .notAChild }
            _ = dropHold(of: child, stripe: stripe)
            settle(&context)
            return
        }
        if peers[Int(child)].hasLostSignalling {
            removePeer(child, reason: .vanished, &context)
            return
        }
        // Its own children may not have missed it yet, and be moved before they do; a leaf is missed by nobody else.
        if reason == .silent { probe(child, calledDeadBy: parent, &context) }
        // A parent that sheds its children ranks behind those that keep theirs.
        stripes[stripe].update(parent) { $0.fail() }
        let isShedding = blame[parent, default: Blame()].loseChild(at: context.now, context.options)
        if isShedding { shun(parent, &context) }
        replaceParent(of: child, stripe: stripe, reason: .parentLost, &context)
        settle(&context)
    }

    /// Gives a peer, with its subtree, another parent than the one that failed it.
    ///
    /// - Parameter isStillTried: The peer goes on connecting to that one, which may come about before the other does.
    mutating func replaceParent(
        of peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        standby: Int32? = nil,
        isStillTried: Bool = false,
        isAnnounced: Bool = true,
        _ context: inout TrackerContext
    ) {
        let parent = stripes[stripe].nodes[Int(peer)].parent
        guard parent != SpanningTree.none else { return }
        if takesWhole(peer) {
            return replaceParentOfWhole(peer, reason: reason, isAnnounced: isAnnounced, &context)
        }
        let failed = handle(of: parent)
        exclusions[ExclusionKey(peer: peer, stripe: stripe), default: Exclusions()].insert(failed)
        unlink(peer, stripe: stripe, isHolding: isStillTried, &context)
        place(peer, stripe: stripe, reason: reason, standby: standby, isAnnounced: isAnnounced, &context)
    }

    /// Whether `epoch` is that of the current assignment; an older one is counted as stale.
    private func isCurrent(
        _ epoch: UInt32,
        of peer: Int32,
        stripe: Int,
        _ context: inout TrackerContext
    ) throws(TrackerError) -> Bool {
        let current = stripes[stripe].nodes[Int(peer)].epoch
        guard epoch <= current else { throw .unknownEpoch }
        if epoch < current { context.statistics.staleReports += 1 }
        return epoch == current
    }
}

extension SpanningTreeNode {
    mutating func fail() {
        failures = min(failures + 1, SlotKey.maximumFailures)
    }
}

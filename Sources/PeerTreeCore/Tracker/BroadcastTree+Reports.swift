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
        }
        if stripes[stripe].nodes[Int(node.parent)].failures > 0 {
            stripes[stripe].update(node.parent) { $0.failures &-= 1 }
        }
        releaseHold(of: peer, stripe: stripe, &context)
        settle(&context)
    }

    /// A peer lost the parent of `epoch` and asks for another one.
    mutating func orphaned(
        _ peer: Int32,
        stripe: Int,
        epoch: UInt32,
        reason: OrphanReason,
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
        let isSuspect = peers[Int(parent)].isSuspect
        // Who never had a link to a parent without signalling could not get one, and knows nothing against it.
        let isDead = isSuspect && reason != .slow && stripes[stripe].nodes[Int(peer)].flags.contains(.attached)
        if isDead, parent != SpanningTree.source {
            removePeer(parent, reason: .vanished, &context)
            return
        }
        let isComplaint = isDead || (reason.isComplaint && !isSuspect)
        let complainers = isComplaint ? complain(peer, about: parent, stripe: stripe, context) : 0
        if parent == SpanningTree.source, isDead,
            complainers >= min(context.options.complaintsToEvict, childrenOfSource)
        {
            end(.sourceLost, &context)
            return
        }
        let isRefusal = reason == .refused || reason == .unreachable
        if reason != .slow, !isSuspect { stripes[stripe].update(parent) { $0.fail() } }
        replaceParent(of: peer, stripe: stripe, reason: isRefusal ? .refused : .parentLost, &context)
        if complainers >= context.options.complaintsToEvict, parent != SpanningTree.source {
            evict(parent, &context)
        }
        settle(&context)
    }

    /// A parent lost the link to its child.
    mutating func childLost(
        _ parent: Int32,
        child: Int32,
        stripe: Int,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        let node = stripes[stripe].nodes[Int(child)]
        guard node.parent == parent else {
            guard heldParent(node) == parent else { throw .notAChild }
            _ = dropHold(of: child, stripe: stripe)
            settle(&context)
            return
        }
        if peers[Int(child)].isSuspect {
            removePeer(child, reason: .vanished, &context)
            return
        }
        // A parent that sheds its children ranks behind those that keep theirs.
        stripes[stripe].update(parent) { $0.fail() }
        let isShedding = complaints[parent, default: Complaints()].loseChild(
            at: context.now,
            window: context.options.complaintWindow,
            limit: context.options.childrenLostToEvict
        )
        replaceParent(of: child, stripe: stripe, reason: .parentLost, &context)
        if isShedding, parent != SpanningTree.source { evict(parent, &context) }
        settle(&context)
    }

    /// Gives a peer, with its subtree, another parent than the one that failed it.
    mutating func replaceParent(
        of peer: Int32,
        stripe: Int,
        reason: AssignmentReason,
        isAnnounced: Bool = true,
        _ context: inout TrackerContext
    ) {
        let parent = stripes[stripe].nodes[Int(peer)].parent
        guard parent != SpanningTree.none else { return }
        let failed = handle(of: parent)
        exclusions[ExclusionKey(peer: peer, stripe: stripe), default: Exclusions()].insert(failed)
        stripes[stripe].unlink(peer)
        sayChildGone(peer, from: parent, stripe: stripe, &context)
        place(peer, stripe: stripe, reason: reason, isAnnounced: isAnnounced, &context)
    }

    /// Makes a leaf of a peer that does not forward, for as long as it stays. A legacy peer cannot be told to move, so
    /// it keeps its parent and only loses its children.
    private mutating func evict(_ peer: Int32, _ context: inout TrackerContext) {
        guard !peers[Int(peer)].isEvicted else { return }
        peers[Int(peer)].isEvicted = true
        complaints[peer] = nil
        context.statistics.evictions += 1
        for stripe in stripes.indices where stripes[stripe].nodes[Int(peer)].capacity > 0 {
            let children = stripes[stripe].children(of: peer)
            stripeCapacity[stripe] -= Int(stripes[stripe].nodes[Int(peer)].capacity)
            stripes[stripe].update(peer) { $0.capacity = 0 }
            for child in children { sayChildGone(child, from: peer, stripe: stripe, &context) }
            if peers[Int(peer)].isNative {
                vacate(peer, stripe: stripe, reason: .parentLost, &context)
                place(peer, stripe: stripe, reason: .evicted, &context)
            } else {
                for child in children { stripes[stripe].unlink(child) }
                for child in children { place(child, stripe: stripe, reason: .parentLost, &context) }
            }
        }
    }

    /// Notes a complaint, and returns how many distinct children complain about `parent` now.
    private mutating func complain(
        _ child: Int32,
        about parent: Int32,
        stripe: Int,
        _ context: TrackerContext
    ) -> Int {
        let isBelieved = exclusions[ExclusionKey(peer: child, stripe: stripe), default: Exclusions()].complain(
            at: context.now,
            window: context.options.complaintWindow,
            limit: context.options.complaintsPerChild
        )
        guard isBelieved else { return 0 }
        return complaints[parent, default: Complaints()].insert(
            handle(of: child),
            at: context.now,
            window: context.options.complaintWindow,
            limit: context.options.complaintsToEvict
        )
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

    private var childrenOfSource: Int {
        stripes.reduce(0) { $0 + Int($1.nodes[Int(SpanningTree.source)].childCount) }
    }
}

extension SpanningTreeNode {
    mutating func fail() {
        failures = min(failures + 1, SlotKey.maximumFailures)
    }
}

/// A tree is rebuilt from what its peers say, in whichever order they come back.
///
/// A parent keeps a slot for every child it says it feeds, so that nobody takes the place of one that is still to come;
/// a child whose parent has not come back yet is the root of a detached subtree. Whoever has not come when the time is
/// over has lost its place: its slot becomes free, and its children get other parents while they go on streaming.
extension BroadcastTree {
    /// Makes the tree of a source that has not come back yet.
    mutating func beginWithoutSource(children: Int, layout: StripeLayout, _ context: inout TrackerContext) {
        begin(isNative: true, children: children, layout: layout, at: context.now)
        setSuspect(SpanningTree.source, true)
        awaitSource(&context)
    }

    /// The source is back and tells which children it feeds.
    mutating func restoreSource(isNative: Bool, _ places: [StripePlace], _ context: inout TrackerContext) {
        if !isNative { setLegacy(SpanningTree.source) }
        expect(places, of: SpanningTree.source, pendingStripes: 0, &context)
        resume(SpanningTree.source, &context)
        // Of those that were linked to it while it was away it may know nothing.
        readmit(SpanningTree.source, &context)
        context.statistics.restores += 1
        finishIfSettled(SpanningTree.source, &context)
    }

    /// Takes in a viewer that was in this tree before. It is detached in every stripe until ``reattach`` or
    /// ``placeRestored`` says where it belongs.
    mutating func restore(
        isNative: Bool,
        capacity: Int,
        interior: Int?,
        places: [StripePlace],
        origin: UInt64?,
        _ context: inout TrackerContext
    ) throws(TrackerError) -> Int32 {
        guard peerCount < context.options.maximumPeersPerTree else {
            throw .tooManyPeers(limit: context.options.maximumPeersPerTree)
        }
        let isWhole = !isNative && stripes.count > 1
        let slots = isWhole ? 0 : min(max(capacity, 0), context.options.capacityBounds.upperBound * layout.data)
        let peer = insertPeer(isNative: isNative, origin: origin, at: context.now) { $0 == interior ? slots : 0 }
        if isWhole { wholes.count += 1 }
        for stripe in stripes.indices where stripe < places.count {
            // Half of the range: an epoch that a peer makes up must not make the next ones wrap around.
            stripes[stripe].update(peer) { $0.epoch = min(places[stripe].epoch, .max / 2) }
        }
        let all = UInt16(truncatingIfNeeded: (1 << stripes.count) - 1)
        expect(places, of: peer, pendingStripes: isWhole ? 1 : all, &context)
        context.statistics.restores += 1
        return peer
    }

    /// Keeps slots for the children a peer says it has, as far as it may have so many.
    private mutating func expect(
        _ places: [StripePlace],
        of peer: Int32,
        pendingStripes: UInt16,
        _ context: inout TrackerContext
    ) {
        var restoration = Restoration(
            pendingStripes: pendingStripes,
            expectedChildren: Array(repeating: 0, count: stripes.count),
            slotsOfWhole: stripes.indices.map { slotsOfWhole(below: peer, in: $0) }
        )
        for stripe in stripes.indices where stripe < places.count {
            restoration.expectedChildren[stripe] = UInt16(
                clamping: min(places[stripe].children, room(of: peer, stripe))
            )
        }
        let roomForWholes = stripes.indices.filter { restoration.slotsOfWhole[$0] > 0 }.map { stripe in
            (room(of: peer, stripe) - Int(restoration.expectedChildren[stripe])) / Int(restoration.slotsOfWhole[stripe])
        }
        let wholes = places.reduce(0) { $0 + $1.wholes }
        restoration.expectedWholes = UInt16(clamping: min(wholes, roomForWholes.min() ?? 0))
        for stripe in stripes.indices where restoration.slotsKept(in: stripe) > 0 {
            stripes[stripe].update(peer) { $0.heldSlots &+= restoration.slotsKept(in: stripe) }
        }
        restoration.timer = context.timers.start(
            TimerQueue.Subject(tree: index, peer: peer, stripe: 0, kind: .restore),
            deadline: context.now + context.options.restoreWindow
        )
        restorations[peer] = restoration
    }

    private func room(of peer: Int32, _ stripe: Int) -> Int {
        let node = stripes[stripe].nodes[Int(peer)]
        return max(Int(node.capacity) - Int(node.childCount) - Int(node.heldSlots), 0)
    }

    /// Links a peer that has no parent yet to the one it had.
    mutating func reattach(
        _ peer: Int32,
        to parent: Int32,
        stripe: Int,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        guard peer != SpanningTree.source else { throw .sourceHasNoParent }
        let tree = stripes[stripe]
        let depth = tree.depth(of: parent) + 1 + Int(tree.nodes[Int(peer)].height)
        guard tree.nodes[Int(peer)].parent == SpanningTree.none,
            !tree.isAncestor(peer, of: parent), !peers[Int(parent)].isEvicted, depth <= context.options.maximumDepth
        else { throw .notAChild }
        let isExpected = (restorations[parent]?.expectedChildren[stripe] ?? 0) > 0
        let node = tree.nodes[Int(parent)]
        guard isExpected || Int(node.childCount) + Int(node.heldSlots) < Int(node.capacity) else { throw .treeFull }
        if isExpected {
            restorations[parent]?.expectedChildren[stripe] &-= 1
            stripes[stripe].update(parent) { $0.heldSlots &-= 1 }
        }
        stripes[stripe].unlink(peer)
        attach(peer, to: parent, stripe: stripe)
        stripes[stripe].update(peer) {
            $0.epoch &+= 1
            $0.flags.insert(.attached)
            $0.fedAt = context.now
        }
        admit(peer, stripe: stripe, &context)
        restorations[peer]?.settle(stripe)
        if isAnnounced { announce(peer, stripe: stripe, reason: .restored, &context) }
        finishIfSettled(peer, &context)
        finishIfSettled(parent, &context)
        reviewStandbys(afterMoveOf: peer, &context)
        wantStandby(peer, context.options)
        settle(&context)
    }

    /// Gives a peer that came back without a parent, or whose parent does not know it, the best place there is.
    mutating func placeRestored(
        _ peer: Int32,
        stripe: Int,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) {
        guard restorations[peer]?.isPending(stripe) ?? false else { return }
        restorations[peer]?.settle(stripe)
        placeAnew(peer, stripe: stripe, isAnnounced: isAnnounced, &context)
        finishIfSettled(peer, &context)
        settle(&context)
    }

    private mutating func placeAnew(
        _ peer: Int32,
        stripe: Int,
        isAnnounced: Bool = true,
        _ context: inout TrackerContext
    ) {
        if takesWhole(peer) {
            placeWholeOrWait(peer, reason: .parentLost, isAnnounced: isAnnounced, &context)
        } else {
            place(peer, stripe: stripe, reason: .parentLost, isAnnounced: isAnnounced, &context)
        }
    }

    /// The time for a peer's neighbours to come back is over.
    mutating func restorationTimedOut(_ peer: Int32, _ context: inout TrackerContext) {
        guard let restoration = endRestoration(of: peer, &context) else { return }
        for stripe in stripes.indices where restoration.isPending(stripe) {
            placeAnew(peer, stripe: stripe, &context)
        }
        context.outputs.append(.restored(peer: handle(of: peer)))
        settle(&context)
    }

    /// Stops waiting for a peer's neighbours once all are there.
    mutating func finishIfSettled(_ peer: Int32, _ context: inout TrackerContext) {
        guard restorations[peer]?.isSettled ?? false else { return }
        _ = endRestoration(of: peer, &context)
        context.outputs.append(.restored(peer: handle(of: peer)))
    }

    /// Stops waiting for a peer's neighbours and gives back the slots that were kept for its children.
    mutating func endRestoration(of peer: Int32, _ context: inout TrackerContext) -> Restoration? {
        guard var restoration = restorations.removeValue(forKey: peer) else { return nil }
        context.timers.cancel(&restoration.timer)
        for stripe in stripes.indices where restoration.slotsKept(in: stripe) > 0 {
            stripes[stripe].update(peer) { $0.heldSlots &-= restoration.slotsKept(in: stripe) }
        }
        return restoration
    }
}

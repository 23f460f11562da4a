/// Peers and their signalling sockets coming and going, and the end of the tree.
extension BroadcastTree {
    /// Begins a broadcast in a free entry of the tracker's table.
    ///
    /// - Parameter children: How many the source serves with the whole stream.
    mutating func begin(isNative: Bool, children: Int, layout: StripeLayout, at now: Instant) {
        state = .live
        self.layout = layout
        stripes = Array(repeating: SpanningTree(layout), count: layout.stripes)
        wholes = WholeViewers(stripes: layout.stripes)
        stripeCapacity = Array(repeating: 0, count: layout.stripes)
        let source = insertPeer(isNative: isNative, origin: nil, at: now) { stripe in
            layout.slots(ofSourceWith: children, in: stripe)
        }
        for stripe in stripes.indices {
            stripes[stripe].update(source) { $0.flags.insert(.attached) }
            stripeCapacity[stripe] = 0
        }
    }

    /// Adds a viewer, in the best place of every stripe. If it is native, it is interior in one of them and a leaf in the
    /// others. With parity it is served without a place in one of them, and waits for that.
    mutating func join(
        isNative: Bool,
        capacity: Int,
        origin: UInt64?,
        _ context: inout TrackerContext
    ) throws(TrackerError) -> Int32 {
        guard peerCount < context.options.maximumPeersPerTree else {
            throw .tooManyPeers(limit: context.options.maximumPeersPerTree)
        }
        guard isNative || stripes.count == 1 else { return try joinWhole(origin: origin, &context) }
        let interior = poorestStripe
        // While a tree is being restored it can have slots in a moment that cannot be seen yet.
        let mayWait = isNative && !restorations.isEmpty
        var lacking = 0
        for stripe in stripes.indices where !mayWait {
            let bringsSlots = stripe == interior && capacity > 0
            if !hasRoom(stripe: stripe, bringsSlots: bringsSlots, context.options) { lacking += 1 }
        }
        guard lacking <= layout.parity else { throw .treeFull }
        // A slot in one of n stripes carries an n-th of the stream, so that the upload offered stays the same.
        let slots = capacity * layout.data
        let peer = insertPeer(isNative: isNative, origin: origin, at: context.now) { $0 == interior ? slots : 0 }
        for stripe in stripes.indices {
            place(peer, stripe: stripe, reason: .joined, isAnnounced: false, &context)
        }
        context.statistics.joins += 1
        settle(&context)
        return peer
    }

    /// Whether there is a place for a newcomer in a stripe.
    private mutating func hasRoom(stripe: Int, bringsSlots: Bool, _ options: TrackerOptions) -> Bool {
        guard let depth = stripes[stripe].shallowestSlotDepth else {
            return bringsSlots && stripes[stripe].shallowestYieldingDepth != nil
        }
        guard depth <= options.maximumDepth else { return false }
        // The last slot is for a peer that brings one: else ten viewers that offer nothing could close the tree.
        return bringsSlots || stripes[stripe].hasSlotToSpare()
    }

    /// A viewer discovers the tree it is in. It keeps its subtree, and its parents unless one of them is suspect or has
    /// not been attached to since the last time: then that parent evidently does not serve it.
    mutating func rejoin(_ peer: Int32, _ context: inout TrackerContext) throws(TrackerError) {
        guard peer != SpanningTree.source else { throw .sourceJoinsOwnTree }
        context.statistics.rejoins += 1
        resume(peer, &context)
        // It would not ask if the parent that is to come back still fed it.
        for stripe in stripes.indices { placeRestored(peer, stripe: stripe, isAnnounced: false, &context) }
        // It may know nothing of the standby it had.
        dismissStandby(of: peer, &context)
        if takesWhole(peer) { rejoinWhole(peer, &context) }
        for stripe in stripes.indices where !takesWhole(peer) {
            let node = stripes[stripe].nodes[Int(peer)]
            guard node.parent != SpanningTree.none else { continue }
            releaseHold(of: peer, stripe: stripe, &context)
            if peers[Int(node.parent)].isSuspect || node.flags.contains(.rejoined) {
                replaceParent(of: peer, stripe: stripe, reason: .joined, isAnnounced: false, &context)
            } else {
                assign(peer, stripe: stripe, reason: .joined, isAnnounced: false, &context)
            }
            stripes[stripe].update(peer) { $0.flags.insert(.rejoined) }
        }
        settle(&context)
    }

    /// A peer's signalling socket is gone without a word.
    mutating func signallingLost(_ peer: Int32, _ context: inout TrackerContext) {
        let isSource = peer == SpanningTree.source
        guard peers[Int(peer)].isNative else {
            // A legacy client has no token to come back with.
            if isSource { end(.sourceLost, &context) } else { removePeer(peer, reason: .vanished, &context) }
            return
        }
        guard !peers[Int(peer)].hasLostSignalling else { return }
        setSuspect(peer, true)
        startResumeTimer(peer, &context)
        for stripe in stripes.indices {
            cancelAttachTimer(peer, stripe: stripe, &context)
            let parent = stripes[stripe].nodes[Int(peer)].parent
            if parent != SpanningTree.none { saySuspect(peer, to: parent, &context) }
            for child in stripes[stripe].children(of: peer) { saySuspect(peer, to: child, &context) }
        }
    }

    /// Runs the time that a peer has to come back.
    mutating func startResumeTimer(_ peer: Int32, _ context: inout TrackerContext) {
        guard peer != SpanningTree.source else { return awaitSource(&context) }
        peers[Int(peer)].resumeTimer = context.timers.start(
            TimerQueue.Subject(tree: index, peer: peer, stripe: 0, kind: .viewerResume),
            deadline: context.now + context.options.resumeWindow
        )
    }

    /// Nobody can tell whether a peer's signalling socket is there.
    mutating func signallingUnreachable(_ peer: Int32, _ context: inout TrackerContext) {
        guard !peers[Int(peer)].isSuspect else { return }
        setSuspect(peer, true)
        // What it is told it may not hear, nor be heard.
        for stripe in stripes.indices { cancelAttachTimer(peer, stripe: stripe, &context) }
    }

    /// A peer's signalling socket is back.
    mutating func resume(_ peer: Int32, _ context: inout TrackerContext) {
        guard peers[Int(peer)].isSuspect else { return }
        context.timers.cancel(&peers[Int(peer)].resumeTimer)
        setSuspect(peer, false)
        for stripe in stripes.indices { startAttachTimer(peer, stripe: stripe, &context) }
        settle(&context)
    }

    /// Tells the neighbours of a peer whose socket is back, and the peer itself, once more who may link to whom: some of
    /// it may have been said while there was no socket to hear it, or of an id that it no longer has.
    func readmit(_ peer: Int32, _ context: inout TrackerContext) {
        for stripe in stripes.indices {
            admit(peer, stripe: stripe, &context)
            for child in stripes[stripe].children(of: peer) { admit(child, stripe: stripe, &context) }
        }
        repeatStandbys(of: peer, &context)
    }

    /// A native peer did not attach in time. If it was on its way to a better place, it goes back to the parent that
    /// kept its slot; else it is broken, and removed.
    mutating func attachTimedOut(_ peer: Int32, stripe: Int, _ context: inout TrackerContext) {
        let node = stripes[stripe].nodes[Int(peer)]
        guard node.childCount == 0 || node.flags.contains(.rebalancing), let previous = heldParent(node),
            !peers[Int(previous)].isEvicted, !stripes[stripe].isAncestor(peer, of: previous)
        else {
            removePeer(peer, reason: .attachTimeout, &context)
            return
        }
        stripes[stripe].unlink(peer)
        sayChildGone(peer, from: node.parent, stripe: stripe, &context)
        attach(peer, to: previous, stripe: stripe)
        context.statistics.movesReverted += 1
        assign(peer, stripe: stripe, reason: .rebalanced, isAnnounced: true, &context)
        stripes[stripe].update(peer) { $0.flags.insert(.pinned) }
        settle(&context)
    }

    /// Stops the timer about `subject`, wherever it is kept.
    mutating func cancelTimer(of subject: TimerQueue.Subject, _ context: inout TrackerContext) {
        switch subject.kind {
        case .attach: cancelAttachTimer(subject.peer, stripe: Int(subject.stripe), &context)
        case .viewerResume, .sourceResume, .sourceSearch: context.timers.cancel(&peers[Int(subject.peer)].resumeTimer)
        case .restore: cancelRestoreTimer(subject.peer, &context)
        case .eviction: cancelEvictionTimer(subject.peer, &context)
        case .shun: cancelShunTimer(subject.peer, &context)
        case .probe: cancelProbe(of: subject.peer, &context)
        }
    }

    /// Stops all that runs about a peer.
    mutating func cancelTimers(of peer: Int32, _ context: inout TrackerContext) {
        context.timers.cancel(&peers[Int(peer)].resumeTimer)
        cancelRestoreTimer(peer, &context)
        cancelEvictionTimer(peer, &context)
        cancelShunTimer(peer, &context)
        cancelProbe(of: peer, &context)
        for stripe in stripes.indices { cancelAttachTimer(peer, stripe: stripe, &context) }
    }

    private mutating func cancelRestoreTimer(_ peer: Int32, _ context: inout TrackerContext) {
        guard var timer = restorations[peer]?.timer else { return }
        context.timers.cancel(&timer)
        restorations[peer]?.timer = timer
    }

    private func saySuspect(_ peer: Int32, to neighbour: Int32, _ context: inout TrackerContext) {
        context.outputs.append(.suspect(peer: handle(of: neighbour), neighbour: handle(of: peer)))
    }

    // MARK: The end

    /// Ends the tree: its handles are void from now on, and its peers are reported one by one as the outputs are
    /// drained, so that a large audience does not have to be queued at once.
    mutating func end(_ reason: TreeEndReason, _ context: inout TrackerContext) {
        guard state == .live else { return }
        state = .ending(reason, cursor: 0)
        context.statistics.treesEnded += 1
        context.endingTrees.append(index)
    }

    /// The next thing to say about a tree that has ended; nil once all is said, which makes the entry free.
    mutating func nextEnding(_ context: inout TrackerContext) -> TrackerOutput? {
        guard case .ending(let reason, var cursor) = state else { return nil }
        while cursor < peers.count {
            let peer = Int32(truncatingIfNeeded: cursor)
            cursor += 1
            guard peers[Int(peer)].isOccupied else { continue }
            state = .ending(reason, cursor: cursor)
            cancelTimers(of: peer, &context)
            return .removed(peer: handle(of: peer), reason: .treeEnded(reason))
        }
        let over = TrackerOutput.treeEnded(tree: handle, reason: reason)
        let next = BroadcastTree(index: index, generation: generation &+ 1)
        self = next
        return over
    }
}

/// Who is believed, and what a parent is in for that does not feed its children.
///
/// Anybody may lie, so a complaint costs more than it does: it moves the one that complains, and takes away its vote for
/// a while. Two votes make the accused a leaf, which it gets over. Nothing a viewer says ends a tree.
extension BroadcastTree {
    /// Takes down what a member says about the parent it lost; returns whether that parent must become a leaf.
    mutating func testify(
        _ member: Int32,
        about parent: Int32,
        stripe: Int,
        _ reason: LossReason,
        _ context: inout TrackerContext
    ) -> Bool {
        // Where a socket is gone, the peer may be too. What its children lack is then nobody's fault.
        guard !peers[Int(parent)].isSuspect, !peers[Int(SpanningTree.source)].isSuspect else { return false }
        if reason.isRefusal {
            refuse(member, parent, &context)
            return false
        }
        guard reason.isComplaint else { return false }
        return vote(member, against: parent, stripe: stripe, &context)
    }

    /// Counts the vote of a member if it has one, and returns whether it makes the accused a leaf.
    private mutating func vote(
        _ member: Int32,
        against accused: Int32,
        stripe: Int,
        _ context: inout TrackerContext
    ) -> Bool {
        let options = context.options
        guard context.now - peers[Int(member)].joinedAt >= options.votingAge,
            !votes.isSpent(member, at: context.now), !isExcused(accused, stripe: stripe, context)
        else { return false }
        votes.spend(member, about: handle(of: accused), until: context.now + options.voteWindow)
        context.statistics.votes += 1
        guard accused != SpanningTree.source else { return false }
        return blame[accused, default: Blame()].vote(handle(of: member), at: context.now, options)
    }

    /// Whether a peer cannot be blamed for what its children lack: it, or someone above it, has no parent, or was moved
    /// and has not been fed for long.
    private mutating func isExcused(_ accused: Int32, stripe: Int, _ context: TrackerContext) -> Bool {
        var current = accused
        while current != SpanningTree.source {
            let node = stripes[stripe].nodes[Int(current)]
            guard node.parent != SpanningTree.none else { return true }
            let isSettled =
                node.flags.contains(.attached) && context.now - node.fedAt >= context.options.settlingTime
            if !isSettled,
                blame[current, default: Blame()].excuse(
                    stripe: stripe,
                    epoch: node.epoch,
                    at: context.now,
                    context.options
                )
            {
                return true
            }
            current = node.parent
        }
        return false
    }

    // MARK: Keeping newcomers away

    /// A member could not connect to the parent it was given. One that has only just come may not be ready yet.
    private mutating func refuse(_ member: Int32, _ parent: Int32, _ context: inout TrackerContext) {
        guard context.now - peers[Int(parent)].joinedAt >= context.options.attachTimeout else { return }
        if blame[parent, default: Blame()].refuse(handle(of: member), at: context.now, context.options) {
            shun(parent, &context)
        }
    }

    /// Keeps newcomers away from a peer for a while, as far as there is a slot elsewhere.
    mutating func shun(_ peer: Int32, _ context: inout TrackerContext) {
        cancelShunTimer(peer, &context)
        setShunned(peer, true)
        context.statistics.shuns += 1
        blame[peer, default: Blame()].shunTimer = context.timers.start(
            TimerQueue.Subject(tree: index, peer: peer, stripe: 0, kind: .shun),
            deadline: context.now + context.options.shunTime
        )
    }

    mutating func endShun(_ peer: Int32, _ context: inout TrackerContext) {
        setShunned(peer, false)
        settle(&context)
    }

    private mutating func setShunned(_ peer: Int32, _ isShunned: Bool) {
        for stripe in stripes.indices {
            stripes[stripe].update(peer) { node in
                if isShunned { node.flags.insert(.shunned) } else { node.flags.remove(.shunned) }
            }
        }
    }

    // MARK: Leaves by vote

    /// Makes a leaf of a peer that does not forward, for a while, if there are slots enough without it; else it is only
    /// the last choice. Its children get other parents, and it feeds them until
    /// these do. A legacy peer cannot be told to move, so it keeps its parent and only loses its children.
    mutating func evict(_ peer: Int32, _ context: inout TrackerContext) {
        guard !peers[Int(peer)].isEvicted,
            let stripe = stripes.indices.first(where: { stripes[$0].nodes[Int(peer)].capacity > 0 })
        else { return }
        guard canSpare(peer, stripe: stripe) else { return shun(peer, &context) }
        peers[Int(peer)].isEvicted = true
        context.statistics.evictions += 1
        let capacity = stripes[stripe].nodes[Int(peer)].capacity
        setCapacity(0, of: peer, stripe: stripe)
        dismissWards(of: peer, &context)
        let rounds = blame[peer, default: Blame()].sentence(at: context.now, context.options)
        blame[peer, default: Blame()].eviction = Blame.Eviction(
            stripe: stripe,
            capacity: capacity,
            rounds: rounds,
            timer: startEvictionTimer(peer, &context)
        )
        context.outputs.append(.capacityChanged(peer: handle(of: peer)))
        partWithWholes(of: peer, reason: .parentLost, isGone: false, &context)
        if peers[Int(peer)].isNative {
            vacate(peer, stripe: stripe, reason: .parentLost, isGone: false, &context)
            place(peer, stripe: stripe, reason: .evicted, &context)
        } else {
            let children = stripes[stripe].children(of: peer)
            for child in children { unlinkHolding(child, stripe: stripe, &context) }
            for child in children { place(child, stripe: stripe, reason: .parentLost, &context) }
        }
    }

    /// Whether the others offer as many slots as there are viewers. Else somebody would have no parent at all, and a bad
    /// one is better than that.
    private func canSpare(_ peer: Int32, stripe: Int) -> Bool {
        surplus(of: stripe) >= Int(stripes[stripe].nodes[Int(peer)].capacity)
    }

    /// A round of a peer's time as a leaf is over. After the last one it offers again what it offered before.
    mutating func evictionRoundEnded(_ peer: Int32, _ context: inout TrackerContext) {
        guard var eviction = blame[peer]?.eviction else { return }
        eviction.rounds -= 1
        if eviction.rounds > 0 {
            eviction.timer = startEvictionTimer(peer, &context)
            blame[peer]?.eviction = eviction
            return
        }
        blame[peer]?.endEviction(at: context.now)
        peers[Int(peer)].isEvicted = false
        setCapacity(eviction.capacity, of: peer, stripe: eviction.stripe)
        context.outputs.append(.capacityChanged(peer: handle(of: peer)))
        settle(&context)
    }

    /// A peer was made a leaf by another tracker.
    mutating func goOn(
        withEvictionOf peer: Int32,
        _ eviction: TreeSnapshot.Eviction,
        _ context: inout TrackerContext
    ) {
        peers[Int(peer)].isEvicted = true
        blame[peer, default: Blame()].eviction = Blame.Eviction(
            stripe: eviction.stripe,
            capacity: eviction.capacity,
            rounds: eviction.rounds,
            timer: startEvictionTimer(peer, &context)
        )
    }

    mutating func setCapacity(_ capacity: UInt16, of peer: Int32, stripe: Int) {
        stripeCapacity[stripe] += Int(capacity) - Int(stripes[stripe].nodes[Int(peer)].capacity)
        stripes[stripe].update(peer) { $0.capacity = capacity }
    }

    private func startEvictionTimer(_ peer: Int32, _ context: inout TrackerContext) -> Int32 {
        context.timers.start(
            TimerQueue.Subject(tree: index, peer: peer, stripe: 0, kind: .eviction),
            deadline: context.now + context.options.evictionTime
        )
    }

    // MARK: The end of it

    /// Drops what is kept about a peer that goes. If it was gone without a word, those who said so have their votes back.
    mutating func forgetBlame(of peer: Int32, wasGone: Bool, _ context: inout TrackerContext) {
        guard let record = blame[peer] else { return }
        cancelEvictionTimer(peer, &context)
        cancelShunTimer(peer, &context)
        blame[peer] = nil
        guard wasGone else { return }
        for voter in record.votes.map({ $0.member }) + record.witnesses {
            if let voter = index(of: voter) { votes.refund(voter, about: handle(of: peer)) }
        }
    }

    mutating func cancelEvictionTimer(_ peer: Int32, _ context: inout TrackerContext) {
        guard var timer = blame[peer]?.eviction?.timer else { return }
        context.timers.cancel(&timer)
        blame[peer]?.eviction?.timer = timer
    }

    mutating func cancelShunTimer(_ peer: Int32, _ context: inout TrackerContext) {
        guard var timer = blame[peer]?.shunTimer else { return }
        context.timers.cancel(&timer)
        blame[peer]?.shunTimer = timer
    }
}

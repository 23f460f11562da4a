import PeerTreeCore
import PeerTreeSignalling
import StateMachine

// What is to be done, given what is known. It is looked for anew each time, so that nothing depends on an answer that never
// comes.

extension SlotOwnership {
    mutating func settle(at now: Instant) {
        if let (call, request) = lease.nextCall(at: now) { ask(request, .lease(call)) }
        guard firstListed != nil else { return }
        raiseIfNeeded(at: now)
        registerIfNeeded(at: now)
        if !unsettled.isEmpty {
            for slot in options.slots where unsettled.contains(slot) { settle(slot, at: now) }
        }
        balance(at: now)
    }

    // MARK: The cluster

    private mutating func raiseIfNeeded(at now: Instant) {
        guard incarnation.isToBeRaised, !incarnation.isWaiting, incarnation.notBefore <= now else { return }
        let value = nextIncarnation(at: now)
        let condition: EtcdTransaction.Condition =
            incarnation.record.map { .modRevision(keys.incarnation, $0.revision) }
            ?? .createRevision(keys.incarnation, 0)
        let put = EtcdPut(key: keys.incarnation, value: Array(String(value).utf8))
        incarnation.isWaiting = true
        ask(.transaction(EtcdTransaction(if: [condition], put: [put], otherwiseRead: [put.key])), .raise(to: value))
    }

    /// Above all that are known, and above those that nobody remembers, by the clock. No two nodes make the same of the same:
    /// a transaction that etcd does late, after it was wiped again, must not bring an incarnation back.
    private func nextIncarnation(at now: Instant) -> Int64 {
        let (clock, overflow) = options.unixMillisecondsAtZero.addingReportingOverflow(
            Int64(now.nanoseconds / 1_000_000)
        )
        let milliseconds = max(incarnation.highest >> 10 + 1, overflow ? 0 : min(max(0, clock), 1 << 50))
        return milliseconds << 10 | Int64(me.run & 1_023)
    }

    var registrationPut: EtcdPut? {
        lease.lease.map { EtcdPut(key: keys.node(me.name), value: record.written, lease: $0) }
    }

    private mutating func registerIfNeeded(at now: Instant) {
        guard !registration.isDone, !registration.isWaiting, registration.notBefore <= now, lease.isCertain(at: now),
            let put = registrationPut
        else { return }
        let there = mirror.keys[put.key]
        if there?.value == put.value, there?.lease == put.lease { return registration.isDone = true }
        // A key of this run, under a lease that is lost or from before it was leaving, may be written over; one of another run
        // is left.
        let isMine = there.flatMap { NodeRecord(written: $0.value) }?.id == me
        let condition: EtcdTransaction.Condition =
            isMine ? .modRevision(put.key, there?.modRevision ?? 0) : .createRevision(put.key, 0)
        registration.isWaiting = true
        ask(.transaction(EtcdTransaction(if: [condition], put: [put], otherwiseRead: [put.key])), .register)
    }

    // MARK: One slot

    private mutating func settle(_ slot: Slot, at now: Instant) {
        guard let state = slots[slot], !state.isWaiting else { return }
        if state.isInDoubt { return look(at: slot, at: now) }
        guard let incarnation = incarnation.value else { return }
        guard let record = state.record, let owner = record.owner else {
            if state.held != nil || mayClaim(slot, state, at: now) { take(slot, state, at: now) }
            return
        }
        let term = SlotTerm(incarnation: incarnation, revision: record.revision)
        if owner != me {
            if let held = state.held, held < term { letGo(slot) }
            unsettled.remove(slot)
        } else if record.lease == lease.lease {
            keep(slot, state, term, at: now)
        } else {
            take(slot, state, at: now)
        }
    }

    private mutating func look(at slot: Slot, at now: Instant) {
        guard let state = slots[slot], state.notBefore <= now else { return }
        slots[slot]?.isWaiting = true
        ask(.range(EtcdRange(key: keys.slot(slot))), .look(slot))
    }

    /// The key is this node's, under its lease.
    private mutating func keep(_ slot: Slot, _ state: SlotState, _ term: SlotTerm, at now: Instant) {
        if let heard = state.heard, heard > term { return take(slot, state, at: now) }
        if state.held.map({ $0 < term }) ?? true {
            slots[slot]?.held = term
            outputs.append(.owns(slot, term))
        }
        guard let offer = state.offer else {
            unsettled.remove(slot)
            return
        }
        if offer.term < term {
            slots[slot]?.offer = nil
            outputs.append(.keeps(slot))
        } else if offer.isWithdrawn || offer.since + options.offerPatience <= now
            || nodes[offer.node.name] != offer.node
        {
            slots[slot]?.offer?.isWithdrawn = true
            take(slot, state, at: now)
        }
    }

    mutating func letGo(_ slot: Slot) {
        slots[slot]?.held = nil
        slots[slot]?.offer = nil
        outputs.append(.letsGo(slot))
    }

    // MARK: Claims

    /// Whether a slot that is nobody's is to be claimed by this node, now.
    private func mayClaim(_ slot: Slot, _ state: SlotState, at now: Instant) -> Bool {
        // Until then a living owner may exist of whom this node has not heard.
        guard !record.isLeaving, registration.isDone, let firstListed, firstListed + options.reachPatience <= now else {
            return false
        }
        let goneSince = state.goneSince ?? firstListed
        if let owner = state.lastOwner, owner != me {
            let link = links[owner] ?? Link(isUp: false, since: goneSince)
            guard !link.isUp, link.since + options.reachPatience <= now else { return false }
        }
        return claimant(of: slot) == me || goneSince + options.reachPatience + options.claimPatience <= now
    }

    /// The node that should claim the slot, as all see it who know the same nodes: that of which the hash with the slot is
    /// the highest.
    private func claimant(of slot: Slot) -> NodeID? {
        nodes.values.max { Self.weight(slot, $0.name) < Self.weight(slot, $1.name) }
    }

    private static func weight(_ slot: Slot, _ name: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ UInt64(slot.number)) &* 0x9e37_79b9_7f4a_7c15
        return (hash ^ hash >> 31) &* 0xbf58_476d_1ce4_e5b9
    }

    /// Makes the slot this node's, if its key is as it is known here.
    private mutating func take(_ slot: Slot, _ state: SlotState, at now: Instant) {
        guard state.notBefore <= now, transactions < options.callsAtOnce else { return }
        take(slot, revision: state.record?.revision, at: now)
    }

    /// - Parameter revision: The key's, if it exists.
    mutating func take(_ slot: Slot, revision: Int64?, at now: Instant) {
        guard let lease = lease.lease, self.lease.isCertain(at: now), let incarnation = mirror.keys[keys.incarnation]
        else { return }
        let key = keys.slot(slot)
        let asItWas: EtcdTransaction.Condition = revision.map { .modRevision(key, $0) } ?? .createRevision(key, 0)
        let transaction = EtcdTransaction(
            // Its value, not its revision: that may be the same in another history.
            if: [asItWas, .value(keys.incarnation, incarnation.value)],
            put: [EtcdPut(key: key, value: me.written, lease: lease)],
            otherwiseRead: [key, keys.incarnation]
        )
        slots[slot]?.isWaiting = true
        unsettled.insert(slot)
        transactions += 1
        ask(.transaction(transaction), .take(slot, lease: lease))
    }
}

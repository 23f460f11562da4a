import PeerTreeCore
import PeerTreeSignalling
import StateMachine

// Slots go from one living node to another.

extension SlotOwnership {
    /// Others have heard of this term of the slot.
    mutating func heard(_ slot: Slot, _ term: SlotTerm, at now: Instant) {
        guard let state = slots[slot], term.incarnation <= 1 << 61,
            term > state.heard ?? .none
        else { return }
        slots[slot]?.heard = term
        incarnation.highest = max(incarnation.highest, term.incarnation)
        guard let held = state.held, held < term else { return }
        letGo(slot)
        unsettled.insert(slot)
        mirror.handle(.doubted, at: now)
    }

    // MARK: The owner

    /// Offers slots to the node that has the fewest, while that makes loads more even.
    mutating func balance(at now: Instant) {
        guard nextBalance <= now, registration.isDone, lease.isCertain(at: now), incarnation.isCurrent else { return }
        nextBalance = now + Self.lookInterval
        let others = successors
        guard hasMore(than: others) else { return }
        var offered = slots.compactMapValues(\.offer)
        let most = record.isLeaving ? options.movesAtLeaving : options.movesAtOnce
        for slot in options.slots.reversed() where offered.count < most {
            guard let state = slots[slot], let held = state.held, state.notBefore <= now, !state.isWaiting,
                isConfirmed(slot, at: now), let node = successor(among: others, offered)
            else { continue }
            // An offer is answered once in a term.
            if state.declined == held {
                if transactions < options.callsAtOnce { take(slot, revision: held.revision, at: now) }
                continue
            }
            let offer = Offer(node: node, term: held, since: now)
            offered[slot] = offer
            slots[slot]?.offer = offer
            unsettled.insert(slot)
            outputs.append(.offer(slot, held, to: node))
        }
    }

    /// Whether another node has fewer slots, so that one may go there.
    var isUneven: Bool { hasMore(than: successors) }

    private var successors: [NodeID] { nodes.values.filter { $0 != me && links[$0]?.isUp == true } }

    private func hasMore(than others: [NodeID]) -> Bool {
        guard let least = others.map({ loads[$0] ?? 0 }).min() else { return false }
        return loads[me] ?? 0 > (record.isLeaving ? 0 : least + 1)
    }

    private func successor(among others: [NodeID], _ offered: [Slot: Offer]) -> NodeID? {
        func load(_ node: NodeID) -> Int { (loads[node] ?? 0) + offered.values.count { $0.node == node } }
        guard let node = others.min(by: { (load($0), $0.name) < (load($1), $1.name) }) else { return nil }
        return record.isLeaving || (loads[me] ?? 0) - offered.count > load(node) + 1 ? node : nil
    }

    /// The successor does not take it, and never will in this term.
    mutating func declined(_ slot: Slot, _ term: SlotTerm) {
        guard let offer = slots[slot]?.offer, offer.term == term, !offer.isWithdrawn else { return }
        slots[slot]?.offer = nil
        slots[slot]?.declined = term
        // Who is about to stop has no time for that.
        slots[slot]?.notBefore = record.isLeaving ? offer.since : offer.since + options.offerPatience
        outputs.append(.keeps(slot))
    }

    // MARK: The successor

    mutating func takeOver(_ slot: Slot, _ term: SlotTerm, at now: Instant) {
        guard let state = slots[slot], term > state.answeredOffer ?? .none else {
            return
        }
        // An offer is answered once: what was declined is not taken when it comes again.
        slots[slot]?.answeredOffer = term
        let share = (options.slots.count + nodes.count - 1) / max(1, nodes.count)
        // Whoever is about to stop has counted better than this node can, which may not have seen yet what came of its calls.
        let isGivenUp = state.record?.owner.map { nodes[$0.name] != $0 } ?? false
        let hasRoom = isGivenUp || (loads[me] ?? 0) + transactions < share
        let isWanted =
            !record.isLeaving && hasRoom && registration.isDone && !state.isWaiting && !state.isInDoubt
        if isWanted, incarnation.value == term.incarnation, lease.isCertain(at: now) {
            take(slot, revision: term.revision, at: now)
        } else if let owner = state.record?.owner, owner != me {
            outputs.append(.decline(slot, term, to: owner))
        }
    }
}

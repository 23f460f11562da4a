import PeerTreeCore

// Rebuilding the tree after a restart.

/// A link is restored if both of its ends speak of it; who speaks first does not matter.
extension SimulatedServer {
    mutating func restore(
        _ token: SimulatedToken,
        _ places: [Claim],
        _ client: Int,
        at now: Instant
    ) throws(TrackerError) -> Bool {
        if tree == nil {
            let source = try tracker.restoreTree(
                capacity: token.sourceCapacity,
                stripes: token.layout.stripes,
                parity: token.layout.parity,
                at: now
            )
            tree = source.tree
        }
        guard let tree else { return false }
        let claims = (0..<token.layout.stripes).map { stripe in
            let inStripe = places.filter { $0.stripe == stripe }
            return StripePlace(
                epoch: inStripe.first { $0.role == .parent }?.epoch ?? 0,
                children: inStripe.count { $0.role == .child }
            )
        }
        if token.isSource {
            let source = try tracker.source(of: tree)
            try tracker.restoreSource(source, places: claims, at: now)
            register(source, client, claim: places)
        } else {
            let peer = try tracker.restore(
                tree,
                capacity: token.capacity,
                interior: token.interior,
                places: claims,
                at: now
            )
            register(peer, client, claim: places)
            settleParents(of: client, stripes: token.layout.stripes, at: now)
        }
        settleChildren(of: client, at: now)
        return true
    }

    private mutating func settleParents(of client: Int, stripes: Int, at now: Instant) {
        guard let member = members[client] else { return }
        for stripe in 0..<stripes {
            let place = member.claim?.first { $0.role == .parent && $0.stripe == stripe }
            guard let parent = place.map({ $0.client }) else {
                placeRestored(member.peer, stripe: stripe, isAnnounced: false, at: now)
                continue
            }
            guard members.indices.contains(parent), let other = members[parent] else {
                awaiting.append((client, parent))
                continue
            }
            let isAgreed = names(parent, child: client, stripe: stripe)
            if !isAgreed || !reattach(member.peer, to: other.peer, stripe: stripe, isAnnounced: false, at: now) {
                placeRestored(member.peer, stripe: stripe, isAnnounced: false, at: now)
            }
        }
    }

    private mutating func settleChildren(of client: Int, at now: Instant) {
        guard let member = members[client] else { return }
        for place in member.claim ?? [] where place.role == .child {
            let child = place.client
            guard child != client, members.indices.contains(child), let other = members[child],
                names(child, parent: client, stripe: place.stripe)
            else { continue }
            _ = reattach(other.peer, to: member.peer, stripe: place.stripe, isAnnounced: true, at: now)
        }
        let waiting = awaiting.filter { $0.parent == client }.map(\.child)
        awaiting.removeAll { $0.parent == client }
        for child in waiting {
            guard let other = members[child] else { continue }
            for place in other.claim ?? [] where place.role == .parent && place.client == client {
                placeRestored(other.peer, stripe: place.stripe, isAnnounced: true, at: now)
            }
        }
    }

    private func names(_ client: Int, child: Int, stripe: Int) -> Bool {
        members[client]?.claim?.contains {
            $0.role == .child && $0.client == child && $0.stripe == stripe
        } ?? false
    }

    private func names(_ client: Int, parent: Int, stripe: Int) -> Bool {
        members[client]?.claim?.contains {
            $0.role == .parent && $0.client == parent && $0.stripe == stripe
        } ?? false
    }

    private mutating func reattach(
        _ child: PeerHandle,
        to parent: PeerHandle,
        stripe: Int,
        isAnnounced: Bool,
        at now: Instant
    ) -> Bool {
        let isLinked: Void? = try? tracker.reattach(
            child,
            to: parent,
            stripe: stripe,
            isAnnounced: isAnnounced,
            at: now
        )
        return isLinked != nil
    }

    private mutating func placeRestored(_ peer: PeerHandle, stripe: Int, isAnnounced: Bool, at now: Instant) {
        try? tracker.placeRestored(peer, stripe: stripe, isAnnounced: isAnnounced, at: now)
    }

    mutating func forgetClaim(of client: Int) {
        members[client]?.claim = nil
        awaiting.removeAll { $0.child == client }
    }
}

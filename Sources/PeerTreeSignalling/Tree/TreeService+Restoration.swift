import JSON
import PeerTreeCore

/// What a restored peer said of its links, until they are settled.
struct RestorationClaim {
    let place: ClaimedPlace

    /// Whether the peer says that one of `ids` is its parent in `stripe`.
    func names(parent ids: [String], stripe: Int) -> Bool {
        place.parents[stripe]?.neighbour.map { ids.contains($0.id) } ?? false
    }

    /// Whether the peer says that a member is its child in `stripe`. One of the original clients has one place, whichever
    /// stripe is named.
    func names(child member: Member, stripe: Int) -> Bool {
        place.children.contains { ($0.stripe == stripe || !member.isNative) && member.ids.contains($0.id) }
    }
}

/// Rebuilding trees that an earlier service had, from what peers or their gateways say. A link is restored if both of its
/// ends speak of it; who speaks first does not matter. So nobody can put itself under a peer that does not feed it. What a
/// gateway says of a parent that is the source is enough, for the source may stay away for long.
extension TreeService {
    /// Takes in a peer that was in a tree before.
    ///
    /// - Parameter isAnnounced: Whether the peer is to be told where it is. It needs not if it has asked.
    mutating func restore(
        _ arrival: Announcement,
        isAnnounced: Bool,
        from gateway: GatewayID
    ) throws(SignallingError) -> PeerHandle {
        let token = arrival.token
        var place = arrival.place
        place.keepChildren(upTo: token.slots(in:))
        let tree = try restoredTree(token, gateway)
        guard let entry = trees[tree], entry.layout == token.layout else { throw .unknownResume }
        let absent = label(of: entry.source)
        let peer = try restore(arrival, at: place, in: entry)
        register(peer, arrival, from: gateway)
        tellEntered(peer)
        restoration.claims[peer] = RestorationClaim(place: place)
        if token.isSource {
            // A viewer's token may say what was so before the source took its tree over.
            trees[tree]?.isEncrypted = token.isEncrypted
            noteSourceIsBack(peer, insteadOf: absent)
            for child in place.children { completeSession(of: peer, with: child) }
        } else {
            dashboard.changed(peer)
        }
        if !token.isSource { settleParents(of: peer, place, isAnnounced: isAnnounced) }
        settleChildren(of: peer, place)
        return peer
    }

    /// Has the tracker take it in.
    private mutating func restore(
        _ arrival: Announcement,
        at place: ClaimedPlace,
        in entry: TreeEntry
    ) throws(SignallingError) -> PeerHandle {
        let token = arrival.token
        // For children that were linked to the source while it was away no slot has to be kept.
        let expected = place.children.filter { claimed in
            guard token.isSource, let child = memberIDs[claimed.id] else { return true }
            return !isFed(child, by: entry.source, stripe: claimed.stripe)
        }
        let places = (0..<entry.layout.stripes).map { stripe in
            StripePlace(
                epoch: place.parents[stripe]?.epoch ?? 0,
                children: expected.count { $0.stripe == stripe && !$0.isWhole },
                wholes: expected.count { $0.stripe == stripe && $0.isWhole }
            )
        }
        guard token.isSource else {
            return try ask { tracker, now throws(TrackerError) in
                try tracker.restore(
                    entry.source.tree,
                    isNative: arrival.isNative,
                    capacity: Int(token.capacity),
                    interior: token.interiorStripe.map { Int($0) },
                    places: places,
                    origin: arrival.address,
                    at: now
                )
            }
        }
        guard isAbsentSource(entry.source) else { throw .unknownResume }
        try ask { tracker, now throws(TrackerError) in
            try tracker.restoreSource(entry.source, isNative: arrival.isNative, places: places, at: now)
        }
        return entry.source
    }

    private mutating func register(_ peer: PeerHandle, _ arrival: Announcement, from gateway: GatewayID) {
        let token = arrival.token
        restoration.noteRestored(token)
        var member = Member(
            id: "",
            tree: token.treeID,
            gateway: gateway,
            isNative: arrival.isNative,
            stripes: token.layout.stripes,
            number: token.number,
            statusInterval: options.statusInterval
        )
        member.tokenExpiry = token.expiry
        // Children that were linked to the stand-in of a source know it by one that its token need not have.
        let known = members[peer]?.ids ?? []
        for name in known + token.ids + [arrival.socket] where !name.isEmpty {
            if let dropped = member.rename(name), memberIDs[dropped] == peer { memberIDs[dropped] = nil }
        }
        members[peer] = member
        memberNumbers[token.number] = peer
        for name in member.ids where name == arrival.socket || memberIDs[name] == nil { memberIDs[name] = peer }
    }

    /// The tree a token is of, made if this is the first of its peers to come back.
    private mutating func restoredTree(
        _ token: ResumeToken,
        _ gateway: GatewayID
    ) throws(SignallingError) -> TreeHandle {
        if let tree = treeIDs[token.treeID] { return tree }
        let source = try ask { tracker, now throws(TrackerError) in
            try tracker.restoreTree(
                capacity: Int(token.sourceCapacity),
                stripes: token.layout.stripes,
                parity: token.layout.parity,
                at: now
            )
        }
        var standIn = Member(
            id: "",
            tree: token.treeID,
            gateway: gateway,
            isNative: true,
            stripes: token.layout.stripes,
            number: 0,
            statusInterval: options.statusInterval
        )
        standIn.isConnected = false
        members[source] = standIn
        treeIDs[token.treeID] = source.tree
        var entry = TreeEntry(id: token.treeID, source: source, layout: token.layout)
        entry.isEncrypted = token.isEncrypted
        trees[source.tree] = entry
        return source.tree
    }

    /// Links a restored peer to the parents that are back, and finds others for those that will not come.
    private mutating func settleParents(of peer: PeerHandle, _ place: ClaimedPlace, isAnnounced: Bool) {
        guard let member = members[peer] else { return }
        for stripe in 0..<member.places {
            guard let claimed = place.parents[stripe]?.neighbour else {
                placeRestored(peer, stripe: stripe, isAnnounced: isAnnounced)
                continue
            }
            let isSource = place.parents[stripe]?.isSource ?? false
            if isSource, isAnnounced, linkToAbsentSource(peer, claimed) { continue }
            guard let parent = memberIDs[claimed.id], parent.tree == peer.tree, !isAbsentSource(parent) else {
                restoration.awaitedParents[claimed.id, default: []].append(peer)
                continue
            }
            let isAgreed = restoration.claims[parent]?.names(child: member, stripe: stripe) ?? false
            if !isAgreed || !reattach(peer, to: parent, stripe: stripe, isAnnounced: isAnnounced) {
                placeRestored(peer, stripe: stripe, isAnnounced: isAnnounced)
            }
        }
    }

    /// Links a peer to the source of its tree, which has not come back yet: so whoever comes has a place below the peer.
    ///
    /// - Parameter claimed: The source, as the service before named it to the peer's gateway.
    private mutating func linkToAbsentSource(_ peer: PeerHandle, _ claimed: ClaimedPlace.Neighbour) -> Bool {
        guard let source = trees[peer.tree]?.source, isAbsentSource(source), memberIDs[claimed.id] ?? source == source
        else { return false }
        if let dropped = members[source]?.rename(claimed.id), memberIDs[dropped] == source { memberIDs[dropped] = nil }
        memberIDs[claimed.id] = source
        guard reattach(peer, to: source, stripe: claimed.stripe, isAnnounced: true) else { return false }
        if let id = claimed.sessionID, members[peer]?.sessions[id] == nil {
            members[peer]?.add(Session(other: source, otherID: claimed.id, isInitiator: true), id: id)
        }
        return true
    }

    /// Whether a peer stands for a source that has not come back yet, which has no number.
    private func isAbsentSource(_ peer: PeerHandle) -> Bool { members[peer]?.number == 0 }

    /// The source is back and knows the session of a link that was restored while it was away.
    private mutating func completeSession(of source: PeerHandle, with claimed: ClaimedPlace.Neighbour) {
        guard let id = claimed.sessionID, let child = memberIDs[claimed.id],
            let session = members[child]?.sessions[id], session.other == source, session.isInitiator,
            members[source]?.sessions[id] == nil
        else { return }
        members[source]?.add(Session(other: child, otherID: claimed.id, isInitiator: false), id: id)
    }

    /// Links the children that came back before their parent; those that it does not know get other parents.
    private mutating func settleChildren(of peer: PeerHandle, _ place: ClaimedPlace) {
        guard let member = members[peer] else { return }
        for claimed in place.children where (0..<member.stripes).contains(claimed.stripe) {
            guard let child = memberIDs[claimed.id], child.tree == peer.tree, child != peer else { continue }
            let stripe = members[child]?.isNative ?? true ? claimed.stripe : 0
            guard restoration.claims[child]?.names(parent: member.ids, stripe: stripe) ?? false else { continue }
            _ = reattach(child, to: peer, stripe: stripe, isAnnounced: true)
        }
        for name in member.ids {
            for child in restoration.awaitedParents.removeValue(forKey: name) ?? [] where child.tree == peer.tree {
                for stripe in 0..<member.stripes
                where restoration.claims[child]?.names(parent: [name], stripe: stripe) ?? false {
                    placeRestored(child, stripe: stripe, isAnnounced: true)
                }
            }
        }
    }

    private mutating func reattach(
        _ child: PeerHandle,
        to parent: PeerHandle,
        stripe: Int,
        isAnnounced: Bool
    ) -> Bool {
        let isLinked: Void? = try? ask { tracker, now throws(TrackerError) in
            try tracker.reattach(child, to: parent, stripe: stripe, isAnnounced: isAnnounced, at: now)
        }
        guard isLinked != nil else { return false }
        restoreSession(of: child, with: parent, stripe: stripe)
        return true
    }

    /// The session of a link goes on too, so that its ends still reach each other, and are told of each other by the
    /// ids they know.
    private mutating func restoreSession(of child: PeerHandle, with parent: PeerHandle, stripe: Int) {
        guard let up = restoration.claims[child]?.place.parents[stripe]?.neighbour, let id = up.sessionID,
            let childIDs = members[child]?.ids,
            let down = restoration.claims[parent]?.place.children.first(where: {
                $0.sessionID == id && childIDs.contains($0.id)
            }),
            members[child]?.sessions[id] == nil, members[parent]?.sessions[id] == nil
        else { return }
        members[child]?.add(Session(other: parent, otherID: up.id, isInitiator: true), id: id)
        members[parent]?.add(Session(other: child, otherID: down.id, isInitiator: false), id: id)
    }

    private mutating func placeRestored(_ peer: PeerHandle, stripe: Int, isAnnounced: Bool) {
        try? ask { tracker, now throws(TrackerError) in
            try tracker.placeRestored(peer, stripe: stripe, isAnnounced: isAnnounced, at: now)
        }
    }

    /// Children that a restored peer named, and that have another parent now, are its own no more: it must not go on feeding
    /// them. Those that nobody knows may come back yet; of an original client, which is told nothing, they are forgotten.
    mutating func releaseStrangers(of parent: PeerHandle) {
        guard let claim = restoration.claims[parent], let member = members[parent] else { return }
        for claimed in claim.place.children {
            if let child = memberIDs[claimed.id], child.tree == parent.tree {
                guard !isFed(child, by: parent, stripe: claimed.stripe) else { continue }
            } else if member.isNative {
                continue
            }
            let payload: JSONValue = ["id": .string(claimed.id), "stripe": JSONValue(claimed.stripe)]
            emit(.childGone, payload, to: parent)
        }
    }

    private func isFed(_ child: PeerHandle, by parent: PeerHandle, stripe: Int) -> Bool {
        (try? tracker.parent(of: child, stripe: stripe)) == parent
            || (try? tracker.previousParent(of: child, stripe: stripe)) == parent
    }

    /// Drops what a peer said of its links.
    mutating func forgetClaim(of peer: PeerHandle) {
        guard let claim = restoration.claims.removeValue(forKey: peer) else { return }
        for parent in claim.place.parents.values {
            guard let id = parent.neighbour?.id, var waiting = restoration.awaitedParents[id] else { continue }
            waiting.removeAll { $0 == peer }
            restoration.awaitedParents[id] = waiting.isEmpty ? nil : waiting
        }
    }
}

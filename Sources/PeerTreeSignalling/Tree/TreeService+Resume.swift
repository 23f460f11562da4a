import JSON
import PeerTreeCore

/// Coming back: to a server that remembers the peer, or to one that was started again.
extension TreeService {
    /// Gives a membership to a socket whose token proves that it is this peer's.
    mutating func resume(
        _ token: ResumeToken,
        _ entry: Entry,
        from gateway: GatewayID
    ) throws(SignallingError) -> PeerHandle {
        let peer: PeerHandle
        if let found = memberNumbers[token.number], trees[found.tree]?.id == token.treeID {
            takeOver(found, by: entry.socket, at: gateway)
            peer = found
        } else {
            // One of this term whose peer is gone has left, or came too late; so has one that was restored and is gone.
            try mayRestore(token)
            let arrival = Announcement(entry, token: token, place: entry.request.place)
            peer = try restore(arrival, isAnnounced: false, from: gateway)
        }
        learnKey(entry.request.key, of: peer.tree)
        if let agent = entry.request.agent { members[peer]?.report.agent = agent }
        return peer
    }

    mutating func takeOver(_ peer: PeerHandle, by id: String, at gateway: GatewayID) {
        guard let member = members[peer] else { return }
        if member.isConnected, member.id != id {
            // The server has not noticed yet that the old socket is dead; should it live, it is told.
            tell(.replaced(member.socket), of: member.slot, to: member.gateway)
        }
        withdrawAdmissions(of: peer, underOtherIDThan: id)
        // A socket that was this peer's once may be another's by now.
        if let dropped = members[peer]?.rename(id), memberIDs[dropped] == peer { memberIDs[dropped] = nil }
        members[peer]?.gateway = gateway
        members[peer]?.isConnected = true
        memberIDs[id] = peer
        tellEntered(peer)
        dashboard.changed(peer)
        // What follows from that is said around the answer.
        try? ask { tracker, now throws(TrackerError) in try tracker.handle(.signallingResumed(peer), at: now) }
    }

    /// A parent or standby that has no session with this peer yet was told to admit it under an id which it is about to
    /// lose.
    private mutating func withdrawAdmissions(of peer: PeerHandle, underOtherIDThan id: String) {
        guard let member = members[peer], member.id != id else { return }
        for stripe in 0..<member.stripes {
            guard let parent = try? tracker.parent(of: peer, stripe: stripe), members[parent]?.knownID(of: peer) == nil
            else { continue }
            let payload: JSONValue = ["id": .string(member.id), "stripe": JSONValue(stripe)]
            emit(.childGone, payload, to: parent)
        }
        if let standby = (try? tracker.standby(of: peer)) ?? nil, members[standby]?.knownID(of: peer) == nil {
            emit(.childGone, ["id": .string(member.id), "kind": "standby"], to: standby)
        }
    }

    // MARK: Tokens

    /// What a peer could prove as it is now.
    func token(of peer: PeerHandle) -> ResumeToken? {
        guard let member = members[peer], let entry = trees[peer.tree], let tenure = slots[member.slot] else {
            return nil
        }
        let interior = peer.isSource ? nil : (try? tracker.interiorStripe(of: peer)) ?? nil
        let slots = interior.flatMap { try? tracker.capacity(of: peer, stripe: $0) } ?? 0
        let sourceCapacity = children(of: entry.source)
        let expiry = UInt32(clamping: unixTime + options.resumeTokenLifetime.nanoseconds / 1_000_000_000)
        return ResumeToken(
            term: tenure.term,
            number: member.number,
            expiry: expiry,
            isSource: peer.isSource,
            isEncrypted: entry.isEncrypted,
            layout: entry.layout,
            interiorStripe: interior.map { UInt8(clamping: $0) },
            capacity: UInt16(clamping: peer.isSource ? sourceCapacity : slots),
            sourceCapacity: UInt16(clamping: sourceCapacity),
            treeID: entry.id,
            ids: member.ids
        )
    }

    /// A token as its peer keeps it.
    mutating func text(of token: ResumeToken, for peer: PeerHandle) -> String {
        members[peer]?.tokenExpiry = token.expiry
        return token.text(signedBy: security)
    }

    /// Gives a peer a new token once half of the old one's time is over.
    mutating func renewToken(of peer: PeerHandle) {
        guard let member = members[peer], member.isNative, member.isConnected else { return }
        let half = options.resumeTokenLifetime.nanoseconds / 2_000_000_000
        if UInt64(member.tokenExpiry) < unixTime + half { sendToken(to: peer) }
    }

    /// How many children a peer may have in a tree of one stripe. With more it has as many for each of them without parity:
    /// a viewer all in the one in which it is interior.
    func children(of peer: PeerHandle) -> Int {
        (try? tracker.wholeCapacity(of: peer)) ?? 0
    }

    /// Gives a peer a token that says what it is now. Its gateway has it, too.
    mutating func sendToken(to peer: PeerHandle) {
        guard let member = members[peer], member.isConnected, let token = token(of: peer) else { return }
        tell(.renewed(member.socket, token), of: member.slot, to: member.gateway)
        say(token, to: peer)
    }

    /// Gives a peer a token, unless it is an original client, which would not know what to do with it.
    mutating func say(_ token: ResumeToken, to peer: PeerHandle) {
        guard members[peer]?.isNative ?? false else { return }
        let text = text(of: token, for: peer)
        emit(.resume, ["resume": .string(text), "capacity": JSONValue(children(of: peer))], to: peer)
    }
}

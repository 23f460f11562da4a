import PeerTreeCore

/// Gateways that have outlived the service before this one say who is there. Nobody has asked for anything, so nobody is
/// answered: whoever is elsewhere now is told where.
extension TreeService {
    mutating func announce(_ arrival: Announcement, from gateway: GatewayID) {
        do throws(SignallingError) {
            guard let known = memberNumbers[arrival.token.number] else { return try takeBack(arrival, from: gateway) }
            meet(known, arrival, from: gateway)
        } catch {
            turnAway(arrival.member, isNative: arrival.isNative, at: gateway)
        }
    }

    /// Whoever a gateway speaks of has no place here.
    mutating func turnAway(_ member: MemberSocket, isNative: Bool, at gateway: GatewayID) {
        let slot = Slot(ofTree: member.tree)
        // A client that hears that it has no place asks for one, with its token.
        if isNative {
            tell(.refuse(member, event: SignallingName.discover.string, .notAMember), of: slot, to: gateway)
        }
        tell(.left(member), of: slot, to: gateway)
    }

    private mutating func takeBack(_ arrival: Announcement, from gateway: GatewayID) throws(SignallingError) {
        try mayRestore(arrival.token)
        let peer = try restore(arrival, isAnnounced: true, from: gateway)
        if peer.isSource { trees[peer.tree]?.origin = gateway }
        learnKey(arrival.key, of: peer.tree)
        members[peer]?.report.agent = arrival.agent
        sayWhatFollows()
        if let token = token(of: peer), !token.saysTheSame(as: arrival.token) { say(token, to: peer) }
        summarySoon(peer.tree)
        admitWaiting(for: arrival.token.treeID)
    }

    /// Somebody is announced who has come back by itself, or was announced already.
    private mutating func meet(_ peer: PeerHandle, _ arrival: Announcement, from gateway: GatewayID) {
        guard let member = members[peer] else { return }
        // The same socket by another way to its gateway: what was said by the one before is lost.
        guard member.id != arrival.socket else {
            guard member.gateway != gateway else { return }
            // So is who counts the tree that was made there.
            if peer.isSource, trees[peer.tree]?.origin == member.gateway { trees[peer.tree]?.origin = gateway }
            return seat(peer, arrival, at: gateway)
        }
        guard member.tree == arrival.token.treeID, arrival.token.ids.dropLast().contains(member.id) else {
            return tell(.replaced(arrival.member), of: arrival.token.slot, to: gateway)
        }
        // It had this socket after the one that is known.
        seat(peer, arrival, at: gateway)
    }

    private mutating func seat(_ peer: PeerHandle, _ arrival: Announcement, at gateway: GatewayID) {
        takeOver(peer, by: arrival.socket, at: gateway)
        sayWhatFollows()
        if let token = token(of: peer) { say(token, to: peer) }
    }

    /// Whether a token can make a peer that is not there.
    func mayRestore(_ token: ResumeToken) throws(SignallingError) {
        // One of this term whose peer is gone has left, or came too late; so has one that was restored and is gone. One of a
        // greater term comes from an owner after this one, of whom nobody has told yet and who may be dead by now: its peer is
        // where this service is asked for it.
        guard token.number != 0, let tenure = slots[ofTree: token.treeID], token.term != tenure.term,
            !restoration.hasRestored(token)
        else { throw .unknownResume }
        guard !restoration.endedTrees.contains(token.treeID) else { throw .unknownTree }
    }
}

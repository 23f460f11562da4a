import PeerTreeCore
import SocketIO

/// Coming back: to a server that remembers the peer, or to one that was started again.
extension SignallingService {
    /// Gives a membership to the socket `id`, if the token proves that it is this peer's.
    mutating func resume(
        _ text: String,
        _ request: DiscoverRequest,
        from id: String
    ) throws(SignallingError) -> PeerHandle {
        guard let token = ResumeToken(text, key: stateKey), UInt64(token.expiry) > unixTime,
            request.treeID == nil || request.treeID == token.treeID
        else { throw .unknownResume }
        let current = clients[id]?.member
        if let peer = memberNumbers[token.number], trees[peer.tree]?.id == token.treeID {
            guard current == nil || current == peer else { throw .alreadyMember }
            takeOver(peer, by: id)
            return peer
        }
        // One of this run whose peer is gone has left, or came too late; so has one that was restored and is gone.
        guard token.run != run, !restoredNumbers.contains(token.number) else { throw .unknownResume }
        guard !endedTreeIDs.contains(token.treeID) else { throw .unknownTree }
        guard current == nil else { throw .alreadyMember }
        return try restore(token, at: request.place, from: id)
    }

    private mutating func takeOver(_ peer: PeerHandle, by id: String) {
        guard let member = members[peer] else { return }
        if member.isConnected, member.id != id {
            // The server has not noticed yet that the old socket is dead; should it live, it is told.
            clients[member.id]?.member = nil
            let error = SignallingError(
                code: "resumed-elsewhere",
                message: "Your place was taken over by another socket."
            )
            refuse(SignallingEvent.discover, error, to: member.id)
        }
        if let dropped = members[peer]?.rename(id) { memberIDs[dropped] = nil }
        members[peer]?.isConnected = true
        memberIDs[id] = peer
        clients[id]?.member = peer
        dashboard.changed(peer)
        track(.signallingResumed(peer))
    }

    // MARK: Tokens

    /// A token for a peer as it is now.
    mutating func makeToken(for peer: PeerHandle) -> String? {
        guard let member = members[peer], member.isNative, let entry = trees[peer.tree] else { return nil }
        let interior = peer.isSource ? nil : (try? tracker.interiorStripe(of: peer)) ?? nil
        let capacity = (try? tracker.capacity(of: peer, stripe: interior ?? 0)) ?? 0
        let expiry = UInt32(clamping: unixTime + options.resumeTokenLifetime.nanoseconds / 1_000_000_000)
        members[peer]?.tokenExpiry = expiry
        let token = ResumeToken(
            run: run,
            number: member.number,
            expiry: expiry,
            isSource: peer.isSource,
            stripes: UInt8(clamping: entry.stripes),
            interiorStripe: interior.map { UInt8(clamping: $0) },
            capacity: UInt16(clamping: capacity),
            sourceCapacity: UInt16(clamping: (try? tracker.capacity(of: entry.source)) ?? 0),
            treeID: entry.id,
            ids: member.ids
        )
        return token.text(signedBy: stateKey)
    }

    /// Gives a peer a new token once half of the old one's time is over.
    mutating func renewToken(of peer: PeerHandle) {
        guard let member = members[peer], member.isNative, member.isConnected else { return }
        let half = options.resumeTokenLifetime.nanoseconds / 2_000_000_000
        guard UInt64(member.tokenExpiry) < unixTime + half, let token = makeToken(for: peer) else { return }
        emit(SignallingEvent.resume, ["resume": .string(token)], to: peer)
    }
}

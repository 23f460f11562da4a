import JSON
import PeerTreeCore

/// What the tracker decides, told to the peers. Legacy peers are told nothing: they would not understand. Their gateways are
/// told who their children are.
extension TreeService {
    mutating func say(_ output: TrackerOutput) {
        switch output {
        case .assign(let peer, let assignment, let reason):
            say(assignment, reason: reason, to: peer)
        case .admit(let parent, let child, let stripe):
            sayAdmitted(child, at: parent, stripe: stripe)
        case .childGone(let parent, let child, let stripe):
            if let id = members[parent]?.knownID(of: child) ?? members[child]?.id {
                let payload: JSONValue = ["id": .string(id), "stripe": JSONValue(stripe)]
                emit(.childGone, payload, to: parent)
            }
            pruneSessions(of: child)
            summarySoon(parent.tree)
        case .admitWard(let standby, let ward):
            sayWard(ward, .admit, to: standby)
        case .wardGone(let standby, let ward):
            sayWard(ward, .childGone, to: standby)
            pruneSessions(of: ward)
        case .standby(let peer, let standby):
            let id = standby.flatMap { name(of: $0, for: peer) }
            emit(.standby, ["id": id.map { .string($0) } ?? .null], to: peer)
        case .suspect(let peer, let neighbour):
            if let member = members[peer], member.isNative,
                let id = member.knownID(of: neighbour) ?? members[neighbour]?.id
            {
                emit(.suspect, ["id": .string(id)], to: peer)
            }
        case .probe(let peer):
            probe(peer)
        case .sourceMissed(let source): askForPulse(of: source.tree)
        case .removed(let peer, let reason):
            sayRemoved(peer, reason)
            forget(peer)
            summarySoon(peer.tree)
        case .capacityChanged(let peer):
            sendToken(to: peer)
            dashboard.changed(peer)
        case .restored(let peer):
            releaseStrangers(of: peer)
            forgetClaim(of: peer)
            dashboard.changed(peer)
            summarySoon(peer.tree)
        case .treeEnded(let tree, _):
            dashboard.ended(tree)
            guard let entry = trees.removeValue(forKey: tree) else { return }
            treeIDs[entry.id] = nil
            if let origin = entry.origin { tell(.treeEnded(tree: entry.id), of: Slot(ofTree: entry.id), to: origin) }
            restoration.endedTrees.insert(entry.id, at: now, options: options)
        }
    }

    private mutating func say(_ assignment: Assignment, reason: AssignmentReason, to peer: PeerHandle) {
        guard let member = members[peer], let entry = trees[peer.tree] else { return }
        pruneSessions(of: peer)
        noteAssignment(of: peer, reason)
        summarySoon(peer.tree)
        guard member.isNative else { return }
        let parent = assignment.parent.flatMap { name(of: $0, for: peer) }
        emit(
            .assign,
            [
                "treeID": .string(entry.id), "stripe": JSONValue(assignment.stripe),
                "parent": parent.map { .string($0) } ?? .null, "epoch": JSONValue(assignment.epoch),
                "depth": JSONValue(assignment.depth), "reason": .string(reason.wireName),
            ],
            to: peer
        )
    }

    /// Tells a parent whom to let in. It goes out before anything of the child's can come. Original clients let
    /// everybody in.
    private mutating func sayAdmitted(_ child: PeerHandle, at parent: PeerHandle, stripe: Int) {
        guard let id = members[parent]?.knownID(of: child) ?? members[child]?.id else { return }
        var payload: JSONObject = ["id": .string(id), "stripe": JSONValue(stripe)]
        if let member = members[child], !member.isNative, (trees[child.tree]?.layout.stripes ?? 1) > 1 {
            payload["whole"] = true
        }
        emit(.admit, .object(payload), to: parent)
    }

    /// Tells a peer for whom it stands by, or no longer.
    private mutating func sayWard(_ ward: PeerHandle, _ event: SignallingName, to standby: PeerHandle) {
        guard let id = name(of: ward, for: standby) else { return }
        emit(event, ["id": .string(id), "kind": "standby"], to: standby)
    }

    /// The id by which one peer is told of another: a native one by the id it knows if there is a link already, so that
    /// it sees that nothing changes.
    func name(of other: PeerHandle, for peer: PeerHandle) -> String? {
        guard let member = members[peer], member.isNative else { return members[other]?.id }
        return member.knownID(of: other) ?? members[other]?.id
    }

    private mutating func sayRemoved(_ peer: PeerHandle, _ reason: RemovalReason) {
        guard let member = members[peer], member.isNative, member.isConnected else { return }
        switch reason {
        case .left, .vanished:
            break
        case .attachTimeout:
            let error = SignallingError(
                code: "attach-timeout",
                message: "You did not attach to your parent in time and lost your place. Discover the tree again."
            )
            refuse(SignallingName.attached.string, error, to: peer)
        case .treeEnded(let reason):
            // A source that left knows.
            guard let entry = trees[peer.tree], !(peer.isSource && reason == .sourceLeft) else { break }
            let payload: JSONValue = ["treeID": .string(entry.id), "reason": .string(reason.wireName)]
            emit(.end, payload, to: peer)
        }
    }

    /// Drops all that is kept about a peer. Its socket, if there is one, may discover again.
    private mutating func forget(_ peer: PeerHandle) {
        guard let member = members[peer] else { return }
        for sessionID in member.sessions.keys { endSession(sessionID, of: peer) }
        forgetClaim(of: peer)
        noteGone(peer)
        if member.isConnected { tell(.left(member.socket), of: member.slot, to: member.gateway) }
        members[peer] = nil
        memberNumbers[member.number] = nil
        for id in member.ids where memberIDs[id] == peer { memberIDs[id] = nil }
    }
}

extension AssignmentReason {
    var wireName: String {
        switch self {
        case .joined: "joined"
        case .parentLeft: "parent-left"
        case .parentLost: "parent-lost"
        case .promoted: "promoted"
        case .rebalanced: "rebalanced"
        case .refused: "refused"
        case .evicted: "evicted"
        case .restored: "restored"
        }
    }
}

extension TreeEndReason {
    var wireName: String {
        switch self {
        case .sourceLeft: "source-left"
        case .sourceLost: "source-lost"
        case .ended: "ended"
        }
    }
}

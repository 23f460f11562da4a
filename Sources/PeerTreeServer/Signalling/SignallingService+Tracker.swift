import PeerTreeCore
import SocketIO

/// What the tracker decides, told to the peers. Legacy peers are told nothing: they would not understand.
extension SignallingService {
    mutating func say(_ output: TrackerOutput) {
        switch output {
        case .assign(let peer, let assignment, let reason):
            say(assignment, reason: reason, to: peer)
        case .childGone(let parent, let child, let stripe):
            if let member = members[parent], member.isNative, let id = member.knownID(of: child) ?? members[child]?.id {
                let payload: JSONValue = ["id": .string(id), "stripe": JSONValue(stripe)]
                emit(SignallingEvent.childGone, payload, to: parent)
            }
            pruneSessions(of: child)
            summarySoon(parent.tree)
        case .suspect(let peer, let neighbour):
            if let member = members[peer], member.isNative,
                let id = member.knownID(of: neighbour) ?? members[neighbour]?.id
            {
                emit(SignallingEvent.suspect, ["id": .string(id)], to: peer)
            }
        case .removed(let peer, let reason):
            sayRemoved(peer, reason)
            forget(peer)
            summarySoon(peer.tree)
        case .restored(let peer):
            forgetClaim(of: peer)
            dashboard.changed(peer)
            summarySoon(peer.tree)
        case .treeEnded(let tree, _):
            dashboard.ended(tree)
            guard let entry = trees.removeValue(forKey: tree) else { return }
            treeIDs[entry.id] = nil
            if let address = entry.address { addresses.endTree(address) }
            if entry.isRestored || now < restorationEnd { endedTreeIDs.insert(entry.id) }
        }
    }

    private mutating func say(_ assignment: Assignment, reason: AssignmentReason, to peer: PeerHandle) {
        guard let member = members[peer], let entry = trees[peer.tree] else { return }
        members[peer]?.standby[assignment.stripe] = assignment.standby
        pruneSessions(of: peer)
        noteAssignment(of: peer, reason)
        summarySoon(peer.tree)
        guard member.isNative else { return }
        let parent = assignment.parent.flatMap { name(of: $0, for: peer) }
        let standby = assignment.standby.flatMap { members[$0]?.id }
        emit(
            SignallingEvent.assign,
            [
                "treeID": .string(entry.id), "stripe": JSONValue(assignment.stripe),
                "parent": parent.map { .string($0) } ?? .null, "epoch": JSONValue(assignment.epoch),
                "depth": JSONValue(assignment.depth), "reason": .string(reason.wireName),
                "standby": .array(standby.map { [.string($0)] } ?? []),
            ],
            to: peer
        )
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
            refuse(SignallingEvent.attached, error, to: member.id)
        case .treeEnded(let reason):
            // A source that left knows.
            guard let entry = trees[peer.tree], !(peer.isSource && reason == .sourceLeft) else { break }
            let payload: JSONValue = ["treeID": .string(entry.id), "reason": .string(reason.wireName)]
            emit(SignallingEvent.end, payload, to: peer)
        }
    }

    /// Drops all that is kept about a peer. Its socket, if there is one, may discover again.
    private mutating func forget(_ peer: PeerHandle) {
        guard let member = members[peer] else { return }
        for sessionID in member.sessions.keys { endSession(sessionID, of: peer) }
        forgetClaim(of: peer)
        noteGone(peer)
        members[peer] = nil
        memberNumbers[member.number] = nil
        for id in member.ids {
            if memberIDs[id] == peer { memberIDs[id] = nil }
            if clients[id]?.member == peer { clients[id]?.member = nil }
        }
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

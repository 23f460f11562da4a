import JSON
import PeerTreeCore

/// Passing offers, answers, candidates and rejections on.
extension TreeService {
    /// An offer goes only to a peer that the initiator was told to connect to.
    mutating func relayOffer(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let sessionID = try payload.string("sessionId")
        let signal = try payload.signal()
        let metadata = try payload.metadata()
        let target = try self.target(payload, of: peer)
        guard mayOffer(peer, to: target) else {
            throw SignallingError(
                code: "not-your-parent",
                message: "You may offer only to the parents and the standby you were given."
            )
        }
        guard members[peer]?.sessions[sessionID] == nil, members[target]?.sessions[sessionID] == nil else {
            throw SignallingError(code: "session-exists", message: "The sessionId is in use. Choose another.")
        }
        if let begun = members[peer]?.begun, begun.count >= options.maximumSessionsBegun, let oldest = begun.first {
            endSession(oldest, of: peer)
        }
        // By the ids under which they know each other already, so that a new link is seen to be to the same peer.
        guard let ownName = name(of: peer, for: target), let targetName = name(of: target, for: peer) else { return }
        forgetAttempts(of: peer, with: target)
        members[peer]?.add(Session(other: target, otherID: targetName, isInitiator: true), id: sessionID)
        members[target]?.add(Session(other: peer, otherID: ownName, isInitiator: false), id: sessionID)
        var frame: JSONObject = [
            "initiator": .string(ownName), "sessionId": .string(sessionID), "signal": signal,
        ]
        frame["metadata"] = metadata
        emit(.offer, .object(frame), to: target)
    }

    /// Answers and candidates go between the two ends of a session.
    mutating func relaySignal(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let sessionID = try payload.string("sessionId")
        let signal = try payload.signal()
        let metadata = try payload.metadata()
        let target = try self.target(payload, of: peer)
        guard let session = members[peer]?.sessions[sessionID], session.other == target else { throw .unknownSession }
        var frame: JSONObject = ["sessionId": .string(sessionID), "signal": signal]
        frame["metadata"] = metadata
        emit(.signal, .object(frame), to: target)
        if !session.isInitiator, signal["type"]?.stringValue == "answer" { legacyAttached(target, to: peer) }
    }

    /// A rejection ends its session.
    mutating func relayReject(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let sessionID = try payload.string("sessionId")
        let metadata = try payload.metadata()
        let target = try self.target(payload, of: peer)
        guard members[peer]?.sessions[sessionID]?.other == target else { throw .unknownSession }
        var frame: JSONObject = ["sessionId": .string(sessionID)]
        frame["metadata"] = metadata
        emit(.reject, .object(frame), to: target)
        endSession(sessionID, of: peer)
    }

    /// The peer a frame is for: another one of the same tree, with a socket.
    private func target(_ payload: Payload, of peer: PeerHandle) throws(SignallingError) -> PeerHandle {
        let id = try payload.string("target")
        guard let target = memberIDs[id], target.tree == peer.tree else {
            throw SignallingError(code: "unknown-target", message: "No peer of your tree has this target's id.")
        }
        guard target != peer else {
            throw SignallingError(code: "own-target", message: "The target is yourself.")
        }
        guard members[target]?.isConnected ?? false else {
            throw SignallingError(code: "absent-target", message: "The target has lost its socket; it may come back.")
        }
        return target
    }

    private func mayOffer(_ peer: PeerHandle, to target: PeerHandle) -> Bool {
        guard let member = members[peer] else { return false }
        return (0..<member.stripes).contains { (try? tracker.parent(of: peer, stripe: $0)) == target }
            || (try? tracker.standby(of: peer)) == target
    }

    /// Whether a peer still has to do with another one that it offered to: that one feeds it until a move is over.
    private func isFed(_ peer: PeerHandle, by other: PeerHandle) -> Bool {
        guard let member = members[peer] else { return false }
        return mayOffer(peer, to: other)
            || (0..<member.stripes).contains { (try? tracker.previousParent(of: peer, stripe: $0)) == other }
    }

    /// A legacy peer does not say when its link is open: that its parent answered has to do.
    private mutating func legacyAttached(_ child: PeerHandle, to parent: PeerHandle) {
        guard let member = members[child], !member.isNative,
            let assignment = try? tracker.assignment(of: child, stripe: 0), assignment.parent == parent
        else { return }
        track(.attached(child, stripe: 0, epoch: assignment.epoch))
        summarySoon(child.tree)
    }

    // MARK: Sessions

    /// Forgets a session at both of its ends.
    mutating func endSession(_ sessionID: String, of peer: PeerHandle) {
        guard let session = members[peer]?.sessions[sessionID] else { return }
        members[peer]?.removeSession(sessionID)
        members[session.other]?.removeSession(sessionID)
    }

    /// Forgets the oldest attempts of a peer with the same parent, to make room for one more.
    private mutating func forgetAttempts(of peer: PeerHandle, with target: PeerHandle) {
        guard let member = members[peer] else { return }
        let attempts = member.begun.filter { member.sessions[$0]?.other == target }
        for sessionID in attempts.dropLast(max(0, options.maximumSessionsPerParent - 1)) {
            endSession(sessionID, of: peer)
        }
    }

    /// Forgets the sessions a peer began with others than those that feed it now, so that they do not pile up where
    /// peers come and go.
    mutating func pruneSessions(of peer: PeerHandle) {
        guard let member = members[peer], !member.begun.isEmpty else { return }
        for sessionID in member.begun {
            if let session = member.sessions[sessionID], !isFed(peer, by: session.other) {
                endSession(sessionID, of: peer)
            }
        }
    }
}

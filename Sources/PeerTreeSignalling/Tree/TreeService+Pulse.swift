import JSON
import PeerTreeCore

/// Who has been asked for word of a source whose socket is gone, and what was heard.
struct SourceWitnesses {
    /// Those who have not answered yet. What others say is not looked at.
    var asked: Set<PeerHandle> = []
    /// The source's clock in the newest pulse that has kept the tree: the same one does not keep it again.
    var heard: UInt64 = 0
}

/// A signed tree whose source has no socket goes on while viewers have the source's pulse: nobody but the source can say it,
/// and it says when that was.
extension TreeService {
    /// So many are asked at once: one of them will be honest, and none of the others can do more than keep silent.
    private static var askedAtOnce: Int { 3 }
    /// So far from the server's clock that of a pulse may be, in microseconds.
    private static var longestAge: UInt64 { 10_000_000 }

    /// A tree is about to end because its source has no socket.
    mutating func askForPulse(of tree: TreeHandle) {
        guard trees[tree]?.key != nil else { return }
        for _ in 0..<Self.askedAtOnce {
            guard let found = try? tracker.connectedViewer(of: tree, near: random.next()),
                trees[tree]?.witnesses.asked.insert(found).inserted ?? false
            else { continue }
            emit(.pulse, [:], to: found)
        }
    }

    /// A viewer hands in the newest pulse that it has.
    mutating func pulse(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        guard trees[peer.tree]?.witnesses.asked.remove(peer) != nil, let entry = trees[peer.tree], let key = entry.key
        else { return }
        let bytes = try Payload(value, options: options).bytes("frame", upTo: SourceFrame.maximumLength)
        guard case .pulse(let pulse, let signature)? = try? SourceFrame.decode(bytes) else {
            throw .badField("frame", "a pulse of the source in hexadecimal")
        }
        guard pulse.clock > entry.witnesses.heard, isRecent(pulse.clock),
            security.isSignature(signature, SourceStatement.pulse(pulse).signedBytes, key)
        else { return }
        trees[peer.tree]?.witnesses = SourceWitnesses(heard: pulse.clock)
        track(.sourceHeard(entry.source))
    }

    private func isRecent(_ clock: UInt64) -> Bool {
        let now = unixMicroseconds
        return max(clock, now) - min(clock, now) <= Self.longestAge
    }
}

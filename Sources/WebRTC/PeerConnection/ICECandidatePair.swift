public import NIOCore

/// The two candidates that data travels between (W3C `RTCIceCandidatePair`), and what was seen of the path.
public struct ICECandidatePair: Hashable, Sendable {
    /// This side's, as the peer sees it.
    public var local: ICECandidate
    /// The peer's.
    public var remote: ICECandidate
    /// Of the last check; nil before the first answer.
    public var roundTripTime: TimeAmount?

    /// Whether the path leads over a TURN server, at either end.
    public var isRelayed: Bool { self.local.type == .relayed || self.remote.type == .relayed }
}

extension PeerConnection {
    /// The pair in use; nil before there is one.
    public var selectedCandidatePair: ICECandidatePair? {
        guard let pair = self.ice.agent.selected ?? self.ice.previousAgent?.selected else { return nil }
        return ICECandidatePair(
            local: pair.valid ?? pair.local,
            remote: pair.remote,
            roundTripTime: pair.roundTripTime
        )
    }
}

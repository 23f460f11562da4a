import PeerTreeCore

/// One peer among neighbours that a test plays.
protocol PlayedPeer {
    var peer: Peer<TestBuffer> { get set }
    var now: Instant { get set }
}

extension PlayedPeer {
    /// What follows from an input.
    @discardableResult
    mutating func feed(_ input: PeerInput<TestBuffer>) -> [PeerOutput<TestBuffer>] {
        peer.handle(input, at: now)
        var outputs: [PeerOutput<TestBuffer>] = []
        while let output = peer.nextOutput() { outputs.append(output) }
        return outputs
    }

    /// Lets time pass, and the deadlines that come with it.
    @discardableResult
    mutating func pass(_ span: TimeSpan) -> [PeerOutput<TestBuffer>] {
        let end = now + span
        var outputs: [PeerOutput<TestBuffer>] = []
        while peer.deadline <= end {
            now = max(now, peer.deadline)
            outputs += feed(.tick)
        }
        now = end
        return outputs
    }
}

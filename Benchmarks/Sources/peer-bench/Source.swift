import PeerTreeCore

/// The source of a stream, with one child.
struct Source {
    private var peer: Peer<Frame>
    private(set) var now = Instant(nanoseconds: 1_000_000_000)

    private static let child = LinkID(1)

    init(_ configuration: PeerConfiguration) {
        peer = .source(configuration, streamID: 1)
        peer.handle(.linkOpened(Self.child, RemoteID(1), .child, .native), at: now)
        _ = sent()
    }

    /// Lets the child say something.
    mutating func answers(to frames: [Frame]) -> [Frame] {
        for frame in frames { peer.handle(.received(Self.child, frame, isText: false), at: now) }
        return sent()
    }

    /// Writes so many chunks, with a join point every hundred.
    mutating func write(_ chunks: Int) throws -> [Frame] {
        var frames: [Frame] = []
        for number in 0..<chunks {
            now = now + .microseconds(100)
            let options = MessageOptions(isJoinPoint: number % 100 == 0)
            try peer.publish(Relay.payload, options, timestamp: now.nanoseconds / 1000, at: now)
            frames += sent()
            peer.handle(.drained(Self.child, buffered: 0), at: now)
            frames += sent()
        }
        return frames
    }

    private mutating func sent() -> [Frame] {
        var frames: [Frame] = []
        while let output = peer.nextOutput() {
            if case .send(_, let frame) = output { frames.append(frame) }
        }
        return frames
    }
}

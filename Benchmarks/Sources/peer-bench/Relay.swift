import PeerTreeCore

/// A viewer between a source and children, in virtual time: a chunk of 1,000 bytes every 100 us, and send queues that
/// drain at once.
struct Relay {
    static let payload = Frame(bytes: [UInt8](repeating: 7, count: 1000))

    private(set) var peer: Peer<Frame>
    private let children: [LinkID]
    private var now: Instant
    private(set) var bytesSent = 0
    private var chunks = 0

    private static let parent = LinkID(1)
    private static let interval = TimeSpan.microseconds(100)

    /// Attaches a relay to a source, and children to the relay.
    init(below source: inout Source, _ configuration: PeerConfiguration, children count: Int) {
        now = source.now
        peer = .viewer(configuration, streamID: 2)
        children = (0..<count).map { LinkID(UInt32(10 + $0)) }
        peer.handle(.assigned(RemoteID(0), stripe: 0, epoch: 1), at: now)
        peer.handle(.linkOpened(Self.parent, RemoteID(0), .parent, .native), at: now)
        for answer in source.answers(to: drain(toward: Self.parent)) { take(answer) }
        for child in children {
            peer.handle(.linkOpened(child, RemoteID(child.rawValue), .child, .native), at: now)
            peer.handle(.received(child, Self.subscription, isText: false), at: now)
        }
        _ = drain(toward: Self.parent)
    }

    /// Takes the next chunk of the parent and passes it on.
    mutating func pass(_ frame: Frame) {
        now = now + Self.interval
        chunks += 1
        take(frame)
        if chunks % 16 == 0 {
            for child in children { peer.handle(.drained(child, buffered: 0), at: now) }
        }
        if peer.deadline <= now { peer.handle(.tick, at: now) }
        _ = drain(toward: Self.parent)
    }

    private mutating func take(_ frame: Frame) {
        peer.handle(.received(Self.parent, frame, isText: false), at: now)
    }

    /// Carries out what the relay wants.
    ///
    /// - Returns: what it sent on one link.
    private mutating func drain(toward link: LinkID) -> [Frame] {
        var frames: [Frame] = []
        while let output = peer.nextOutput() {
            switch output {
            case .send(link, let frame): frames.append(frame)
            case .send(_, let frame): bytesSent += frame.count
            case .deliver(let message): peer.handle(.consumed(through: message.lastSequence), at: now)
            default: break
            }
        }
        return frames
    }

    /// Stripe 0 from the newest join point on: section "Frames" of Protocol.md.
    private static let subscription = Frame(
        bytes: [1, 0, 0, 0] + [UInt8](repeating: 0, count: 8) + [0, 0, 4, 0] + [UInt8](repeating: 0, count: 8)
    )
}

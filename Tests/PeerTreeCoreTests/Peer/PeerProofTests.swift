import Testing

@testable import PeerTreeCore

@Suite("Signed streams through a peer", .timeLimit(.minutes(5)))
struct PeerProofTests {
    /// A viewer of a signed tree with a parent and a child; its host checks at once.
    private struct World: PlayedPeer {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)
        var writer = BlockWriter()
        var delivered: [[UInt8]] = []
        var passedOn: [TestBuffer] = []
        var orphanings: [LossReason] = []
        var closed: [LinkID] = []
        var gaps = 0

        init(policy: StreamPolicy = .live, isSigned: Bool = true) {
            peer = .viewer(PeerConfiguration(), streamID: 5, isSigned: isSigned)
            act(.assigned(RemoteID(1), stripe: 0, epoch: 1))
            act(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
            hear(.subscribed(stripe: 0, policy: policy, streamID: 9, start: 0, next: 0), on: 1)
            act(.linkOpened(LinkID(2), RemoteID(2), .child, .native))
            hear(.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0), on: 2)
        }

        mutating func hear(_ frame: ControlFrame, on link: UInt32) {
            receive(TestBuffer(bytes: frame.encoded()), on: link)
        }

        mutating func receive(_ frame: TestBuffer, on link: UInt32) {
            act(.received(LinkID(link), frame, isText: false))
        }

        mutating func act(_ input: PeerInput<TestBuffer>) {
            note(feed(input))
        }

        private mutating func note(_ outputs: [PeerOutput<TestBuffer>]) {
            for output in outputs {
                switch output {
                case .verify(let ticket, let statement, let signature):
                    act(.verified(ticket: ticket, TestKey.hasSigned(statement, signature)))
                case .deliver(let message): delivered.append(message.parts.flatMap { Array($0.bytes) })
                case .send(LinkID(2), let frame):
                    if frame.bytes.first == FrameType.signedChunk.rawValue { passedOn.append(frame) }
                case .orphaned(_, _, let reason): orphanings.append(reason)
                case .close(let link): closed.append(link)
                case .gap: gaps += 1
                default: break
                }
            }
        }
    }

    @Test("What the source signed is delivered, and passed on as it came")
    func passesOn() {
        var world = World()
        let frames = world.writer.frames(of: [1, 2]) + world.writer.frames(of: Array(repeating: 3, count: 40_000))
        for frame in frames { world.receive(frame, on: 1) }
        #expect(world.delivered == [[1, 2], Array(repeating: 3, count: 40_000)])
        #expect(world.passedOn == frames)
        #expect(world.peer.counters.forgeries == 0)
    }

    @Test("What is forged is neither delivered nor passed on; its sender is parted with, and reported")
    func forged() {
        var world = World()
        let frames = world.writer.frames(of: [1]) + world.writer.frames(of: [2])
        world.receive(frames[0], on: 1)
        world.receive(frames[1].forged, on: 1)
        #expect(world.delivered == [[1]])
        #expect(world.passedOn == [frames[0]])
        #expect(world.closed == [LinkID(1)])
        #expect(world.orphanings == [.forged])
        #expect(world.peer.counters.forgeries == 1)

        // Another parent has the rest.
        world.act(.assigned(RemoteID(3), stripe: 0, epoch: 2))
        world.act(.linkOpened(LinkID(3), RemoteID(3), .parent, .native))
        world.hear(.subscribed(stripe: 0, policy: .live, streamID: 9, start: 1, next: 2), on: 3)
        world.receive(frames[1], on: 3)
        #expect(world.delivered == [[1], [2]])
        #expect(world.passedOn == frames)
        #expect(world.gaps == 0)
    }

    @Test("A child that answers a request with a forgery is parted with as well")
    func forgingChild() {
        var world = World()
        let frame = world.writer.frames(of: [1])[0]
        world.receive(frame.forged, on: 2)
        #expect(world.closed == [LinkID(2)])
        #expect(world.orphanings.isEmpty)
        #expect(world.delivered.isEmpty)
    }

    @Test("Chunks without a proof are offences, and none is taken in")
    func unsigned() {
        var world = World()
        var chunker = Chunker<TestBuffer>(stripes: 1)
        for number in 0..<16 {
            #expect(world.closed.isEmpty, "\(number)")
            let chunk = chunker.cut(TestBuffer(bytes: [1]), MessageOptions(), timestamp: 0)[0]
            world.receive(chunk.frame, on: 1)
        }
        #expect(world.closed == [LinkID(1)])
        #expect(world.delivered.isEmpty)
    }

    @Test("A parent that speaks plainly can prove nothing: its link is closed, and the one before it goes on")
    func plainParent() {
        var world = World()
        world.act(.assigned(RemoteID(3), stripe: 0, epoch: 2))
        world.act(.linkOpened(LinkID(3), RemoteID(3), .parent, .plain))
        #expect(world.closed == [LinkID(3)])
        #expect(world.orphanings == [.refused])
        world.receive(TestBuffer(bytes: [1]), on: 3)
        #expect(world.delivered.isEmpty)
        world.receive(world.writer.frames(of: [2])[0], on: 1)
        #expect(world.delivered == [[2]])
        #expect(world.gaps == 0)
    }

    @Test("What the source signed for another of its streams is passed over")
    func otherStream() {
        var world = World()
        world.writer.signer = BlockSigner(streamID: SignedStreamID(high: 8, low: 10))
        world.receive(world.writer.frames(of: [1])[0], on: 1)
        #expect(world.delivered.isEmpty)
        #expect(world.closed.isEmpty)
        #expect(world.peer.counters.unexpectedFrames == 1)
    }

    @Test("In an unsigned tree a signed chunk is a frame of an unknown type")
    func unsignedTree() {
        var world = World(isSigned: false)
        world.receive(world.writer.frames(of: [1])[0], on: 1)
        #expect(world.delivered.isEmpty)
        #expect(world.peer.counters.unknownFrames == 1)
    }

    @Test("A hole is filled with signed chunks, and not with forged ones")
    func repair() {
        var world = World()
        let frames = (0..<3).flatMap { world.writer.frames(of: [$0]) }
        world.receive(frames[0], on: 1)
        world.receive(frames[2], on: 1)
        #expect(world.delivered == [[0]])
        world.receive(frames[1], on: 1)
        #expect(world.delivered == [[0], [1], [2]])
    }

    @Test("A newcomer gets retained messages with their proofs")
    func newcomer() {
        var world = World()
        let retained = world.writer.frames(of: [7], MessageOptions(retainedKey: 1))
        let joinPoint = world.writer.frames(of: [8], MessageOptions(isJoinPoint: true))
        for frame in retained + joinPoint { world.receive(frame, on: 1) }
        world.passedOn = []
        world.act(.linkClosed(LinkID(2)))
        world.act(.linkOpened(LinkID(2), RemoteID(2), .child, .native))
        world.hear(.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0), on: 2)
        #expect(world.passedOn == retained + joinPoint)
    }

    @Test("A source sends nothing before it is signed, and then what it wrote, to the end")
    func source() throws {
        let now = Instant(nanoseconds: 1_000_000_000)
        var peer = Peer<TestBuffer>.source(PeerConfiguration(), signing: SignedStreamID(high: 9, low: 10))
        peer.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        let subscribe = ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0)
        peer.handle(.received(LinkID(1), TestBuffer(bytes: subscribe.encoded()), isText: false), at: now)
        try peer.publish(TestBuffer(bytes: [1]), timestamp: 1, at: now)
        try peer.publish(TestBuffer(bytes: [2]), timestamp: 1, at: now)
        peer.finish(timestamp: 1, at: now)
        #expect(peer.isEnded)
        var requests: [(UInt64, [UInt8])] = []
        var sent: [UInt64] = []
        var isComplete = false
        func drain() {
            while let output = peer.nextOutput() {
                switch output {
                case .sign(let block, let statement): requests.append((block, statement))
                case .send(_, let frame):
                    if let chunk = try? SignedChunk.decode(frame).chunk { sent.append(chunk.header.sequence) }
                case .subtreeComplete: isComplete = true
                default: break
                }
            }
        }
        drain()
        #expect(requests.map { $0.0 } == [0, 1])
        #expect(sent.isEmpty)
        for (block, statement) in requests {
            peer.handle(.signed(block: block, try #require(TestKey.sign(statement))), at: now)
        }
        drain()
        #expect(sent == [0, 1, 2])
        #expect(!isComplete)
        let credit = ControlFrame.credit(limit: .max, frontier: 3, complete: true)
        peer.handle(.received(LinkID(1), TestBuffer(bytes: credit.encoded()), isText: false), at: now)
        drain()
        #expect(isComplete)
    }
}

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
        /// What the child was told of the stream as a whole.
        var told: [TestBuffer] = []
        var orphanings: [LossReason] = []
        var closed: [LinkID] = []
        /// What the first parent was asked.
        var asked: [ControlFrame] = []
        var gaps = 0

        init(policy: StreamPolicy = .live, isSigned: Bool = true, start: UInt64 = 0, pulse: TestBuffer? = nil) {
            peer = .viewer(PeerConfiguration(), streamID: 5, isSigned: isSigned)
            act(.assigned(RemoteID(1), stripe: 0, epoch: 1))
            act(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
            act(.serverClock(Self.clock))
            if isSigned { offer(policy, on: 1) }
            if let pulse { receive(pulse, on: 1) }
            hear(.subscribed(stripe: 0, policy: policy, streamID: 9, start: start, next: start), on: 1)
            act(.linkOpened(LinkID(2), RemoteID(2), .child, .native))
            hear(.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0), on: 2)
        }

        /// What the server's clock shows at the beginning.
        static let clock: UInt64 = 1_700_000_000_000_000

        /// A parent shows which stream it has.
        mutating func offer(_ policy: StreamPolicy = .live, on link: UInt32) {
            receive(writer.head(policy: policy), on: link)
            receive(writer.pulse(clock: Self.clock), on: link)
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
                    if (try? SourceFrame.decode(frame)) != nil { told.append(frame) }
                case .send(LinkID(1), let frame):
                    if let frame = try? ControlFrame.decode(frame), case .subscribe = frame { asked.append(frame) }
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
        #expect(world.peer.counters.staleStatements == 1)
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
        peer.handle(.serverClock(World.clock), at: now)
        peer.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        let subscribe = ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0)
        peer.handle(.received(LinkID(1), TestBuffer(bytes: subscribe.encoded()), isText: false), at: now)
        try peer.publish(TestBuffer(bytes: [1]), timestamp: 1, at: now)
        try peer.publish(TestBuffer(bytes: [2]), timestamp: 1, at: now)
        peer.finish(timestamp: 1, at: now)
        #expect(peer.isEnded)
        var requests: [(SignedThing, [UInt8])] = []
        var sent: [UInt64] = []
        var said: [SourceFrame] = []
        var isComplete = false
        func drain() {
            while let output = peer.nextOutput() {
                switch output {
                case .sign(let thing, let statement): requests.append((thing, statement))
                case .send(_, let frame):
                    if let frame = try? SourceFrame.decode(frame) { said.append(frame) }
                    if let chunk = try? SignedChunk.decode(frame).chunk { sent.append(chunk.header.sequence) }
                case .subtreeComplete: isComplete = true
                default: break
                }
            }
        }
        func signAll() throws {
            let asked = requests
            requests = []
            for (thing, statement) in asked {
                peer.handle(.signed(thing, try #require(TestKey.sign(statement))), at: now)
            }
            drain()
        }
        drain()
        #expect(requests.map { $0.0 } == [.head, .block(0), .block(1)])
        #expect(sent.isEmpty)
        try signAll()
        // The blocks are signed; which stream they are of is not yet told.
        #expect(requests.map { $0.0 } == [.pulse(clock: World.clock)])
        #expect(sent.isEmpty)
        try signAll()
        #expect(sent == [0, 1, 2])
        let head = SourceHead(streamID: SignedStreamID(high: 9, low: 10), startedAt: World.clock, policy: .lossless)
        #expect(said.map(\.statement).first == .head(head))
        #expect(said.count == 2)
        #expect(!isComplete)
        let credit = ControlFrame.credit(limit: .max, frontier: 3, complete: true)
        peer.handle(.received(LinkID(1), TestBuffer(bytes: credit.encoded()), isText: false), at: now)
        drain()
        #expect(isComplete)
    }

    // MARK: The source's word

    /// A world with a further parent, on link 3, that has shown which stream it has.
    private func offered(by head: TestBuffer?, pulse: TestBuffer?, _ answer: ControlFrame) -> World {
        var world = World()
        world.act(.assigned(RemoteID(3), stripe: 0, epoch: 2))
        world.act(.linkOpened(LinkID(3), RemoteID(3), .parent, .native))
        for case let frame? in [head, pulse] { world.receive(frame, on: 3) }
        world.hear(answer, on: 3)
        return world
    }

    private func answer(_ streamID: UInt64, _ policy: StreamPolicy = .live) -> ControlFrame {
        .subscribed(stripe: 0, policy: policy, streamID: streamID, start: 0, next: 0)
    }

    private func writer(_ high: UInt64) -> BlockWriter {
        var writer = BlockWriter()
        writer.signer = BlockSigner(streamID: SignedStreamID(high: high, low: 10))
        return writer
    }

    @Test("A parent that offers another policy than the source's has lied, and is parted with as a forger")
    func policy() {
        let world = offered(by: nil, pulse: nil, answer(9, .lossless))
        #expect(world.orphanings == [.forged])
        #expect(world.closed == [LinkID(3)])
    }

    @Test("A stream that the source began before is refused; one that it began later takes its place")
    func laterStartWins() {
        for (start, isTaken) in [(0, false), (1, false), (2, true)] as [(UInt64, Bool)] {
            let other = writer(8)
            var world = offered(
                by: other.head(startedAt: start),
                pulse: other.pulse(clock: World.clock + 1),
                answer(8)
            )
            #expect(world.orphanings == (isTaken ? [] : [.refused]), "began at \(start)")
            #expect(world.gaps == (isTaken ? 1 : 0))
            var writer = other
            world.receive(writer.frames(of: [6])[0], on: 3)
            #expect(world.delivered == (isTaken ? [[6]] : []))
        }
    }

    @Test("A later stream of which nothing was said for a minute is an old one that somebody shows again")
    func oldStreamShownAgain() {
        let other = writer(8)
        let old = other.pulse(clock: World.clock - 60_000_001)
        let world = offered(by: other.head(startedAt: 2), pulse: old, answer(8))
        #expect(world.orphanings == [.refused])
        #expect(world.peer.counters.staleStatements == 2)
        let young = other.pulse(clock: World.clock - 59_000_000)
        #expect(offered(by: other.head(startedAt: 2), pulse: young, answer(8)).orphanings.isEmpty)
    }

    @Test("Who brings a false head or pulse is parted with as a forger")
    func falseWords() {
        for frame in [World().writer.head(startedAt: 7).forged, World().writer.pulse(clock: World.clock + 9).forged] {
            var world = World()
            world.receive(frame, on: 1)
            #expect(world.orphanings == [.forged])
            #expect(world.peer.counters.forgeries == 1)
        }
    }

    @Test("A pulse goes on to the children once, and no old one is even checked")
    func pulsesGoOn() {
        var world = World()
        let pulses = (1...3).map { world.writer.pulse(clock: World.clock + $0) }
        world.told = []
        for pulse in [pulses[0], pulses[0], pulses[2], pulses[1], pulses[0]] { world.receive(pulse, on: 1) }
        #expect(world.told == [pulses[0], pulses[2]])
        #expect(world.peer.newestPulse == Array(pulses[2].bytes))
        let falseButOld = world.writer.pulse(clock: World.clock).forged
        world.receive(falseButOld, on: 1)
        #expect(world.closed.isEmpty)
        // A newer one that is false is not handed in either.
        world.receive(world.writer.pulse(clock: World.clock + 9).forged, on: 1)
        #expect(world.peer.newestPulse == Array(pulses[2].bytes))
    }

    @Test("A child is told which stream this is before it is fed")
    func childrenAreTold() {
        var world = World()
        #expect(world.told == [world.writer.head(), world.writer.pulse(clock: World.clock)])
        let newer = world.writer.pulse(clock: World.clock + 500_000)
        world.receive(newer, on: 1)
        world.told = []
        world.act(.linkOpened(LinkID(2), RemoteID(4), .child, .native))
        world.act(.linkClosed(LinkID(2)))
        world.act(.linkOpened(LinkID(2), RemoteID(2), .child, .native))
        world.hear(.subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0), on: 2)
        #expect(world.told == [world.writer.head(), newer])
    }

    @Test("A retained message that another took the place of is refused, whoever shows it")
    func staleRetained() {
        var writer = BlockWriter()
        let old = writer.frames(of: [1], MessageOptions(retainedKey: 5))
        let new = writer.frames(of: [2], MessageOptions(retainedKey: 5))
        let joinPoint = writer.frames(of: [3], MessageOptions(isJoinPoint: true))
        let pulse = writer.pulse(clock: World.clock + 1, [SourcePulse.Retained(key: 5, sequence: 1)])
        var world = World(start: 2, pulse: pulse)
        for frame in old + new + joinPoint { world.receive(frame, on: 1) }
        #expect(world.delivered == [[2], [3]])
        #expect(world.peer.counters.staleStatements == 1)
    }

    @Test("A parent that says the stream goes on where it never was is found out by the source's next word")
    func falsePosition() {
        var world = World(start: 1_000_000)
        world.receive(world.writer.pulse(clock: World.clock + 1_900_000), on: 1)
        #expect(world.asked.count == 1)
        world.receive(world.writer.pulse(clock: World.clock + 2_100_000), on: 1)
        #expect(world.asked.count == 2)
    }

    @Test("A parent that denies what the source has signed makes nobody start over")
    func deniedStream() {
        var world = World()
        world.receive(world.writer.frames(of: [1])[0], on: 1)
        world.hear(.restart(stripe: 0, next: 0), on: 1)
        #expect(world.asked.last == .subscribe(stripe: 0, start: .sequence(1), window: 1024, streamID: 9))
        world.offer(on: 1)
        world.hear(.subscribed(stripe: 0, policy: .live, streamID: 9, start: 1, next: 1), on: 1)
        // That the parent goes on from here makes it no less proven.
        world.hear(.restart(stripe: 0, next: 0), on: 1)
        #expect(world.asked.last == .subscribe(stripe: 0, start: .sequence(1), window: 1024, streamID: 9))
        world.hear(.subscribed(stripe: 0, policy: .live, streamID: 9, start: 1, next: 1), on: 1)
        world.receive(world.writer.frames(of: [2])[0], on: 1)
        #expect(world.delivered == [[1], [2]])
        #expect(world.gaps == 0)
        // Where nothing is proven yet, it may be so.
        var other = World(start: 5)
        other.hear(.restart(stripe: 0, next: 0), on: 1)
        let again = ControlFrame.subscribe(stripe: 0, start: .sequence(5), window: 1024, streamID: 9)
        #expect(other.asked.count == 2 && other.asked.last != again)
    }

    @Test("An unsigned pulse says nothing in a signed tree")
    func unsignedPulse() {
        var world = World()
        world.hear(.pulse(next: 0, clock: World.clock), on: 1)
        #expect(world.peer.counters.unexpectedFrames == 1)
    }

    @Test("A child says nothing for the source")
    func childrenSayNothing() {
        var world = World()
        world.receive(world.writer.pulse(clock: World.clock + 1), on: 2)
        #expect(world.peer.counters.unexpectedFrames == 1)
        #expect(world.told.count == 2)
    }

    @Test("A source says how far it is twice a second, one word at a time, and its clock never goes back")
    func sourcePulses() throws {
        var now = Instant(nanoseconds: 1_000_000_000)
        var peer = Peer<TestBuffer>.source(PeerConfiguration(), signing: SignedStreamID(high: 9, low: 10))
        peer.handle(.serverClock(World.clock), at: now)
        var clocks: [UInt64] = []
        func drain(signing: Bool) throws {
            while let output = peer.nextOutput() {
                guard case .sign(let thing, let statement) = output else { continue }
                if case .pulse(let clock) = thing { clocks.append(clock) }
                if signing { peer.handle(.signed(thing, try #require(TestKey.sign(statement))), at: now) }
            }
        }
        try drain(signing: true)
        func pass(_ span: TimeSpan, signing: Bool = true) throws {
            let end = now + span
            while peer.deadline <= end {
                now = peer.deadline
                peer.handle(.tick, at: now)
                try drain(signing: signing)
            }
            now = end
        }
        try pass(.milliseconds(1_100))
        #expect(clocks == [0, 500_000, 1_000_000].map { World.clock + $0 })
        peer.handle(.serverClock(World.clock - 5_000_000), at: now)
        try pass(.milliseconds(500))
        #expect(clocks.last == World.clock + 1_000_001)
        try pass(.milliseconds(5_000), signing: false)
        #expect(clocks.count == 5)
    }
}

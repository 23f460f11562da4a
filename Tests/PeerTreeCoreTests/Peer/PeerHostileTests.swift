import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Neighbours that send rubbish, and neighbours that speak no protocol", .timeLimit(.minutes(5)))
struct PeerHostileTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func linkedSource() -> Peer<TestBuffer> {
        var peer = Peer<TestBuffer>.source(PeerConfiguration(), streamID: 1)
        peer.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        while peer.nextOutput() != nil {}
        return peer
    }

    @Test("Malformed frames are counted, and after too many the link is closed and the loss reported")
    func malformed() {
        var peer = linkedSource()
        let limit = peer.configuration.maximumMalformedFrames
        for _ in 0..<limit {
            peer.handle(.received(LinkID(1), TestBuffer(bytes: [0x01, 99]), isText: false), at: now)
        }
        #expect(peer.counters.malformedFrames == UInt64(limit))
        var closed = false
        var lost = false
        while let output = peer.nextOutput() {
            if case .close(LinkID(1)) = output { closed = true }
            if case .childLost(RemoteID(1), .refused) = output { lost = true }
        }
        #expect(closed && lost)
        #expect(peer.childCount == 0)
    }

    @Test("Frames of unknown types are ignored: a later version may send them")
    func unknownType() {
        var peer = linkedSource()
        for _ in 0..<100 {
            peer.handle(.received(LinkID(1), TestBuffer(bytes: [0x7F, 1, 2, 3]), isText: false), at: now)
        }
        #expect(peer.counters.unknownFrames == 100)
        #expect(peer.childCount == 1)
    }

    @Test("A child that sends chunks upward, or answers nobody asked for, changes nothing")
    func chunksFromChild() {
        var peer = linkedSource()
        var chunker = Chunker<TestBuffer>(stripes: 1)
        for chunk in chunker.cut(TestBuffer(bytes: [1, 2, 3]), MessageOptions(), timestamp: 0) {
            peer.handle(.received(LinkID(1), chunk.frame, isText: false), at: now)
        }
        #expect(peer.counters.unexpectedFrames == 1)
        #expect(peer.stream.replay.end == 0)
    }

    @Test("Random and mutated frames never trap, and the state stays bounded", arguments: UInt64(0)..<4)
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var chunker = Chunker<TestBuffer>(stripes: 1)
        var seeds: [[UInt8]] = [
            ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 10, streamID: 1),
            .subscribe(stripe: 0, start: .sequence(5), window: 10, streamID: 1),
            .subscribed(stripe: 0, policy: .lossless, streamID: 1, start: 3, next: 9),
            .unsubscribe(stripe: 0),
            .credit(limit: 10, frontier: 4, complete: true),
            .request([SequenceRange(start: 0, end: 10)]),
            .unavailable([SequenceRange(start: 0, end: 10)]),
            .skip(stripe: 0, SequenceRange(start: 0, end: 4)),
            .heartbeat(timestamp: 1, echo: 1, held: 0),
        ].map { $0.encoded() }
        seeds += chunker.cut(TestBuffer(bytes: random.bytes(40)), MessageOptions(retainedKey: 3), timestamp: 9)
            .map { Array($0.frame.bytes) }
        var configuration = PeerConfiguration()
        configuration.maximumMalformedFrames = .max
        var peer = Peer<TestBuffer>.viewer(configuration, streamID: 5)
        peer.handle(.assigned(RemoteID(0), stripe: 0, epoch: 1), at: now)
        peer.handle(.linkOpened(LinkID(1), RemoteID(0), .parent, .native), at: now)
        peer.handle(.linkOpened(LinkID(2), RemoteID(2), .child, .native), at: now)
        var instant = now
        var links = [LinkID(1), LinkID(2)]
        var opened: UInt32 = 2
        for _ in 0..<25_000 {
            var frame = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 0...3, using: &random) where !frame.isEmpty {
                frame[Int.random(in: 0..<frame.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<10, using: &random) == 0 {
                frame.removeLast(Int.random(in: 0...frame.count, using: &random))
            }
            let end = Int.random(in: 0...1, using: &random)
            instant = instant + .microseconds(50)
            peer.handle(.received(links[end], TestBuffer(bytes: frame), isText: false), at: instant)
            if peer.deadline <= instant { peer.handle(.tick, at: instant) }
            while peer.nextOutput() != nil {}
            if peer.links[links[end]] == nil {
                // A mutation became a goodbye: the neighbour comes back.
                opened += 1
                links[end] = LinkID(opened)
                if end == 0 { peer.handle(.assigned(RemoteID(opened), stripe: 0, epoch: opened), at: instant) }
                let role: NeighbourRole = end == 0 ? .parent : .child
                peer.handle(.linkOpened(links[end], RemoteID(opened), role, .native), at: instant)
            }
        }
        #expect(peer.links.count <= 3, "seed \(seed)")
        #expect(peer.repair.fetches.count <= Repair.maximumFetches)
        #expect(peer.stream.replay.byteCount <= configuration.replayBytes)
    }

    @Test("A plain child gets the retained messages, then one message per message, and nothing else")
    func plainChild() {
        let simulation = OverlaySimulation(seed: 1, capacity: 4)
        simulation.publish([1], MessageOptions(retainedKey: 0))
        simulation.publish([2], MessageOptions(isJoinPoint: true))
        let plain = simulation.joinPlain(under: 0)
        var frames: [[UInt8]] = []
        simulation.run(for: .seconds(1))
        frames.append([1])
        frames.append([2])
        let large = simulation.random.bytes(50_000)
        simulation.publish(large)
        simulation.finish()
        simulation.run(for: .seconds(2))
        // The collecting end is one of our viewers under a plain parent: it numbers what comes anew.
        #expect(simulation.nodes[plain].messages.map { $0.parts.flatMap { $0.bytes } } == frames + [large])
        #expect(simulation.nodes[0].peer.isSubtreeComplete)
    }

    @Test("Below a plain parent a native subtree works as usual")
    func plainParent() {
        let simulation = OverlaySimulation(seed: 2, capacity: 4)
        let plain = simulation.joinPlain(under: 0)
        let below = simulation.join(under: plain)
        simulation.run(for: .seconds(1))
        let large = simulation.random.bytes(50_000)
        simulation.publish(large, MessageOptions(isText: true))
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[below].received == large)
        #expect(simulation.nodes[below].messages.first?.isText == true)
    }

    @Test("A viewer that moves from one stream's numbers to another's reports a gap of unknown size and goes on")
    func streamReplaced() {
        let simulation = OverlaySimulation(seed: 3, capacity: 4)
        let plain = simulation.joinPlain(under: 0)
        let native = simulation.join(under: 0)
        let mover = simulation.join(under: native)
        let below = simulation.join(under: mover)
        simulation.run(for: .seconds(1))
        simulation.publish([1], MessageOptions(isJoinPoint: true))
        simulation.run(for: .milliseconds(100))
        simulation.assign(mover, 0, to: plain)
        simulation.run(for: .seconds(1))
        simulation.publish([2])
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[mover].gaps == [Gap(range: nil, isSkip: false)])
        // The stand-in for a plain parent keeps a replay buffer, which a real one has not: 1 comes twice.
        #expect(simulation.nodes[mover].received == [1, 1, 2])
        #expect(simulation.nodes[below].received == [1, 1, 2])
    }
}

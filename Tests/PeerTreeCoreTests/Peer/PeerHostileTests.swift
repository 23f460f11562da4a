import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Neighbours that send rubbish", .timeLimit(.minutes(5)))
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
}

import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Neighbours that speak no protocol", .timeLimit(.minutes(5)))
struct PlainNeighbourTests {
    private struct Played: PlayedPeer {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)

        init(_ peer: Peer<TestBuffer>) {
            self.peer = peer
        }

        mutating func publish(
            _ bytes: [UInt8],
            _ options: MessageOptions = MessageOptions()
        ) -> [PeerOutput<TestBuffer>] {
            _ = try? peer.publish(TestBuffer(bytes: bytes), options, timestamp: 0, at: now)
            return drain()
        }

        mutating func drain() -> [PeerOutput<TestBuffer>] {
            var outputs: [PeerOutput<TestBuffer>] = []
            while let output = peer.nextOutput() { outputs.append(output) }
            return outputs
        }

        /// Links a parent by its number.
        mutating func attach(_ link: UInt32, _ mode: LinkMode) -> [PeerOutput<TestBuffer>] {
            feed(.assigned(RemoteID(link), stripe: 0, epoch: link))
                + feed(.linkOpened(LinkID(link), RemoteID(link), .parent, mode))
        }

        mutating func hear(_ frame: ControlFrame, on link: UInt32) -> [PeerOutput<TestBuffer>] {
            feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
        }

        /// Links a child of ours on link 11.
        mutating func adopt() -> [PeerOutput<TestBuffer>] {
            feed(.linkOpened(LinkID(11), RemoteID(11), .child, .native))
                + hear(.subscribe(stripe: 0, start: .joinPoint, window: 1_024, streamID: 0), on: 11)
        }
    }

    private static func messages(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [[UInt8]] {
        outputs.compactMap {
            guard case .sendMessage(LinkID(link), let message) = $0 else { return nil }
            return message.parts.flatMap { Array($0.bytes) }
        }
    }

    /// What a child of ours makes of the chunks that it is sent.
    private static func payload(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [UInt8] {
        outputs.flatMap { output -> [UInt8] in
            guard case .send(LinkID(link), let frame) = output, let chunk = try? ChunkHeader.decode(frame) else {
                return []
            }
            return Array(frame.bytes.dropFirst(chunk.payloadOffset))
        }
    }

    @Test("A plain child gets the retained messages, then one message per message, and nothing else")
    func child() {
        var source = Played(.source(PeerConfiguration(), streamID: 1))
        _ = source.publish([1], MessageOptions(retainedKey: 0))
        _ = source.publish([2], MessageOptions(isJoinPoint: true))
        var outputs = source.feed(.linkOpened(LinkID(1), RemoteID(1), .child, .plain))
        var random = SeededGenerator(seed: 1)
        let large = random.bytes(50_000)
        outputs += source.publish(large)
        source.peer.finish(timestamp: 0, at: source.now)
        outputs += source.drain() + source.pass(.seconds(2))
        #expect(Self.messages(outputs, on: 1) == [[1], [2], large])
        #expect(!outputs.contains { if case .send(LinkID(1), _) = $0 { true } else { false } })
        _ = source.feed(.drained(LinkID(1), buffered: 0))
        #expect(source.peer.isSubtreeComplete)
    }

    @Test("Below a plain parent a native subtree works as usual")
    func parent() {
        var viewer = Played(.viewer(PeerConfiguration(), streamID: 1))
        _ = viewer.attach(1, .plain)
        _ = viewer.adopt()
        var random = SeededGenerator(seed: 2)
        let large = random.bytes(50_000)
        let outputs = viewer.feed(.received(LinkID(1), TestBuffer(bytes: large), isText: true))
        #expect(Self.payload(outputs, on: 11) == large)
        let delivered = outputs.compactMap { if case .deliver(let message) = $0 { message } else { nil } }
        #expect(delivered.map(\.isText) == [true])
    }

    @Test("A viewer that moves from one stream's numbers to another's reports a gap of unknown size and goes on")
    func move() {
        var viewer = Played(.viewer(PeerConfiguration(), streamID: 1))
        var outputs = viewer.attach(1, .native)
        outputs += viewer.hear(.subscribed(stripe: 0, policy: .lossless, streamID: 9, start: 0, next: 0), on: 1)
        outputs += viewer.adopt()
        var chunker = Chunker<TestBuffer>(stripes: 1)
        for chunk in chunker.cut(TestBuffer(bytes: [1]), MessageOptions(isJoinPoint: true), timestamp: 0) {
            outputs += viewer.feed(.received(LinkID(1), chunk.frame, isText: false))
        }
        outputs += viewer.attach(2, .plain)
        outputs += viewer.feed(.received(LinkID(2), TestBuffer(bytes: [2]), isText: false))
        // The child was told to ask again, and does.
        let frames = outputs.compactMap { output -> ControlFrame? in
            if case .send(LinkID(11), let bytes) = output { try? ControlFrame.decode(bytes) } else { nil }
        }
        #expect(frames.contains { if case .restart = $0 { true } else { false } })
        outputs += viewer.hear(.subscribe(stripe: 0, start: .joinPoint, window: 1_024, streamID: 0), on: 11)
        let gaps = outputs.compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
        #expect(gaps == [Gap(range: nil, isSkip: false)])
        let delivered = outputs.compactMap {
            if case .deliver(let message) = $0 { message.parts.flatMap { $0.bytes } } else { nil }
        }
        #expect(delivered == [[1], [2]])
        #expect(Self.payload(outputs, on: 11) == [1, 2])
    }
}

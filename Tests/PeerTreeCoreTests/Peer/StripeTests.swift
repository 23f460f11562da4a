import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Stripes do not wait for each other", .timeLimit(.minutes(5)))
struct StripeTests {
    /// A viewer of two stripes. Link 1 is the first stripe's parent, 2 the second's; 11 is a child in the second.
    private struct Viewer: PlayedPeer {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)

        init(_ policy: StreamPolicy = .paced) {
            var configuration = PeerConfiguration()
            configuration.stripes = 2
            peer = .viewer(configuration, streamID: 1)
            attach(1, 0, policy)
            attach(2, 1, policy)
        }

        @discardableResult
        mutating func attach(
            _ link: UInt32,
            _ stripe: UInt8,
            _ policy: StreamPolicy = .paced,
            streamID: UInt64 = 9,
            start: UInt64 = 0
        ) -> [PeerOutput<TestBuffer>] {
            feed(.assigned(RemoteID(link), stripe: stripe, epoch: link))
            feed(.linkOpened(LinkID(link), RemoteID(link), .parent, .native))
            return hear(
                .subscribed(stripe: stripe, policy: policy, streamID: streamID, start: start, next: start),
                on: link
            )
        }

        @discardableResult
        mutating func hear(_ frame: ControlFrame, on link: UInt32) -> [PeerOutput<TestBuffer>] {
            feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
        }

        /// Chunks are dealt in turn: what is even is of the first stripe.
        @discardableResult
        mutating func chunk(_ sequence: UInt64, on link: UInt32) -> [PeerOutput<TestBuffer>] {
            let header = ChunkHeader(
                sequence: sequence,
                stripe: UInt8(sequence % 2),
                flags: [.first, .last],
                retainedKey: 0,
                timestamp: sequence,
                fragment: 0
            )
            let frame = TestBuffer(header: header.encoded(), payload: TestBuffer(bytes: [UInt8(sequence)]))
            return feed(.received(LinkID(link), frame, isText: false))
        }

        mutating func subscribeChild(from start: UInt64) {
            feed(.linkOpened(LinkID(11), RemoteID(11), .child, .native))
            hear(.subscribe(stripe: 1, start: .sequence(start), window: 1_024, streamID: 9), on: 11)
        }

        var frontier: UInt64? { peer.position.frontier }
    }

    /// The control frames on a link, but for what every link hears now and then.
    private static func frames(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [ControlFrame] {
        outputs.compactMap { output in
            guard case .send(LinkID(link), let bytes) = output, let frame = try? ControlFrame.decode(bytes) else {
                return nil
            }
            switch frame {
            case .heartbeat, .credit: return nil
            default: return frame
            }
        }
    }

    private static func chunks(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [UInt64] {
        outputs.compactMap { output in
            guard case .send(LinkID(link), let bytes) = output else { return nil }
            return (try? ChunkHeader.decode(bytes))?.header.sequence
        }
    }

    private static func requests(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [[SequenceRange]] {
        frames(outputs, on: link).compactMap { if case .request(let ranges) = $0 { ranges } else { nil } }
    }

    @Test("A child is fed a stripe although its parent lacks a chunk of it, and everything of another one")
    func notHeldBack() {
        var viewer = Viewer()
        viewer.subscribeChild(from: 0)
        #expect(Self.chunks(viewer.chunk(1, on: 2), on: 11) == [1])
        // 3 was lost somewhere, and nothing comes of the first stripe.
        #expect(Self.chunks(viewer.chunk(5, on: 2), on: 11) == [5])
        #expect(Self.chunks(viewer.chunk(7, on: 2), on: 11) == [7])
    }

    @Test("What a silent stripe lacks is asked for together, and given up together")
    func mendedTogether() {
        var viewer = Viewer()
        for number in stride(from: UInt64(1), through: 19, by: 2) { viewer.chunk(number, on: 2) }
        let outputs = viewer.pass(.milliseconds(600))
        // The first time when only 1 was here, then for all that is known to be missing since.
        let asked = (Self.requests(outputs, on: 1) + Self.requests(outputs, on: 2)).flatMap { $0 }
        #expect(asked.contains(SequenceRange(start: 0, end: 1)))
        viewer.pass(.milliseconds(2_500))
        #expect(viewer.frontier ?? 0 > 0)
        viewer.pass(.seconds(4))
        #expect(viewer.frontier == 20, "what has been missing for longer than the time for repairs is given up at once")
    }

    @Test("Whoever had what was asked for is asked for the rest at once")
    func batches() {
        var viewer = Viewer()
        viewer.chunk(201, on: 2)
        var outputs = viewer.pass(.milliseconds(600))
        var turns = 0
        // The first stripe's parent sends all that it is asked for, of both stripes.
        while let request = Self.requests(outputs, on: 1).last, turns < 20 {
            turns += 1
            outputs = []
            for range in request {
                for number in range.start..<range.end { outputs += viewer.chunk(number, on: 1) }
            }
        }
        #expect(viewer.frontier == 202)
        #expect(turns == 1)
    }

    @Test("A stripe that nobody feeds is no gap in a lossless stream")
    func losslessWaits() {
        var viewer = Viewer(.lossless)
        viewer.chunk(0, on: 1)
        viewer.feed(.linkClosed(LinkID(1)))
        for number in stride(from: UInt64(1), through: 9, by: 2) { viewer.chunk(number, on: 2) }
        // The parent of the second stripe lives and has nothing of the first.
        var outputs: [PeerOutput<TestBuffer>] = []
        for _ in 0..<50 {
            viewer.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 2)
            outputs += viewer.pass(.milliseconds(200))
        }
        #expect(!outputs.contains { if case .gap = $0 { true } else { false } })
        #expect(viewer.frontier == 2)
        viewer.attach(3, 0, .lossless, start: 2)
        for number in stride(from: UInt64(2), through: 8, by: 2) { viewer.chunk(number, on: 3) }
        #expect(viewer.frontier == 10)
    }

    @Test("How far the source has got is asked up the tree of one stripe, and anew once that has another parent")
    func inquiries() {
        var viewer = Viewer()
        viewer.chunk(0, on: 1)
        viewer.chunk(1, on: 2)
        viewer.feed(.linkOpened(LinkID(11), RemoteID(11), .child, .native))
        viewer.hear(.subscribe(stripe: 0, start: .joinPoint, window: 1_024, streamID: 0), on: 11)
        var outputs = viewer.hear(.inquire(stripe: 0), on: 11)
        #expect(Self.frames(outputs, on: 1).contains(.inquire(stripe: 0)))
        // The peer that feeds the first stripe from now on is asked although the one before lives on, for the other.
        outputs = viewer.attach(3, 0, start: 2)
        #expect(Self.frames(outputs, on: 3).contains(.inquire(stripe: 0)))
        #expect(Self.frames(viewer.hear(.head(stripe: 0, next: 2), on: 3), on: 11) == [.head(stripe: 0, next: 2)])
    }

    @Test("A question that is not answered up one tree goes up another")
    func otherWay() {
        var viewer = Viewer()
        viewer.chunk(0, on: 1)
        var outputs = viewer.chunk(41, on: 2)
        for _ in 0..<7 {
            for link in UInt32(1)...2 { viewer.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: link) }
            outputs += viewer.pass(.milliseconds(200))
        }
        #expect(Self.frames(outputs, on: 1).contains(.inquire(stripe: 0)))
        #expect(Self.frames(outputs, on: 2).contains(.inquire(stripe: 1)))
        viewer.hear(.head(stripe: 1, next: 1), on: 2)
        #expect(viewer.peer.position.end == 1, "what was never written is forgotten")
    }

    @Test("The first stripe's parent says which stream it is, whatever the others feed")
    func firstStripeRules() {
        var viewer = Viewer()
        viewer.chunk(0, on: 1)
        viewer.chunk(1, on: 2)
        // Both were of a liar's stream. The second stripe's parent is deceived as well, and would keep this peer so.
        let outputs = viewer.attach(3, 0, streamID: 10, start: 40)
        #expect(viewer.peer.position.streamID == 10)
        #expect(viewer.frontier == 40)
        #expect(
            Self.frames(outputs, on: 2).contains(
                .subscribe(stripe: 1, start: .sequence(40), window: 1_024, streamID: 10)
            )
        )
        // It still has the other stream: another parent is asked for, and nobody is accused.
        let answer = ControlFrame.subscribed(stripe: 1, policy: .paced, streamID: 9, start: 0, next: 2)
        let lost = viewer.hear(answer, on: 2)
        #expect(lost.contains { if case .orphaned(1, _, .closed) = $0 { true } else { false } })
        #expect(viewer.peer.position.streamID == 10)
    }

    @Test("A chunk of a stripe that its number is not dealt to is malformed")
    func dealing() {
        var viewer = Viewer()
        viewer.chunk(0, on: 1)
        let header = ChunkHeader(
            sequence: 2,
            stripe: 1,
            flags: [.first, .last],
            retainedKey: 0,
            timestamp: 0,
            fragment: 0
        )
        let frame = TestBuffer(header: header.encoded(), payload: TestBuffer(bytes: [0]))
        viewer.feed(.received(LinkID(2), frame, isText: false))
        #expect(viewer.peer.position.end == 1)
        #expect(viewer.peer.counters.malformedFrames == 1)
    }

    @Test("A parent that feeds what is long here makes a peer doubt its position")
    func behind() {
        var viewer = Viewer()
        // A liar in the first stripe, and one that was in the second.
        for number in UInt64(0)..<20 { viewer.chunk(number, on: number % 2 == 0 ? 1 : 2) }
        viewer.feed(.linkClosed(LinkID(2)))
        viewer.pass(.milliseconds(600))
        #expect(viewer.frontier == 20)
        let outputs = viewer.chunk(2, on: 1)
        #expect(Self.frames(outputs, on: 1) == [.inquire(stripe: 0)])
        let answered = viewer.hear(.head(stripe: 0, next: 4), on: 1)
        let starts = Self.frames(answered, on: 1).compactMap { frame in
            if case .subscribe(0, let start, _, _) = frame { start } else { nil }
        }
        #expect(starts == [.joinPoint])
    }

    @Test("The policy is the first stripe's, however early another parent spoke")
    func firstStripePolicy() {
        var configuration = PeerConfiguration()
        configuration.stripes = 2
        var viewer = Viewer()
        viewer.peer = .viewer(configuration, streamID: 1)
        viewer.attach(2, 1, .lossless)
        viewer.attach(1, 0, .live)
        #expect(viewer.peer.policy == .live)
    }
}

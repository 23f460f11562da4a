import TestSupport
import Testing

@testable import PeerTreeCore

/// One viewer of a stream of three stripes, the last of which is parity.
@Suite("A viewer of a stream with parity", .timeLimit(.minutes(5)))
struct ParityTests {
    /// Links 1 to 3 are the parents of the stripes, 11 is a child of the third.
    private struct Viewer: PlayedPeer {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)
        private var chunker = Chunker<TestBuffer>(stripes: 3, isCoded: true)

        init(_ policy: StreamPolicy = .live, from start: UInt64 = 0) {
            var configuration = PeerConfiguration()
            configuration.stripes = 3
            peer = .viewer(configuration, streamID: 1)
            for link in UInt32(1)...3 {
                feed(.assigned(RemoteID(link), stripe: UInt8(link - 1), epoch: link))
                feed(.linkOpened(LinkID(link), RemoteID(link), .parent, .native))
                hear(
                    .subscribed(stripe: UInt8(link - 1), policy: policy, streamID: 9, start: start, next: start),
                    on: link
                )
            }
        }

        @discardableResult
        mutating func hear(_ frame: ControlFrame, on link: UInt32) -> [PeerOutput<TestBuffer>] {
            feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
        }

        /// The chunks of the next message, of four bytes: two of data and their parity.
        mutating func write(_ options: MessageOptions = MessageOptions(), timestamp: UInt64 = 0) -> [TestBuffer] {
            chunker.cut(TestBuffer(bytes: [1, 2, 3, 4]), options, timestamp: timestamp).map { $0.frame }
        }

        mutating func write(_ bytes: [UInt8]) -> [TestBuffer] {
            chunker.cut(TestBuffer(bytes: bytes), MessageOptions(), timestamp: 0).map { $0.frame }
        }

        @discardableResult
        mutating func take(_ frame: TestBuffer, on link: UInt32) -> [PeerOutput<TestBuffer>] {
            feed(.received(LinkID(link), frame, isText: false))
        }

        mutating func signsOfLife() {
            for link in UInt32(1)...3 { hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: link) }
        }

        var frontier: UInt64? { peer.position.frontier }
    }

    private static func delivered(_ outputs: [PeerOutput<TestBuffer>]) -> [[UInt8]] {
        outputs.compactMap { output in
            guard case .deliver(let message) = output else { return nil }
            return message.parts.flatMap { Array($0.bytes) }
        }
    }

    private static func gaps(_ outputs: [PeerOutput<TestBuffer>]) -> [Gap] {
        outputs.compactMap { if case .gap(let gap) = $0 { gap } else { nil } }
    }

    @Test(
        "A message is delivered once any two of three chunks are here",
        arguments: [[0, 1], [0, 2], [1, 2], [2, 1], [2, 0]]
    )
    func anyTwo(places: [Int]) {
        var viewer = Viewer()
        let frames = viewer.write()
        var outputs: [PeerOutput<TestBuffer>] = []
        for place in places { outputs += viewer.take(frames[place], on: UInt32(place) + 1) }
        #expect(Self.delivered(outputs) == [[1, 2, 3, 4]])
        #expect(viewer.frontier == 3)
        #expect(viewer.peer.counters.chunksRebuilt == 1)
    }

    @Test("What was given back is fed to the children of its stripe, and what comes later is a duplicate and no lie")
    func fedOn() {
        var viewer = Viewer()
        viewer.feed(.linkOpened(LinkID(11), RemoteID(11), .child, .native))
        viewer.hear(.subscribe(stripe: 2, start: .sequence(0), window: 1_024, streamID: 9), on: 11)
        let frames = viewer.write()
        viewer.take(frames[0], on: 1)
        let outputs = viewer.take(frames[1], on: 2)
        let fed = outputs.compactMap { output -> TestBuffer? in
            guard case .send(LinkID(11), let frame) = output, (try? ChunkHeader.decode(frame)) != nil else {
                return nil
            }
            return frame
        }
        #expect(fed == [frames[2]])
        let late = viewer.take(frames[2], on: 3)
        #expect(
            !late.contains {
                if case .send(_, let frame) = $0 { (try? ControlFrame.decode(frame)) != nil } else { false }
            }
        )
        #expect(viewer.peer.counters.duplicates == 1)
        #expect(viewer.peer.counters.unexpectedFrames == 0)
    }

    @Test(
        "An original client gets every message whole, once and in order, whichever chunk is missing, once it is named"
    )
    func plainChild() {
        var viewer = Viewer()
        viewer.feed(.placed(slots: 4, depth: 1))
        var outputs = viewer.feed(.linkOpened(LinkID(11), RemoteID(11), .child, .plain))
        var late: [TestBuffer] = []
        for missing in 0..<3 {
            let frames = viewer.write(MessageOptions(isText: missing == 1))
            for place in (0..<3).reversed() where place != missing {
                outputs += viewer.take(frames[place], on: UInt32(place) + 1)
            }
            late.append(frames[missing])
        }
        #expect(Self.messages(outputs).isEmpty)
        outputs = viewer.feed(.admitted(RemoteID(11), stripe: 2))
        #expect(Self.messages(outputs).map(\.isText) == [false, true, false])
        #expect(Self.messages(outputs).allSatisfy { $0.parts.flatMap { Array($0.bytes) } == [1, 2, 3, 4] })
        outputs = []
        for place in 0..<3 { outputs += viewer.take(late[place], on: UInt32(place) + 1) }
        #expect(Self.messages(outputs).isEmpty)
        // A large one: several rows.
        var random = SeededGenerator(seed: 3)
        let large = random.bytes(100_000)
        for (index, frame) in viewer.write(large).enumerated() where index % 3 != 1 {
            outputs += viewer.take(frame, on: UInt32(index % 3) + 1)
        }
        #expect(Self.messages(outputs).map { $0.parts.flatMap { Array($0.bytes) } } == [large])
        #expect(!outputs.contains { if case .send(LinkID(11), _) = $0 { true } else { false } })
        outputs = viewer.feed(.childReleased(RemoteID(11), stripe: 2))
        #expect(outputs.contains { if case .close(LinkID(11)) = $0 { true } else { false } })
    }

    private static func messages(_ outputs: [PeerOutput<TestBuffer>]) -> [Message<TestBuffer>] {
        outputs.compactMap { if case .sendMessage(LinkID(11), let message) = $0 { message } else { nil } }
    }

    @Test("A parent that lives and keeps its stripe back is given up after a second, whatever parity makes good")
    func starving() {
        var viewer = Viewer()
        var outputs: [PeerOutput<TestBuffer>] = []
        for _ in 0..<50 {
            let frames = viewer.write()
            outputs += viewer.take(frames[0], on: 1)
            outputs += viewer.take(frames[2], on: 3)
            viewer.signsOfLife()
            outputs += viewer.pass(.milliseconds(33))
        }
        let orphaned = outputs.compactMap { output -> (UInt8, LossReason)? in
            if case .orphaned(let stripe, _, let reason) = output { (stripe, reason) } else { nil }
        }
        #expect(orphaned.first?.0 == 1)
        #expect(orphaned.first?.1 == .notForwarding)
        #expect(Self.delivered(outputs).count == 50)
    }

    @Test(
        "A parent that feeds two stripes, and sends the later one first, takes the place of the one before it and keeps it"
    )
    func twoStripesOfOneParent() {
        var viewer = Viewer()
        viewer.feed(.assigned(RemoteID(3), stripe: 0, epoch: 4))
        var outputs = viewer.hear(.subscribed(stripe: 0, policy: .live, streamID: 9, start: 0, next: 0), on: 3)
        for _ in 0..<50 {
            let frames = viewer.write()
            outputs += viewer.take(frames[1], on: 2)
            outputs += viewer.take(frames[2], on: 3)
            // It followed from the others already.
            outputs += viewer.take(frames[0], on: 3)
            viewer.signsOfLife()
            outputs += viewer.pass(.milliseconds(33))
        }
        #expect(outputs.contains { if case .close(LinkID(1)) = $0 { true } else { false } })
        #expect(!outputs.contains { if case .orphaned = $0 { true } else { false } })
        #expect(Self.delivered(outputs).count == 50)
    }

    @Test("A parent that is a little later than the others is not given up")
    func late() {
        var viewer = Viewer()
        var outputs: [PeerOutput<TestBuffer>] = []
        var held: [TestBuffer] = []
        for _ in 0..<100 {
            let frames = viewer.write()
            for place in 0..<2 { outputs += viewer.take(frames[place], on: UInt32(place) + 1) }
            held.append(frames[2])
            if held.count > 6 { outputs += viewer.take(held.removeFirst(), on: 3) }
            viewer.signsOfLife()
            outputs += viewer.pass(.milliseconds(33))
        }
        #expect(!outputs.contains { if case .orphaned = $0 { true } else { false } })
        #expect(
            !outputs.contains { output in
                guard case .send(_, let frame) = output, case .inquire? = try? ControlFrame.decode(frame) else {
                    return false
                }
                return true
            }
        )
    }

    @Test("Parity makes good what one parent skips; what two skip is a gap, and the stream goes on behind it")
    func skips() {
        var viewer = Viewer()
        let first = viewer.write()
        for place in 0..<3 { viewer.take(first[place], on: UInt32(place) + 1) }
        let skipped = (0..<4).map { _ in viewer.write() }
        var outputs = viewer.hear(.skip(stripe: 0, SequenceRange(start: 3, end: 15)), on: 1)
        #expect(Self.gaps(outputs).isEmpty)
        outputs = viewer.take(skipped[0][1], on: 2) + viewer.take(skipped[0][2], on: 3)
        #expect(Self.delivered(outputs) == [[1, 2, 3, 4]])
        outputs = viewer.hear(.skip(stripe: 2, SequenceRange(start: 6, end: 12)), on: 3)
        #expect(Self.gaps(outputs).map { $0.range } == [SequenceRange(start: 6, end: 12)])
        #expect(Self.gaps(outputs).allSatisfy { $0.isSkip })
        #expect(viewer.frontier == 12)
    }

    @Test("A newcomer takes retained messages of all stripes from any parent, and each once, however many tell of them")
    func retained() {
        var viewer = Viewer(from: 3)
        let frames = viewer.write(MessageOptions(retainedKey: 5))
        var outputs = viewer.take(frames[0], on: 2) + viewer.take(frames[0], on: 1)
        outputs += viewer.take(frames[1], on: 1) + viewer.take(frames[1], on: 2)
        #expect(Self.delivered(outputs) == [[1, 2, 3, 4]])
        #expect(viewer.peer.counters.unexpectedFrames == 0)
        #expect(viewer.frontier == 3)
    }

    @Test("A chunk that says that it is of rows as wide as there are no stripes is malformed")
    func otherWidth() {
        var viewer = Viewer()
        let header = ChunkHeader(
            sequence: 0,
            stripe: 0,
            flags: [.first, .last],
            retainedKey: 0,
            timestamp: 0,
            fragment: 0,
            rowWidth: 2
        )
        viewer.take(TestBuffer(header: header.encoded(), payload: TestBuffer(bytes: [1])), on: 1)
        #expect(viewer.frontier == 0)
        #expect(viewer.peer.counters.malformedFrames == 1)
    }
}

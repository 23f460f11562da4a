import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("A lossless stream gives up nothing that somebody may have", .timeLimit(.minutes(5)))
struct LosslessRepairTests {
    /// A viewer that has 0 to 4 and then, of its parent on link 1, 8: 5 to 7 are missing. The parent gives signs of life.
    private struct Viewer: PlayedPeer {
        var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 1)
        var now = Instant(nanoseconds: 1_000_000_000)
        private(set) var gaps: [SequenceRange] = []
        private(set) var orphanings: [LossReason] = []
        private(set) var requests = 0
        /// What the parent was sent and has not looked at.
        private var unanswered: [ControlFrame] = []

        /// What the parent does about requests and inquiries.
        enum Parent {
            case silent
            /// It lacks what it is asked for, and has no parent of its own that it could ask.
            case orphaned
            /// It lacks it too, and so does the source.
            case whole
        }

        init() {
            feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
            feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
            hear(.subscribed(stripe: 0, policy: .lossless, streamID: 9, start: 0, next: 9))
            for number in [0, 1, 2, 3, 4, 8] as [UInt64] { chunk(number) }
        }

        var frontier: UInt64? { peer.position.frontier }

        @discardableResult
        mutating func hear(_ frame: ControlFrame) -> [PeerOutput<TestBuffer>] {
            feed(.received(LinkID(1), TestBuffer(bytes: frame.encoded()), isText: false))
        }

        mutating func chunk(_ sequence: UInt64) {
            let header = ChunkHeader(
                sequence: sequence,
                stripe: 0,
                flags: [.first, .last],
                retainedKey: 0,
                timestamp: sequence,
                fragment: 0
            )
            let frame = TestBuffer(
                header: header.encoded(),
                payload: TestBuffer(bytes: [UInt8(truncatingIfNeeded: sequence)])
            )
            note(feed(.received(LinkID(1), frame, isText: false)))
        }

        /// Lets time pass beside such a parent.
        mutating func pass(_ span: TimeSpan, beside parent: Parent, chunksFrom first: UInt64? = nil) {
            let end = now + span
            var next = first
            while now < end {
                note(hear(.heartbeat(timestamp: 1, echo: 0, held: 0)))
                if let number = next {
                    chunk(number)
                    next = number + 1
                }
                note(pass(.milliseconds(200)))
                answer(as: parent)
            }
        }

        private mutating func answer(as parent: Parent) {
            let frames = unanswered
            unanswered.removeAll()
            for frame in frames {
                switch (frame, parent) {
                case (.request(let ranges), .orphaned), (.request(let ranges), .whole): note(hear(.unavailable(ranges)))
                case (.inquire(let stripe), .whole):
                    note(hear(.head(stripe: stripe, next: peer.position.end)))
                default: break
                }
            }
        }

        private mutating func note(_ outputs: [PeerOutput<TestBuffer>]) {
            for output in outputs {
                switch output {
                case .gap(let gap): if let range = gap.range { gaps.append(range) }
                case .orphaned(_, _, let reason): orphanings.append(reason)
                case .send(_, let bytes):
                    guard let frame = try? ControlFrame.decode(bytes) else { continue }
                    unanswered.append(frame)
                    if case .request = frame { requests += 1 }
                default: break
                }
            }
        }
    }

    @Test("A parent that looks for a parent itself is waited for, and has what it was asked for in the end")
    func parentAway() {
        var viewer = Viewer()
        viewer.pass(.seconds(9), beside: .orphaned)
        #expect(viewer.gaps.isEmpty && viewer.orphanings.isEmpty)
        for number in 5...7 as ClosedRange<UInt64> { viewer.chunk(number) }
        #expect(viewer.frontier == 9)
    }

    @Test("What nobody has although the source can be asked is a gap after three seconds")
    func nobody() {
        var viewer = Viewer()
        viewer.pass(.milliseconds(2_900), beside: .whole)
        #expect(viewer.gaps.isEmpty)
        viewer.pass(.milliseconds(1_500), beside: .whole)
        #expect(viewer.gaps == [SequenceRange(start: 5, end: 8)])
        #expect(viewer.frontier == 9 && viewer.orphanings.isEmpty)
    }

    @Test("As long as the parent sends, what it was asked for may wait behind that, and is not asked for again")
    func behindAQueue() {
        var viewer = Viewer()
        viewer.pass(.milliseconds(600), beside: .silent)
        let asked = viewer.requests
        viewer.pass(.seconds(20), beside: .silent, chunksFrom: 9)
        #expect(viewer.requests == asked)
        #expect(viewer.gaps.isEmpty && viewer.orphanings.isEmpty)
    }

    @Test("A parent that sends everything but what is missing is left after a minute and ten seconds")
    func withholdsOneThing() {
        var viewer = Viewer()
        viewer.pass(.seconds(60), beside: .silent, chunksFrom: 9)
        #expect(viewer.orphanings.isEmpty)
        viewer.pass(.seconds(12), beside: .silent, chunksFrom: 400)
        #expect(viewer.orphanings.first == .notForwarding)
        #expect(viewer.gaps.isEmpty)
    }

    @Test("Where the source can be asked, a parent that says what it lacks keeps nobody waiting by what else it sends")
    func nobodyAmidTheStream() {
        var viewer = Viewer()
        viewer.pass(.seconds(5), beside: .whole, chunksFrom: 9)
        #expect(viewer.gaps == [SequenceRange(start: 5, end: 8)])
    }

    @Test("A parent that does nothing about it for ten seconds is left; nothing is given up by that")
    func silent() {
        var viewer = Viewer()
        viewer.pass(.seconds(9), beside: .silent)
        #expect(viewer.orphanings.isEmpty)
        viewer.pass(.seconds(2), beside: .silent)
        #expect(viewer.orphanings.first == .notForwarding)
        #expect(viewer.gaps.isEmpty)
    }
}

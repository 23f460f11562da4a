import Testing

@testable import PeerTreeCore

@Suite("Connecting to parents", .timeLimit(.minutes(5)))
struct PeerConnectingTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func connections(_ peer: inout Peer<TestBuffer>) -> [RemoteID] {
        var remotes: [RemoteID] = []
        while let output = peer.nextOutput() {
            if case .connect(let remote) = output { remotes.append(remote) }
        }
        return remotes
    }

    @Test("Stripes that come from one parent share one connection")
    func shared() {
        var configuration = PeerConfiguration()
        configuration.stripes = 3
        var peer = Peer<TestBuffer>.viewer(configuration, streamID: 1)
        for stripe in UInt8(0)..<2 { peer.handle(.assigned(RemoteID(1), stripe: stripe, epoch: 1), at: now) }
        peer.handle(.assigned(RemoteID(2), stripe: 2, epoch: 1), at: now)
        #expect(connections(&peer) == [RemoteID(1), RemoteID(2)])
    }

    @Test("Sent elsewhere while it is still connecting, a viewer connects there")
    func elsewhere() {
        var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 1)
        peer.handle(.assigned(RemoteID(1), stripe: 0, epoch: 1), at: now)
        peer.handle(.assigned(RemoteID(2), stripe: 0, epoch: 2), at: now)
        #expect(connections(&peer) == [RemoteID(1), RemoteID(2)])
    }

    @Test("A viewer that has the end asks for another parent only if it stays: its parent goes because of the end, too")
    func parentGoesAtTheEnd() {
        struct Viewer: PlayedPeer {
            var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 1)
            var now = Instant(nanoseconds: 1_000_000_000)
        }
        func isOrphaned(_ outputs: [PeerOutput<TestBuffer>]) -> Bool {
            outputs.contains { if case .orphaned = $0 { true } else { false } }
        }
        var viewer = Viewer()
        viewer.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        viewer.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        let answer = ControlFrame.subscribed(stripe: 0, policy: .lossless, streamID: 9, start: 0, next: 0)
        var chunker = Chunker<TestBuffer>(stripes: 1)
        let end = chunker.endOfStream(timestamp: 0).frame
        for frame in [TestBuffer(bytes: answer.encoded()), end] {
            viewer.feed(.received(LinkID(1), frame, isText: false))
        }
        #expect(viewer.peer.isEnded)
        var outputs = viewer.feed(.linkClosed(LinkID(1)))
        outputs += viewer.pass(.milliseconds(800))
        #expect(!isOrphaned(outputs))
        #expect(isOrphaned(viewer.pass(.seconds(1))))
    }

    // MARK: Connections that take long

    /// A viewer that its server has placed under 1, and what it wants by the time it loses patience.
    private func impatient() -> (ConnectingHarness, [PeerOutput<TestBuffer>]) {
        var harness = ConnectingHarness()
        harness.feed(.placed(slots: 2, depth: 1))
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        #expect(harness.pass(.milliseconds(1_999)).isEmpty)
        let outputs = harness.pass(.milliseconds(1))
        return (harness, outputs)
    }

    @Test("After 2 s another parent is asked for, and the first attempt goes on beside the next for 8 s in all")
    func beside() {
        var (harness, outputs) = impatient()
        #expect(outputs.complaints == [.unreachable])
        outputs += harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        #expect(outputs.connected == [RemoteID(2)])
        outputs += harness.pass(.milliseconds(5_999))
        #expect(outputs.cancelled.isEmpty)
        #expect(harness.pass(.milliseconds(1)).cancelled == [RemoteID(1)])
    }

    @Test("A parent that is named again meanwhile is not connected to anew; the next question waits twice as long")
    func nobodyElse() {
        var (harness, outputs) = impatient()
        outputs = harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 2))
        #expect(outputs.isEmpty)
        #expect(harness.pass(.milliseconds(3_999)).isEmpty)
        #expect(harness.pass(.milliseconds(1)).complaints == [.unreachable])
        outputs = harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        outputs += harness.answer(on: 1)
        #expect(outputs.attachments == [2])
    }

    @Test("The first of two to come about feeds until the other does, which the server named and hears of")
    func late() {
        var (harness, _) = impatient()
        harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        var outputs = harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        #expect(outputs.subscribed == [LinkID(1)])
        outputs = harness.answer(on: 1)
        #expect(outputs.attachments.isEmpty)
        #expect(harness.peer.isFed)
        // Who is fed does not hurry.
        outputs = harness.pass(.milliseconds(500)) + harness.heartbeat(on: 1) + harness.pass(.milliseconds(500))
        for _ in 0..<8 { outputs += harness.heartbeat(on: 1) + harness.pass(.milliseconds(500)) }
        #expect(outputs.complaints.isEmpty)
        outputs = harness.feed(.linkOpened(LinkID(2), RemoteID(2), .parent, .native))
        #expect(outputs.subscribed == [LinkID(2)])
        outputs = harness.answer(on: 2)
        #expect(outputs.attachments == [2])
    }

    @Test("Once a parent feeds, what was tried beside it is given up")
    func given() {
        var (harness, _) = impatient()
        harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        harness.feed(.linkOpened(LinkID(2), RemoteID(2), .parent, .native))
        let outputs = harness.answer(on: 2)
        #expect(outputs.attachments == [2])
        #expect(outputs.cancelled == [RemoteID(1)])
        #expect(harness.peer.upstreams[0].attempts.deadline == .distantFuture)
    }

    @Test("One that fails, or is a plain one, is of no use beside another")
    func noUse() {
        var (harness, _) = impatient()
        harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        #expect(harness.feed(.connectFailed(RemoteID(1), .unreachable)).isEmpty)
        var (other, _) = impatient()
        other.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        let outputs = other.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .plain))
        #expect(outputs.contains { if case .close(LinkID(1)) = $0 { true } else { false } })
    }

    @Test("A server that names no children, which gives a place away for every question, is not asked so soon")
    func original() {
        var harness = ConnectingHarness()
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        #expect(harness.pass(.milliseconds(7_999)).isEmpty)
        let outputs = harness.pass(.milliseconds(1))
        #expect(outputs.complaints == [.unreachable])
        #expect(outputs.cancelled == [RemoteID(1)])
    }
}

private struct ConnectingHarness: PlayedPeer {
    var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 9)
    var now = Instant(nanoseconds: 1_000_000_000)

    mutating func answer(on link: UInt32) -> [PeerOutput<TestBuffer>] {
        hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: 0, next: 0), on: link)
    }

    mutating func heartbeat(on link: UInt32) -> [PeerOutput<TestBuffer>] {
        hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: link)
    }

    private mutating func hear(_ frame: ControlFrame, on link: UInt32) -> [PeerOutput<TestBuffer>] {
        feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
    }
}

extension [PeerOutput<TestBuffer>] {
    fileprivate var connected: [RemoteID] { compactMap { if case .connect(let remote) = $0 { remote } else { nil } } }
    fileprivate var cancelled: [RemoteID] {
        compactMap { if case .cancelConnect(let remote) = $0 { remote } else { nil } }
    }
    fileprivate var complaints: [LossReason] {
        compactMap { if case .orphaned(0, _, let reason) = $0 { reason } else { nil } }
    }
    fileprivate var attachments: [UInt32] {
        compactMap { if case .attached(0, let epoch) = $0 { epoch } else { nil } }
    }
    fileprivate var subscribed: [LinkID] {
        compactMap { output in
            guard case .send(let link, let frame) = output, frame.bytes.first == FrameType.subscribe.rawValue else {
                return nil
            }
            return link
        }
    }
}

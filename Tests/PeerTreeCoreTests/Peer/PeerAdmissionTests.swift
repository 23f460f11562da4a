import TestSupport
import Testing

@testable import PeerTreeCore

/// A source on a server that names children, and what follows from what it is told.
private struct AdmissionHarness: PlayedPeer {
    var peer: Peer<TestBuffer>
    var now = Instant(nanoseconds: 1_000_000_000)

    init(slots: Int?, stripes: UInt8 = 1, _ change: (inout PeerConfiguration) -> Void = { _ in }) {
        var configuration = PeerConfiguration()
        configuration.stripes = stripes
        configuration.silenceTimeout = .seconds(1_000)
        change(&configuration)
        peer = .source(configuration, streamID: 1)
        peer.handle(.placed(slots: slots, depth: 0), at: now)
        _ = try? peer.publish(TestBuffer(bytes: [1]), timestamp: 0, at: now)
    }

    /// A child opens a link by its number and asks for a stripe.
    @discardableResult
    mutating func link(
        _ link: UInt32,
        of child: UInt32,
        stripe: UInt8 = 0,
        _ mode: LinkMode = .native
    ) -> [PeerOutput<TestBuffer>] {
        let outputs = feed(.linkOpened(LinkID(link), RemoteID(child), .child, mode))
        return mode == .plain ? outputs : outputs + subscribe(link, stripe)
    }

    @discardableResult
    mutating func subscribe(_ link: UInt32, _ stripe: UInt8) -> [PeerOutput<TestBuffer>] {
        let frame = ControlFrame.subscribe(stripe: stripe, start: .joinPoint, window: 10, streamID: 0)
        return feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
    }

    mutating func admit(_ child: UInt32, stripe: UInt8 = 0) -> [PeerOutput<TestBuffer>] {
        feed(.admitted(RemoteID(child), stripe: stripe))
    }
}

extension [PeerOutput<TestBuffer>] {
    /// The links on which chunks were sent.
    fileprivate var fed: [UInt32] {
        compactMap { output in
            switch output {
            case .send(let link, let frame) where frame.bytes.first == FrameType.chunk.rawValue: link.rawValue
            case .sendMessage(let link, _): link.rawValue
            default: nil
            }
        }
    }

    fileprivate var closed: [UInt32] {
        compactMap { if case .close(let link) = $0 { link.rawValue } else { nil } }
    }

    /// The reasons that neighbours were told.
    fileprivate var goodbyes: [LinkCloseReason] {
        compactMap { output in
            guard case .send(_, let frame) = output, case .close(let reason) = try? ControlFrame.decode(frame) else {
                return nil
            }
            return reason
        }
    }

    fileprivate var lost: [UInt32] {
        compactMap { if case .childLost(let child, _) = $0 { child.rawValue } else { nil } }
    }
}

@Suite("Who may be a child", .timeLimit(.minutes(5)))
struct PeerAdmissionTests {
    @Test("Whom the server has admitted is fed, and nobody else: a stranger is told so and cut off in time")
    func strangers() {
        var harness = AdmissionHarness(slots: 4)
        _ = harness.admit(1)
        #expect(harness.link(1, of: 1).fed == [1])
        #expect(harness.link(2, of: 2).fed.isEmpty)
        #expect(harness.peer.places.map(\.remote) == [RemoteID(1)])
        let outputs = harness.pass(.seconds(4))
        #expect(outputs.closed == [2])
        #expect(outputs.goodbyes == [.refused])
        #expect(outputs.lost.isEmpty, "the server knows of no such child")
        #expect(harness.peer.counters.strangers == 1)
    }

    @Test("A child whose link comes before the server's word is held, and fed as soon as the word is there")
    func lateWord() {
        var harness = AdmissionHarness(slots: 4)
        #expect(harness.link(1, of: 1).fed.isEmpty)
        harness.pass(.seconds(2))
        #expect(harness.admit(1).fed == [1])
        #expect(harness.pass(.seconds(5)).closed.isEmpty)
    }

    @Test("A child has one link: the newest")
    func oneLink() {
        var harness = AdmissionHarness(slots: 4)
        _ = harness.admit(1)
        harness.link(1, of: 1)
        for link in UInt32(2)..<20 {
            let outputs = harness.link(link, of: 1)
            #expect(outputs.closed == [link - 1])
            #expect(outputs.fed == [link])
            #expect(outputs.lost.isEmpty)
        }
        #expect(harness.peer.childCount == 1)
    }

    @Test("With stripes a child gets those for which it was admitted")
    func stripes() {
        var harness = AdmissionHarness(slots: 8, stripes: 2)
        _ = harness.admit(1, stripe: 0)
        harness.link(1, of: 1, stripe: 0)
        let early = harness.subscribe(1, 1)
        #expect(!early.contains { if case .send = $0 { true } else { false } })
        let admitted = harness.admit(1, stripe: 1)
        #expect(admitted.contains { if case .send = $0 { true } else { false } })
        harness.feed(.childReleased(RemoteID(1), stripe: 0))
        #expect(harness.pass(.seconds(11)).closed.isEmpty)
        #expect(harness.peer.places.map(\.stripe) == [1])
    }

    @Test("A native child that has another parent is fed while it moves, then cut off if it does not go by itself")
    func released() {
        var harness = AdmissionHarness(slots: 4)
        _ = harness.admit(1)
        harness.link(1, of: 1)
        #expect(harness.feed(.childReleased(RemoteID(1), stripe: 0)).closed.isEmpty)
        _ = try? harness.peer.publish(TestBuffer(bytes: [2]), timestamp: 0, at: harness.now)
        #expect(harness.pass(.seconds(9)).fed == [1])
        let end = harness.pass(.seconds(2))
        #expect(end.closed == [1])
        #expect(end.goodbyes == [.moved])
        #expect(end.lost.isEmpty)
        #expect(harness.peer.admissions.count == 0)
    }

    @Test("A plain child that has another parent is cut off at once: it cannot know", arguments: [4, nil])
    func releasedPlain(slots: Int?) {
        var harness = AdmissionHarness(slots: slots)
        if slots != nil { _ = harness.admit(1) }
        #expect(harness.link(1, of: 1, .plain).fed == [1])
        #expect(harness.feed(.childReleased(RemoteID(1), stripe: 0)).closed == [1])
        #expect(harness.peer.childCount == 0)
    }

    @Test("A child that comes back while it may still be moving stays", arguments: [4, nil])
    func comesBack(slots: Int?) {
        var harness = AdmissionHarness(slots: slots)
        if slots != nil { _ = harness.admit(1) }
        harness.link(1, of: 1)
        harness.feed(.childReleased(RemoteID(1), stripe: 0))
        if slots != nil { _ = harness.admit(1) }
        harness.subscribe(1, 0)
        #expect(harness.pass(.seconds(20)).closed.isEmpty)
        #expect(harness.peer.childCount == 1)
    }

    @Test("There are never more children than slots, and those who move away, whatever the server says")
    func slots() {
        var harness = AdmissionHarness(slots: 3)
        for child in UInt32(1)...20 {
            _ = harness.admit(child)
            harness.link(child, of: child)
            harness.pass(.milliseconds(200))
            #expect(harness.peer.childCount <= 7)
        }
        harness.pass(.seconds(12))
        #expect(harness.peer.links.values.map(\.remote.rawValue) == [18, 19, 20], "those named last")
        #expect(harness.peer.admissions.count == 3)
    }

    @Test("Where the server names nobody, everybody is a child up to the own limit")
    func unnamed() {
        var harness = AdmissionHarness(slots: nil) { $0.maximumChildren = 2 }
        #expect(harness.link(1, of: 1).fed == [1])
        #expect(harness.link(2, of: 2).fed == [2])
        let refused = harness.link(3, of: 3)
        #expect(refused.closed == [3])
        #expect(refused.goodbyes == [.refused])
        #expect(harness.link(4, of: 2).fed == [4], "who comes again takes nobody else's place")
        #expect(harness.peer.childCount == 2)
    }

    @Test("A stranger's link holds nothing up: neither the end of the stream nor the leaving")
    func strangersHoldNothingUp() {
        var harness = AdmissionHarness(slots: 4)
        harness.link(1, of: 1)
        harness.peer.finish(timestamp: 0, at: harness.now)
        #expect(harness.peer.isSubtreeComplete)
        #expect(harness.feed(.leave).contains { if case .left = $0 { true } else { false } })
    }
}

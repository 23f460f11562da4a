import TestSupport
import Testing

@testable import PeerTreeCore

/// One peer among neighbours that the test plays.
private struct StandbyHarness: PlayedPeer {
    var peer: Peer<TestBuffer>
    var now = Instant(nanoseconds: 1_000_000_000)

    init(_ peer: Peer<TestBuffer>) {
        self.peer = peer
    }

    /// The number of the next chunk that the source writes.
    var next: UInt64 = 0

    /// A viewer at its parent 1 (link 1), which sends 30 pictures a second; and with a link (2) to its standby, 2.
    static func ward(streamOfStandby: UInt64? = 7) -> StandbyHarness {
        var harness = StandbyHarness(.viewer(PeerConfiguration(), streamID: 9))
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: 0, next: 0), on: 1)
        harness.feed(.standby(RemoteID(2)))
        harness.stream(for: .milliseconds(1_320), on: 1)
        harness.feed(.linkOpened(LinkID(2), RemoteID(2), .parent, .native))
        if let streamOfStandby { harness.hear(.stream(streamOfStandby), on: 2) }
        return harness
    }

    @discardableResult
    mutating func hear(_ frame: ControlFrame, on link: UInt32) -> [PeerOutput<TestBuffer>] {
        feed(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false))
    }

    /// Thirty pictures a second come.
    @discardableResult
    mutating func stream(for span: TimeSpan, on link: UInt32) -> [PeerOutput<TestBuffer>] {
        var outputs: [PeerOutput<TestBuffer>] = []
        for _ in 0..<span.nanoseconds / 33_000_000 {
            outputs += pass(.milliseconds(33))
            outputs += chunk(next, on: link)
            next += 1
        }
        return outputs
    }

    /// A message of one chunk, written when it comes.
    @discardableResult
    mutating func chunk(_ sequence: UInt64, on link: UInt32) -> [PeerOutput<TestBuffer>] {
        var source = Peer<TestBuffer>.source(PeerConfiguration(), streamID: 7)
        source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        let frame = ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 1_024, streamID: 0)
        source.handle(.received(LinkID(1), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
        for number in 0...sequence {
            let payload = TestBuffer(bytes: [UInt8(truncatingIfNeeded: number)])
            _ = try? source.publish(payload, timestamp: now.nanoseconds / 1_000, at: now)
        }
        var chunks: [TestBuffer] = []
        while let output = source.nextOutput() {
            if case .send(_, let frame) = output, frame.bytes.first == FrameType.chunk.rawValue { chunks.append(frame) }
        }
        guard let chunk = chunks.last else { return [] }
        return feed(.received(LinkID(link), chunk, isText: false))
    }
}

extension [PeerOutput<TestBuffer>] {
    fileprivate func frames(on link: UInt32) -> [ControlFrame] {
        compactMap { output in
            guard case .send(LinkID(link), let frame) = output else { return nil }
            return try? ControlFrame.decode(frame)
        }
    }

    fileprivate func chunks(on link: UInt32) -> Int {
        count { output in
            guard case .send(LinkID(link), let frame) = output else { return false }
            return frame.bytes.first == FrameType.chunk.rawValue
        }
    }

    fileprivate var requests: [ControlFrame] {
        frames(on: 2).filter { if case .request = $0 { true } else { false } }
    }

    fileprivate var deliveries: Int { count { if case .deliver = $0 { true } else { false } } }
    fileprivate var promotions: Int { count { if case .promoted = $0 { true } else { false } } }
    fileprivate var orphanings: Int { count { if case .orphaned = $0 { true } else { false } } }
    fileprivate var closed: [LinkID] { compactMap { if case .close(let link) = $0 { link } else { nil } } }
}

@Suite("Standbys and wards", .timeLimit(.minutes(5)))
struct PeerStandbyTests {
    @Test("The link to the standby is opened once a parent feeds, and nothing is said on it")
    func opening() {
        var harness = StandbyHarness(.viewer(PeerConfiguration(), streamID: 9))
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        harness.feed(.standby(RemoteID(2)))
        let early = harness.pass(.seconds(2))
        #expect(!early.contains { if case .connect(RemoteID(2)) = $0 { true } else { false } })
        harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: 0, next: 0), on: 1)
        let outputs = harness.pass(.milliseconds(200))
        #expect(outputs.contains { if case .connect(RemoteID(2)) = $0 { true } else { false } })
        let opened = harness.feed(.linkOpened(LinkID(2), RemoteID(2), .parent, .native))
        #expect(opened.closed.isEmpty)
        #expect(opened.frames(on: 2).isEmpty)
    }

    private func isConnecting(_ outputs: [PeerOutput<TestBuffer>]) -> Bool {
        outputs.contains { if case .connect(RemoteID(2)) = $0 { true } else { false } }
    }

    @Test("Whom its parent reaches over a TURN server has no link to a standby, until its path is another")
    func relayedViewer() {
        var harness = StandbyHarness.ward()
        let outputs = harness.feed(.relayed(LinkID(1), true))
        #expect(outputs.closed == [LinkID(2)])
        #expect(outputs.frames(on: 2) == [.close(.moved)])
        #expect(!isConnecting(harness.stream(for: .seconds(12), on: 1)))
        #expect(harness.feed(.linkClosed(LinkID(1))).orphanings == 1)

        var other = StandbyHarness.ward()
        other.feed(.relayed(LinkID(1), true))
        #expect(!isConnecting(other.stream(for: .seconds(12), on: 1)))
        other.feed(.relayed(LinkID(1), false))
        #expect(isConnecting(other.stream(for: .milliseconds(66), on: 1)))
    }

    @Test("An attempt to reach the standby ends where the parent is found to be reached over a TURN server")
    func relayedMeanwhile() {
        var harness = StandbyHarness(.viewer(PeerConfiguration(), streamID: 9))
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .native))
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: 0, next: 0), on: 1)
        harness.feed(.standby(RemoteID(2)))
        #expect(isConnecting(harness.stream(for: .milliseconds(1_320), on: 1)))
        let outputs = harness.feed(.relayed(LinkID(1), true))
        #expect(outputs.contains { if case .cancelConnect(RemoteID(2)) = $0 { true } else { false } })
    }

    @Test("No link is kept to a standby that can be reached over a TURN server only; another one is tried")
    func relayedStandby() {
        var harness = StandbyHarness.ward()
        #expect(harness.feed(.relayed(LinkID(2), true)).closed == [LinkID(2)])
        #expect(!isConnecting(harness.stream(for: .seconds(12), on: 1)))
        harness.feed(.standby(RemoteID(3)))
        let outputs = harness.stream(for: .milliseconds(1_320), on: 1)
        #expect(outputs.contains { if case .connect(RemoteID(3)) = $0 { true } else { false } })
    }

    @Test("A parent that is reached over a TURN server stays the parent")
    func relayedParent() {
        var harness = StandbyHarness.ward(streamOfStandby: nil)
        #expect(!harness.feed(.relayed(LinkID(1), true)).closed.contains(LinkID(1)))
        #expect(harness.stream(for: .milliseconds(66), on: 1).deliveries == 2)
    }

    @Test("A silent parent stays the parent; what comes next is asked of the standby, and delivered once")
    func pulling() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        #expect(harness.pass(.milliseconds(120)).requests.isEmpty)
        var outputs = harness.pass(.milliseconds(60))
        #expect(outputs.requests.first == .request([SequenceRange(start: next, end: next + 256)]))
        #expect(outputs.promotions + outputs.orphanings == 0)
        outputs = harness.chunk(next, on: 2)
        #expect(outputs.deliveries == 1)
        #expect(harness.peer.counters.unexpectedFrames == 0)
        outputs = harness.chunk(next, on: 1)
        #expect(outputs.deliveries == 0)
    }

    @Test(
        "A standby that has not said which stream it has, or has another, is asked for nothing",
        arguments: [nil, 8] as [UInt64?]
    )
    func otherStream(streamID: UInt64?) {
        var harness = StandbyHarness.ward(streamOfStandby: streamID)
        #expect(harness.pass(.milliseconds(600)).requests.isEmpty)
        let outputs = harness.feed(.linkClosed(LinkID(1)))
        #expect(outputs.promotions == 0)
        #expect(outputs.orphanings == 1)
    }

    @Test("Below a plain parent, whose stream has other numbers, the standby is neither asked nor turned to")
    func plainParent() {
        var harness = StandbyHarness(.viewer(PeerConfiguration(), streamID: 9))
        harness.feed(.placed(slots: 2, depth: 2))
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 1))
        harness.feed(.linkOpened(LinkID(1), RemoteID(1), .parent, .plain))
        harness.feed(.standby(RemoteID(2)))
        harness.pass(.milliseconds(1_500))
        harness.feed(.linkOpened(LinkID(2), RemoteID(2), .parent, .native))
        harness.hear(.stream(7), on: 2)
        harness.feed(.received(LinkID(1), TestBuffer(bytes: [1]), isText: false))
        var outputs = harness.pass(.seconds(3))
        #expect(outputs.requests.isEmpty)
        outputs = harness.feed(.linkClosed(LinkID(1)))
        #expect(outputs.promotions == 0)
        #expect(outputs.orphanings == 1)
    }

    @Test("What nobody asked a standby for is not taken from it")
    func unasked() {
        var harness = StandbyHarness.ward()
        let outputs = harness.chunk(harness.next, on: 2)
        #expect(outputs.deliveries == 0)
        #expect(harness.peer.counters.unexpectedFrames == 1)
    }

    @Test("A lost parent is replaced by the standby at once; the server confirms it by an assignment")
    func promotion() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        var outputs = harness.feed(.linkClosed(LinkID(1)))
        #expect(outputs.promotions == 1)
        #expect(outputs.orphanings == 0)
        #expect(
            outputs.frames(on: 2) == [.subscribe(stripe: 0, start: .sequence(next), window: 1_024, streamID: 7)]
        )
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next), on: 2)
        outputs = harness.chunk(next, on: 2)
        #expect(outputs.deliveries == 1)
        outputs = harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        #expect(outputs.contains { if case .attached(0, 2) = $0 { true } else { false } })
        #expect(harness.peer.backup.standby == nil)
    }

    @Test("If the server names another parent instead, the standby feeds until that one has, and stays a standby")
    func promotionElsewhere() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        harness.feed(.linkClosed(LinkID(1)))
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next), on: 2)
        harness.feed(.assigned(RemoteID(3), stripe: 0, epoch: 2))
        var outputs = harness.chunk(next, on: 2)
        #expect(outputs.deliveries == 1)
        harness.feed(.linkOpened(LinkID(3), RemoteID(3), .parent, .native))
        outputs = harness.hear(
            .subscribed(stripe: 0, policy: .live, streamID: 7, start: next + 1, next: next + 1),
            on: 3
        )
        #expect(outputs.frames(on: 2).isEmpty)
        outputs = harness.chunk(next + 1, on: 3)
        #expect(outputs.frames(on: 2) == [.unsubscribe(stripe: 0)])
        #expect(outputs.closed.isEmpty)
        #expect(harness.peer.usableStandby == LinkID(2))
    }

    /// A viewer whose parent lives and sends nothing, when it has turned to its standby; and what it did until then.
    private func starved() -> (StandbyHarness, [PeerOutput<TestBuffer>]) {
        var harness = StandbyHarness.ward()
        var outputs = harness.pass(.milliseconds(200))
        for _ in 0..<40 where outputs.promotions == 0 {
            harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 1)
            outputs += harness.stream(for: .milliseconds(33), on: 2)
        }
        #expect(outputs.promotions == 1)
        return (harness, outputs)
    }

    @Test("A parent that lives and sends nothing is left once the standby has handed over what is a second newer")
    func starvation() {
        var (harness, outputs) = starved()
        #expect(
            outputs.contains { if case .promoted(0, 1, .notForwarding, RemoteID(2)) = $0 { true } else { false } }
        )
        #expect(outputs.closed.isEmpty)
        let next = harness.next
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next), on: 2)
        #expect(harness.stream(for: .milliseconds(33), on: 2).closed == [LinkID(1)])
    }

    @Test(
        "Where the server names the starving parent once more, the standby feeds, whichever answers first",
        arguments: [true, false]
    )
    func starvingParentNamedAgain(answersFirst: Bool) {
        var (harness, _) = starved()
        let next = harness.next
        let answer = ControlFrame.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next)
        if answersFirst { harness.hear(answer, on: 2) }
        var outputs = harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 2))
        outputs += harness.hear(answer, on: 1)
        if !answersFirst { outputs += harness.hear(answer, on: 2) }
        #expect(outputs.frames(on: 2).allSatisfy { $0 != .unsubscribe(stripe: 0) })
        #expect(outputs.contains { if case .attached(0, 2) = $0 { true } else { false } })
        outputs = []
        for _ in 0..<40 where outputs.promotions == 0 {
            harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 1)
            outputs += harness.stream(for: .milliseconds(33), on: 2)
        }
        // Nothing had to be asked for, and the parent is left by the same proof as before.
        #expect(outputs.requests.isEmpty)
        #expect(outputs.contains { if case .promoted(0, 2, .notForwarding, RemoteID(2)) = $0 { true } else { false } })
        #expect(outputs.closed == [LinkID(1)])
        #expect(harness.peer.counters.unexpectedFrames == 0)
    }

    @Test("A parent that only drips does not take the place of the standby that feeds")
    func drippingParentNamedAgain() {
        var (harness, _) = starved()
        let next = harness.next
        let answer = ControlFrame.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next)
        harness.hear(answer, on: 2)
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 2))
        harness.hear(answer, on: 1)
        var outputs = harness.stream(for: .milliseconds(330), on: 2)
        outputs += harness.chunk(harness.next - 1, on: 1)
        #expect(!outputs.frames(on: 2).contains(.unsubscribe(stripe: 0)))
        // One that goes on forwarding does.
        for _ in 0..<10 {
            outputs += harness.stream(for: .milliseconds(33), on: 2)
            outputs += harness.chunk(harness.next - 1, on: 1)
        }
        #expect(outputs.frames(on: 2).contains(.unsubscribe(stripe: 0)))
        #expect(outputs.closed.isEmpty)
    }

    @Test("A standby that does not answer does not stay in the place of a parent")
    func silentStandbyOfTheParentNamedAgain() {
        var (harness, _) = starved()
        harness.feed(.assigned(RemoteID(1), stripe: 0, epoch: 2))
        let next = harness.next
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next), on: 1)
        let outputs = harness.stream(for: .milliseconds(1_320), on: 1)
        #expect(outputs.frames(on: 2).contains(.unsubscribe(stripe: 0)))
        #expect(outputs.closed.isEmpty)
        #expect(harness.feed(.linkClosed(LinkID(1))).promotions == 1)
    }

    @Test("What a standby was asked for is taken while the turn to it is under way, and is no offence")
    func answersAcrossTheTurn() {
        var (harness, outputs) = starved()
        outputs = []
        for _ in 0..<20 {
            outputs += harness.chunk(harness.next, on: 2)
            harness.next += 1
        }
        #expect(outputs.deliveries == 20)
        #expect(outputs.closed.isEmpty && harness.peer.counters.unexpectedFrames == 0)
    }

    @Test("A standby that does not answer who turns to it is given up after a second, and turned to no more")
    func silentStandby() {
        var harness = StandbyHarness.ward()
        #expect(harness.feed(.linkClosed(LinkID(1))).promotions == 1)
        var outputs = harness.pass(.milliseconds(500))
        outputs += harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 2)
        outputs += harness.pass(.milliseconds(550))
        #expect(outputs.promotions == 0)
        #expect(outputs.contains { if case .orphaned(0, 1, .closed) = $0 { true } else { false } })
    }

    @Test("Who turned to a standby that forwards nothing turns to the next one, as soon as that has a link")
    func secondPromotion() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        harness.feed(.linkClosed(LinkID(1)))
        harness.hear(.subscribed(stripe: 0, policy: .live, streamID: 7, start: next, next: next), on: 2)
        harness.feed(.assigned(RemoteID(2), stripe: 0, epoch: 2))
        harness.feed(.standby(RemoteID(3)))
        // The stream is missed: nobody waits for idle time.
        let outputs = harness.pass(.milliseconds(200))
        #expect(outputs.contains { if case .connect(RemoteID(3)) = $0 { true } else { false } })
        harness.feed(.linkOpened(LinkID(3), RemoteID(3), .parent, .native))
        var later = harness.hear(.stream(7), on: 3)
        for _ in 0..<40 where later.promotions == 0 {
            harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 2)
            later += harness.stream(for: .milliseconds(33), on: 3)
        }
        #expect(later.contains { if case .promoted(0, 2, .notForwarding, RemoteID(3)) = $0 { true } else { false } })
        #expect(later.closed.isEmpty)
    }

    // MARK: Pulses

    private func pulses(_ outputs: [PeerOutput<TestBuffer>], on link: UInt32) -> [ControlFrame] {
        outputs.frames(on: link).filter { if case .pulse = $0 { true } else { false } }
    }

    @Test("A source that writes nothing says so twice a second, by its own clock, to children that have everything")
    func sourcePulse() {
        var harness = standby(slots: 1, wards: 1)
        var outputs = harness.pass(.milliseconds(499))
        #expect(pulses(outputs, on: 0).isEmpty)
        outputs = harness.pass(.milliseconds(2))
        #expect(pulses(outputs, on: 0) == [.pulse(next: 1, clock: 500_001)])
        #expect(pulses(outputs, on: 100).isEmpty)
        harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 0)
        outputs = harness.pass(.milliseconds(500))
        #expect(pulses(outputs, on: 0) == [.pulse(next: 1, clock: 1_000_001)])
    }

    @Test("A relay passes a pulse on if that agrees with what it has, once, and no more than four a second")
    func relayedPulse() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        harness.feed(.linkOpened(LinkID(4), RemoteID(4), .child, .native))
        harness.hear(.subscribe(stripe: 0, start: .sequence(next), window: 10, streamID: 7), on: 4)
        harness.pass(.milliseconds(100))
        let told: [(UInt64, UInt64)] = [(next + 1, 5), (next - 1, 6), (next, 7), (next, 7), (next, 8)]
        let passed = told.map { pulses(harness.hear(.pulse(next: $0.0, clock: $0.1), on: 1), on: 4).count }
        #expect(passed == [0, 0, 1, 0, 0])
        harness.pass(.milliseconds(250))
        #expect(pulses(harness.hear(.pulse(next: next, clock: 9), on: 1), on: 4) == [.pulse(next: next, clock: 9)])
        #expect(pulses(harness.hear(.pulse(next: next, clock: 10), on: 2), on: 4).isEmpty)
    }

    @Test("A claimed head moves nobody, and no pulse keeps a peer from asking its standby")
    func falsePulses() {
        var harness = StandbyHarness.ward()
        let next = harness.next
        var outputs: [PeerOutput<TestBuffer>] = []
        for number in 0..<40 as Range<UInt64> {
            outputs += harness.hear(
                .pulse(next: number.isMultiple(of: 2) ? next : next + 100, clock: number + 1),
                on: 1
            )
            outputs += harness.pass(.milliseconds(100))
            outputs += harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: 2)
        }
        #expect(outputs.promotions + outputs.orphanings == 0)
        #expect(outputs.requests.count >= 4)
    }

    @Test("A warm link lives on a heartbeat every two to four seconds, and dies of sixteen seconds of silence")
    func heartbeats() {
        var harness = StandbyHarness.ward()
        let frames = harness.stream(for: .milliseconds(11_880), on: 1).frames(on: 2)
        #expect((3...6).contains(frames.count), "\(frames)")
        #expect(frames.allSatisfy { if case .heartbeat = $0 { true } else { false } })
        #expect(harness.peer.usableStandby == LinkID(2))
        harness.stream(for: .milliseconds(4_600), on: 1)
        #expect(harness.peer.usableStandby == nil)
    }

    // MARK: The other side

    /// A source with `slots` slots, all of them taken, and wards behind them, linked from number 100 on.
    private func standby(slots: Int, wards: Int) -> StandbyHarness {
        var harness = StandbyHarness(.source(PeerConfiguration(), streamID: 7))
        harness.feed(.placed(slots: slots, depth: 0))
        _ = try? harness.peer.publish(TestBuffer(bytes: [1]), timestamp: 1, at: harness.now)
        for child in 0..<slots {
            harness.feed(.admitted(RemoteID(UInt32(child)), stripe: 0))
            harness.feed(.linkOpened(LinkID(UInt32(child)), RemoteID(UInt32(child)), .child, .native))
            harness.hear(subscription, on: UInt32(child))
        }
        for ward in 100..<100 + wards {
            harness.feed(.wardAdmitted(RemoteID(UInt32(ward))))
            harness.feed(.linkOpened(LinkID(UInt32(ward)), RemoteID(UInt32(ward)), .child, .native))
        }
        return harness
    }

    private var subscription: ControlFrame { .subscribe(stripe: 0, start: .sequence(0), window: 10, streamID: 7) }

    @Test("A ward is told of the stream, is no child, and is answered what it asks for")
    func ward() {
        var harness = standby(slots: 1, wards: 0)
        harness.feed(.wardAdmitted(RemoteID(100)))
        let opened = harness.feed(.linkOpened(LinkID(100), RemoteID(100), .child, .native))
        #expect(opened.frames(on: 100) == [.stream(7)])
        #expect(harness.peer.childCount == 1)
        let outputs = harness.hear(.request([SequenceRange(start: 0, end: 256)]), on: 100)
        #expect(outputs.chunks(on: 100) == 1)
        #expect(outputs.frames(on: 100) == [.unavailable([SequenceRange(start: 1, end: 256)])])
        let lost = harness.feed(.linkClosed(LinkID(100)))
        #expect(!lost.contains { if case .childLost = $0 { true } else { false } })
    }

    @Test("Two wards are fed beyond the slots, a third only when the server admits it or another has gone")
    func overdraft() {
        var harness = standby(slots: 2, wards: 4)
        #expect(harness.hear(subscription, on: 100).chunks(on: 100) == 1)
        #expect(harness.hear(subscription, on: 101).chunks(on: 101) == 1)
        #expect(harness.hear(subscription, on: 102).isEmpty)
        #expect(harness.feed(.admitted(RemoteID(102), stripe: 0)).chunks(on: 102) == 1)
        #expect(harness.hear(subscription, on: 103).isEmpty)
        harness.hear(.unsubscribe(stripe: 0), on: 100)
        harness.feed(.childReleased(RemoteID(102), stripe: 0))
        #expect(harness.hear(subscription, on: 103).chunks(on: 103) == 1)
    }

    @Test("To a server that knows nobody a peer names its children first, and then the wards that turned to it")
    func namedLast() {
        var harness = StandbyHarness(.source(PeerConfiguration(), streamID: 7))
        harness.feed(.placed(slots: 1, depth: 0))
        harness.feed(.wardAdmitted(RemoteID(1)))
        harness.feed(.admitted(RemoteID(2), stripe: 0))
        for child in 1...2 as ClosedRange<UInt32> {
            harness.feed(.linkOpened(LinkID(child), RemoteID(child), .child, .native))
            harness.hear(subscription, on: child)
        }
        #expect(harness.peer.places.map(\.remote) == [RemoteID(2), RemoteID(1)])
    }

    @Test("Who is no ward any more is parted with, unless it is fed: then it has ten seconds")
    func released() {
        var harness = standby(slots: 2, wards: 2)
        harness.hear(subscription, on: 100)
        #expect(harness.feed(.wardReleased(RemoteID(101))).closed == [LinkID(101)])
        #expect(harness.feed(.wardReleased(RemoteID(100))).closed.isEmpty)
        var closed: [LinkID] = []
        for _ in 0..<110 {
            for link in [0, 1, 100] as [UInt32] {
                harness.hear(.heartbeat(timestamp: 1, echo: 0, held: 0), on: link)
            }
            closed += harness.pass(.milliseconds(100)).closed
        }
        #expect(closed == [LinkID(100)])
    }
}

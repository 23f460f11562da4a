import PeerTreeCore
import TestSupport
import Testing

/// A client under test, and the time it is told.
private struct ClientHarness {
    var client: Client<TestBuffer, SeededGenerator>
    var now = Instant(nanoseconds: 1_000_000_000)
    /// The time of day as this host has it.
    var unixMicroseconds: UInt64 = 1_700_000_000_000_000

    init(_ configuration: ClientConfiguration = ClientConfiguration(), seed: UInt64 = 1) {
        client = Client(
            configuration,
            random: SeededGenerator(seed: seed),
            unixMicroseconds: unixMicroseconds,
            at: now
        )
    }

    @discardableResult
    mutating func feed(_ input: ClientInput<TestBuffer>) -> [ClientOutput<TestBuffer>] {
        client.handle(input, at: now)
        var outputs: [ClientOutput<TestBuffer>] = []
        while let output = client.nextOutput() {
            outputs.append(output)
            // Nothing waits in the queues of these tests.
            if case .askBuffered(let link) = output { client.handle(.buffered(link, 0), at: now) }
        }
        return outputs
    }

    mutating func server(_ event: ServerEvent) -> [ClientOutput<TestBuffer>] {
        feed(.server(event))
    }

    /// Lets time pass, and the deadlines that come with it.
    mutating func pass(_ span: TimeSpan) -> [ClientOutput<TestBuffer>] {
        let end = now + span
        var outputs: [ClientOutput<TestBuffer>] = []
        while client.deadline <= end {
            advance(to: max(now, client.deadline))
            outputs += feed(.tick(unixMicroseconds: unixMicroseconds))
        }
        advance(to: end)
        return outputs
    }

    private mutating func advance(to instant: Instant) {
        unixMicroseconds &+= (instant - now).nanoseconds / 1_000
        now = instant
    }

    /// The source of the tree `T`.
    static func source(_ configuration: ClientConfiguration = ClientConfiguration()) -> ClientHarness {
        var harness = ClientHarness(configuration)
        harness.feed(.serverConnected)
        harness.feed(.enter(nil))
        harness.feed(.server(MembershipHarness.answer(parents: [])))
        return harness
    }

    /// A viewer of the tree `T`, linked to the parent `P`.
    static func viewer(_ configuration: ClientConfiguration = ClientConfiguration()) -> (ClientHarness, LinkID) {
        var harness = ClientHarness(configuration)
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        let outputs = harness.server(MembershipHarness.answer())
        guard let link = outputs.firstConnect else { return (harness, LinkID(0)) }
        for case .emit(.offer(let session, _, _)) in harness.feed(.described(link, sdp: "offer")) {
            _ = harness.server(.signal(session: session, .answer(sdp: "answer"), isNative: true))
        }
        return (harness, link)
    }

    /// A native child of this peer.
    mutating func acceptChild(_ name: Text) -> LinkID {
        let offer = ServerEvent.offer(session: name, from: name, sdp: "", isNative: true)
        for case .accept(let link, _, _) in server(.admit(name, stripe: 0)) + server(offer) {
            feed(.described(link, sdp: ""))
            feed(.channelOpened(link))
            return link
        }
        return LinkID(0)
    }
}

extension [ClientOutput<TestBuffer>] {
    fileprivate var firstConnect: LinkID? {
        for case .connect(let link, _) in self { return link }
        return nil
    }

    fileprivate var events: [ClientEvent] {
        compactMap { if case .emit(let event) = $0 { event } else { nil } }
    }

    fileprivate var frames: [TestBuffer] {
        compactMap { if case .send(_, let frame) = $0 { frame } else { nil } }
    }
}

@Suite("A client: membership and peer in one", .timeLimit(.minutes(5)))
struct ClientMachineTests {
    /// Carries frames between a source and a viewer until neither has more.
    private func exchange(_ source: inout ClientHarness, _ down: LinkID, _ viewer: inout ClientHarness, _ up: LinkID)
        -> [ClientOutput<TestBuffer>]
    {
        var seen: [ClientOutput<TestBuffer>] = []
        var toSource = viewer.feed(.channelOpened(up))
        while !toSource.frames.isEmpty {
            seen += toSource
            let toViewer = toSource.frames.flatMap { source.feed(.received(down, $0, isText: false)) }
            toSource = toViewer.frames.flatMap { viewer.feed(.received(up, $0, isText: false)) }
        }
        return seen + toSource
    }

    @Test(
        "A message gets from a source to a viewer, by whose clock it is never early",
        arguments: [0, 60, -60] as [Int64]
    )
    func message(secondsAhead: Int64) {
        var source = ClientHarness.source()
        let down = source.acceptChild("C")
        source.unixMicroseconds = UInt64(Int64(source.unixMicroseconds) + secondsAhead * 1_000_000)
        source.feed(.tick(unixMicroseconds: source.unixMicroseconds))
        var (viewer, up) = ClientHarness.viewer()
        source.feed(.publish(TestBuffer(bytes: [1, 2, 3]), MessageOptions()))
        let outputs = exchange(&source, down, &viewer, up)
        var delivered: [[UInt8]] = []
        for case .deliver(let message) in outputs { delivered.append(message.parts.flatMap { Array($0.bytes) }) }
        #expect(delivered == [[1, 2, 3]])
        for case .emit(.status(let report)) in viewer.pass(.seconds(3)) {
            #expect(report.lag == (secondsAhead == -60 ? 600_000 : 0))
        }
    }

    @Test("A child that is lost is reported by its name")
    func childLost() {
        var source = ClientHarness.source()
        let subscription = TestBuffer(bytes: subscription())
        for number in 0..<200 as Range<UInt8> {
            let link = source.acceptChild(Text([number, 1]))
            source.feed(.received(link, subscription, isText: false))
            #expect(source.feed(.channelClosed(link)).events == [.childLost(Text([number, 1]), .closed)])
        }
    }

    /// What a child asks for first.
    private func subscription() -> [UInt8] {
        var (viewer, up) = ClientHarness.viewer()
        return viewer.feed(.channelOpened(up)).frames.first.map { Array($0.bytes) } ?? []
    }

    @Test("A server that was started again is told of both ends of every link")
    func place() {
        var (viewer, up) = ClientHarness.viewer()
        var source = ClientHarness.source()
        let down = source.acceptChild("C")
        _ = exchange(&source, down, &viewer, up)
        for (harness, role, id) in [(viewer, NeighbourRole.parent, "P" as Text), (source, .child, "C")] {
            var harness = harness
            harness.feed(.serverLost)
            var places: [DiscoverRequest.NamedPlace] = []
            for case .discover(let request) in harness.feed(.serverConnected).events { places += request.place }
            #expect(places.map { $0.role } == [role])
            #expect(places.map { $0.id } == [id])
            #expect(places.first?.session.isEmpty == false)
        }
    }

    @Test("A source whose tree is gone is told, and writes no more")
    func treeGone() {
        var source = ClientHarness.source()
        #expect(source.client.writability == .writable)
        source.feed(.serverLost)
        source.feed(.serverConnected)
        var ends: [StreamEnd] = []
        for case .ended(let end) in source.server(.discoveryFailed(code: "unknown-resume", message: "")) {
            ends.append(end)
        }
        #expect(ends == [.sourceLost])
        #expect(source.client.writability == .ended)
        #expect(source.client.end == .sourceLost)
    }

    @Test("Who may write is known before anything is written")
    func writability() {
        let fresh = ClientHarness()
        #expect(fresh.client.writability == .notInTree)
        let (viewer, _) = ClientHarness.viewer()
        #expect(viewer.client.writability == .notSource)
        var source = ClientHarness.source()
        source.feed(.finish)
        #expect(source.client.writability == .ended)
    }

    @Test("A client that leaves is done only when its links are")
    func leaving() {
        var (viewer, up) = ClientHarness.viewer()
        var source = ClientHarness.source()
        let down = source.acceptChild("C")
        _ = exchange(&source, down, &viewer, up)
        let outputs = viewer.feed(.leave)
        #expect(outputs.events == [.leave])
        #expect(outputs.contains { if case .closeChannel(up) = $0 { true } else { false } })
        #expect(!outputs.contains { if case .left = $0 { true } else { false } })
        #expect(viewer.feed(.channelClosed(up)).contains { if case .left = $0 { true } else { false } })
        #expect(viewer.client.deadline == .distantFuture)
    }

    @Test("How full a queue is, is asked when it matters, and the host is told when to say so by itself")
    func sendQueues() {
        var configuration = ClientConfiguration()
        configuration.peer.highWater = 64 * 1024
        var source = ClientHarness.source(configuration)
        let link = source.acceptChild("C")
        source.feed(.received(link, TestBuffer(bytes: subscription()), isText: false))
        func asked(_ count: Int) -> Int {
            source.feed(.publish(TestBuffer(bytes: Array(repeating: 0, count: count)), MessageOptions()))
                .filter { if case .askBuffered(link) = $0 { true } else { false } }.count
        }
        #expect(asked(1_000) == 0)
        #expect(asked(16_000) == 1)
        #expect(source.feed(.buffered(link, 64 * 1024)).isEmpty)
    }
}

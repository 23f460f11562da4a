import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("What a request may cost", .timeLimit(.minutes(5)))
struct RequestTests {
    @Test("Requests that overlap or touch become one, in order; there is an end to how many wait")
    func merging() {
        var requests = PendingRequests()
        func add(_ start: UInt64, _ end: UInt64) -> Bool { requests.add(SequenceRange(start: start, end: end)) }
        #expect(add(10, 20) && add(30, 40) && add(15, 25) && add(25, 30))
        #expect(requests.ranges == [SequenceRange(start: 10, end: 40)])
        #expect(add(50, 51) && add(5, 6) && add(0, 100))
        #expect(requests.ranges == [SequenceRange(start: 0, end: 100)])
        for number in UInt64(1)..<UInt64(PendingRequests.maximumRanges) { #expect(add(200 * number, 200 * number + 1)) }
        #expect(!add(1, 2) == false && !add(199_999, 200_000))
        #expect(requests.ranges.count == PendingRequests.maximumRanges)
    }

    @Test("Merged ranges hold the numbers that were asked for and no others", arguments: UInt64(1)...20)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var requests = PendingRequests()
        var wanted = Set<UInt64>()
        for _ in 0..<60 {
            let start = UInt64.random(in: 0..<500, using: &random)
            let range = SequenceRange(start: start, end: start + UInt64.random(in: 1...20, using: &random))
            if requests.add(range) { wanted.formUnion(range.start..<range.end) }
        }
        var held: [UInt64] = []
        for range in requests.ranges { held += range.start..<range.end }
        #expect(held == wanted.sorted(), "seed \(seed)")
    }

    /// A source with as many chunks of 16 KiB, a child that has all of them, and what it is sent on request.
    private struct Harness {
        var source: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)
        var sent = 0

        init(chunks: Int) {
            var configuration = PeerConfiguration()
            configuration.policy = .paced
            configuration.silenceTimeout = .seconds(1_000)
            source = .source(configuration, streamID: 1)
            source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
            say(.subscribe(stripe: 0, start: .joinPoint, window: 10, streamID: 0))
            for _ in 0..<chunks { publish() }
            drain()
            sent = 0
        }

        mutating func publish() {
            let payload = TestBuffer(bytes: Array(repeating: 1, count: 16_000))
            now = now + .milliseconds(10)
            _ = try? source.publish(payload, timestamp: now.nanoseconds / 1_000, at: now)
        }

        mutating func say(_ frame: ControlFrame) {
            source.handle(.received(LinkID(1), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
        }

        /// The link takes everything at once.
        mutating func drain() {
            var isMoving = true
            while isMoving {
                isMoving = false
                while let output = source.nextOutput() {
                    guard case .send(_, let frame) = output, frame.count > 1_000 else { continue }
                    sent += frame.count
                    isMoving = true
                }
                source.handle(.drained(LinkID(1), buffered: 0), at: now)
            }
        }
    }

    @Test("A child that asks for everything over and over gets it once, and then the stream once again at most")
    func bomb() {
        var harness = Harness(chunks: 100)
        let whole = SequenceRange(start: 0, end: 100)
        let began = harness.now
        for _ in 0..<500 {
            harness.say(.request(Array(repeating: whole, count: 32)))
            harness.now = harness.now + .milliseconds(10)
            if harness.source.deadline <= harness.now { harness.source.handle(.tick, at: harness.now) }
            harness.drain()
        }
        let seconds = Double((harness.now - began).nanoseconds) / 1e9
        // 100 chunks a second is what the source writes.
        let allowed = 100 * 16_100 + Int(seconds * 1_700_000)
        #expect(harness.sent > 100 * 16_000)
        #expect(harness.sent < allowed)
        #expect(harness.source.occupancy.rangesOfOneLink <= PendingRequests.maximumRanges)
    }

    @Test("A child that begins anew over and over gets no more than one that asks for everything")
    func subscriptions() {
        var harness = Harness(chunks: 100)
        let began = harness.now
        for _ in 0..<500 {
            harness.say(.subscribe(stripe: 0, start: .sequence(0), window: 1_000, streamID: 1))
            harness.now = harness.now + .milliseconds(10)
            if harness.source.deadline <= harness.now { harness.source.handle(.tick, at: harness.now) }
            harness.drain()
        }
        let seconds = Double((harness.now - began).nanoseconds) / 1e9
        #expect(harness.sent > 100 * 16_000)
        #expect(harness.sent < 100 * 16_100 + Int(seconds * 1_700_000))
    }

    @Test("What is asked for while nothing may be spent is sent later")
    func later() {
        var harness = Harness(chunks: 100)
        for _ in 0..<2 { harness.say(.request([SequenceRange(start: 0, end: 100)])); harness.drain() }
        let before = harness.sent
        for _ in 0..<30 {
            harness.now = harness.now + .milliseconds(50)
            harness.source.handle(.tick, at: harness.now)
            harness.drain()
        }
        #expect(harness.sent >= 2 * 100 * 16_000 && before < harness.sent)
    }

    @Test("What is new comes before what is asked for again")
    func newFirst() {
        var harness = Harness(chunks: 100)
        harness.source.handle(.drained(LinkID(1), buffered: .max / 2), at: harness.now)
        harness.say(.request([SequenceRange(start: 0, end: 10)]))
        harness.publish()
        harness.source.handle(.drained(LinkID(1), buffered: 0), at: harness.now)
        var sequences: [UInt64] = []
        while let output = harness.source.nextOutput() {
            guard case .send(_, let frame) = output, let header = try? ChunkHeader.decode(frame).0 else { continue }
            sequences.append(header.sequence)
        }
        #expect(sequences == [100] + Array(0..<10))
    }
}

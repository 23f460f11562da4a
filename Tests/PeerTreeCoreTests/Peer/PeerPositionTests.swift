import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("A neighbour's numbers are believed as far as they can be", .timeLimit(.minutes(5)))
struct PeerPositionTests {
    /// A viewer and what its neighbours hear of it. Parents have links 1 to 9, children further ones.
    private struct Harness {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)
        var frames: [(link: UInt32, frame: ControlFrame)] = []
        var gaps: [Gap] = []
        var delivered: [Message<TestBuffer>] = []
        var closed: [UInt32] = []
        var orphanings: [LossReason] = []
        var ends: [StreamEnd] = []
        var resumptions = 0

        init(_ change: (inout PeerConfiguration) -> Void = { _ in }) {
            var configuration = PeerConfiguration()
            change(&configuration)
            peer = .viewer(configuration, streamID: 1)
        }

        mutating func drain() {
            while let output = peer.nextOutput() {
                switch output {
                case .send(let link, let frame):
                    if let frame = try? ControlFrame.decode(frame) { frames.append((link.rawValue, frame)) }
                case .gap(let gap): gaps.append(gap)
                case .deliver(let message): delivered.append(message)
                case .close(let link): closed.append(link.rawValue)
                case .orphaned(_, _, let reason): orphanings.append(reason)
                case .ended(let end): ends.append(end)
                case .resumed: resumptions += 1
                default: break
                }
            }
        }

        mutating func hear(_ frame: ControlFrame, on link: UInt32) {
            peer.handle(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
            drain()
        }

        mutating func chunk(_ sequence: UInt64, _ flags: ChunkHeader.Flags = [.first, .last], on link: UInt32) {
            let header = ChunkHeader(
                sequence: sequence,
                stripe: 0,
                flags: flags,
                retainedKey: 0,
                timestamp: sequence,
                fragment: 0
            )
            let frame = TestBuffer(
                header: header.encoded(),
                payload: TestBuffer(bytes: [UInt8(truncatingIfNeeded: link)])
            )
            peer.handle(.received(LinkID(link), frame, isText: false), at: now)
            drain()
        }

        /// Links a parent, which answers the subscription.
        mutating func attach(
            _ link: UInt32,
            policy: StreamPolicy = .live,
            start: UInt64,
            next: UInt64,
            streamID: UInt64 = 9
        ) {
            peer.handle(.assigned(RemoteID(link), stripe: 0, epoch: link), at: now)
            peer.handle(.linkOpened(LinkID(link), RemoteID(link), .parent, .native), at: now)
            drain()
            answer(link, policy: policy, start: start, next: next, streamID: streamID)
        }

        mutating func answer(
            _ link: UInt32,
            policy: StreamPolicy = .live,
            start: UInt64,
            next: UInt64,
            streamID: UInt64 = 9
        ) {
            hear(.subscribed(stripe: 0, policy: policy, streamID: streamID, start: start, next: next), on: link)
        }

        /// The frames sent on a link since the last time, heartbeats and credit left out.
        mutating func takeFrames(on link: UInt32) -> [ControlFrame] {
            defer { frames.removeAll { $0.link == link } }
            return frames.filter { $0.link == link }.map(\.frame).filter {
                switch $0 {
                case .heartbeat, .credit: false
                default: true
                }
            }
        }
    }

    @Test("An end that comes alone, once a plain child was sent all there was, completes the subtree")
    func endBehindAPlainChild() {
        var harness = Harness()
        harness.attach(1, policy: .lossless, start: 0, next: 0)
        harness.peer.handle(.linkOpened(LinkID(10), RemoteID(10), .child, .plain), at: harness.now)
        harness.chunk(0, on: 1)
        harness.peer.handle(.drained(LinkID(10), buffered: 0), at: harness.now)
        harness.drain()
        #expect(!harness.peer.isSubtreeComplete)
        harness.chunk(1, [.first, .last, .endOfStream], on: 1)
        #expect(harness.peer.isSubtreeComplete && harness.peer.ending.isSubtreeTold)
    }

    @Test("The answer to a former question, by a parent that is asked again, says nothing of what came since")
    func answerToAFormerQuestion() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.chunk(0, on: 1)
        harness.peer.handle(.linkOpened(LinkID(10), RemoteID(10), .child, .native), at: harness.now)
        harness.hear(.inquire(stripe: 0), on: 10)
        #expect(harness.takeFrames(on: 1).last == .inquire(stripe: 0))
        harness.attach(2, start: 1, next: 1)
        #expect(harness.takeFrames(on: 2).last == .inquire(stripe: 0))
        harness.chunk(1, on: 1)
        harness.peer.handle(.assigned(RemoteID(1), stripe: 0, epoch: 3), at: harness.now)
        harness.drain()
        harness.answer(1, start: 2, next: 2)
        #expect(!harness.takeFrames(on: 1).contains(.inquire(stripe: 0)))
        harness.hear(.head(stripe: 0, next: 1), on: 1)
        #expect(harness.gaps.isEmpty)
        #expect(harness.takeFrames(on: 1) == [.inquire(stripe: 0)])
        #expect(harness.takeFrames(on: 10).isEmpty)
        harness.hear(.head(stripe: 0, next: 2), on: 1)
        #expect(harness.takeFrames(on: 10) == [.head(stripe: 0, next: 2)])
        harness.hear(.head(stripe: 0, next: 2), on: 2)
        #expect(harness.peer.counters.unexpectedFrames == 0)
    }

    @Test("Chunks further ahead than the replay buffer spans are refused; after sixteen the parent is reported")
    func farNumbers() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.chunk(0, on: 1)
        for number in 0..<16 { harness.chunk(1 << 32 + UInt64(number), on: 1) }
        #expect(harness.peer.stream.replay.end == 1)
        #expect(harness.peer.counters.unexpectedFrames == 16)
        #expect(harness.closed == [1])
        #expect(harness.orphanings == [.notForwarding])
    }

    @Test("A chunk of a lossless stream beyond the credit granted is refused")
    func credit() {
        var harness = Harness { $0.window = 8 }
        harness.attach(1, policy: .lossless, start: 0, next: 0)
        harness.chunk(7, on: 1)
        harness.chunk(8, on: 1)
        #expect(harness.peer.stream.replay.end == 8)
        #expect(harness.peer.counters.unexpectedFrames == 1)
    }

    @Test("Another stream over and over, and skips to the end of numbers, trap nothing and move nobody")
    func wildSkips() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        for round in UInt64(0)..<4 {
            harness.answer(1, start: 0, next: 0, streamID: 100 + round)
            harness.hear(.skip(stripe: 0, SequenceRange(start: 0, end: 1 << 62)), on: 1)
        }
        #expect(harness.peer.stream.frontier == 0)
        #expect(harness.peer.stream.id == 9)
        #expect(harness.gaps.isEmpty)
    }

    @Test("An answer that nobody waits for changes neither policy nor position")
    func unaskedAnswer() {
        var harness = Harness()
        harness.attach(1, start: 5, next: 5)
        harness.answer(1, policy: .lossless, start: 50, next: 60)
        #expect(harness.peer.policy == .live)
        #expect(harness.peer.stream.frontier == 5)
    }

    @Test("An answer that begins before what was asked for, or beyond what the parent has, parts with the parent")
    func impossibleAnswer() {
        for (start, next) in [(UInt64(3), UInt64(9)), (20, 9)] {
            var harness = Harness()
            harness.attach(1, start: 5, next: 5)
            harness.attach(2, start: start, next: next)
            #expect(harness.closed == [2])
            #expect(harness.peer.stream.frontier == 5)
        }
    }

    @Test(
        "A peer beyond what the source ever wrote starts over at a join point, reports one gap and tells its children"
    )
    func startsOver() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        for number in UInt64(0)..<40 { harness.chunk(number, on: 1) }
        harness.peer.handle(.admitted(RemoteID(20), stripe: 0), at: harness.now)
        harness.peer.handle(.linkOpened(LinkID(20), RemoteID(20), .child, .native), at: harness.now)
        harness.hear(.subscribe(stripe: 0, start: .sequence(40), window: 10, streamID: 9), on: 20)
        harness.peer.handle(.linkClosed(LinkID(1)), at: harness.now)
        harness.attach(2, start: 40, next: 10)
        #expect(harness.takeFrames(on: 2).last == .inquire(stripe: 0))
        harness.hear(.head(stripe: 0, next: 10), on: 2)
        #expect(
            harness.takeFrames(on: 2)
                == [.subscribe(stripe: 0, start: .joinPoint, window: harness.peer.configuration.window, streamID: 0)]
        )
        harness.answer(2, start: 8, next: 10)
        harness.chunk(8, on: 2)
        #expect(harness.gaps == [Gap(range: nil, isSkip: false)])
        #expect(harness.delivered.last?.sequence == 8)
        #expect(harness.takeFrames(on: 20).last == .restart(stripe: 0, next: 10))
    }

    @Test("A peer that is ahead of its new parent, but not of the source, stays where it is")
    func aheadOfParent() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        for number in UInt64(0)..<40 { harness.chunk(number, on: 1) }
        harness.attach(2, start: 40, next: 10)
        harness.hear(.head(stripe: 0, next: 41), on: 2)
        #expect(harness.peer.stream.frontier == 40)
        #expect(harness.gaps.isEmpty)
    }

    @Test("What lies beyond the source's newest chunk is forgotten, and what seemed missing before it is no gap")
    func forgedAhead() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.chunk(0, on: 1)
        harness.chunk(500, on: 1)
        #expect(harness.peer.repair.hole != nil)
        harness.hear(.head(stripe: 0, next: 1), on: 1)
        #expect(harness.peer.repair.hole == nil)
        #expect(harness.peer.stream.replay.end == 1)
        #expect(harness.gaps.isEmpty)
    }

    @Test("A forged end is believed until a later parent has more")
    func forgedEnd() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.chunk(0, [.first, .last, .endOfStream], on: 1)
        #expect(harness.ends == [.complete])
        harness.peer.handle(.linkClosed(LinkID(1)), at: harness.now)
        harness.attach(2, start: 1, next: 3)
        harness.chunk(1, on: 2)
        #expect(harness.resumptions == 1)
        #expect(!harness.peer.isEnded)
        #expect(harness.delivered.map(\.sequence) == [1])
    }

    @Test("A parent that says goodbye before it feeds does not take the place of the one that does")
    func formerStays() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.peer.handle(.assigned(RemoteID(2), stripe: 0, epoch: 2), at: harness.now)
        harness.peer.handle(.linkOpened(LinkID(2), RemoteID(2), .parent, .native), at: harness.now)
        harness.hear(.close(.leaving), on: 2)
        harness.chunk(0, on: 1)
        #expect(harness.delivered.map(\.sequence) == [0])
        #expect(harness.closed == [2])
    }

    @Test("A hole is asked for once while chunks of it come, and only what was asked for is taken")
    func repair() {
        var harness = Harness()
        harness.attach(1, start: 0, next: 0)
        harness.chunk(0, on: 1)
        harness.chunk(10, on: 1)
        #expect(harness.takeFrames(on: 1).contains(.request([SequenceRange(start: 1, end: 10)])))
        for number in UInt64(1)..<6 { harness.chunk(number, on: 1) }
        #expect(!harness.takeFrames(on: 1).contains { if case .request = $0 { true } else { false } })
        var repair = Repair()
        repair.open(SequenceRange(start: 1, end: 10), deadline: .distantFuture, firstAttempt: .zero, at: .zero)
        #expect(repair.nextNeighbour(among: [LinkID(4)], nextAttempt: .zero) == LinkID(4))
        #expect(repair.expects(9, from: LinkID(4)))
        #expect(!repair.expects(10, from: LinkID(4)))
        #expect(!repair.expects(9, from: LinkID(5)))
        // One parent alone is asked again.
        #expect(repair.nextNeighbour(among: [LinkID(4)], nextAttempt: .zero) == LinkID(4))
    }

    @Test("A message above the limit is refused by publish")
    func tooLarge() {
        var configuration = PeerConfiguration()
        configuration.maximumMessageBytes = 10
        var source = Peer<TestBuffer>.source(configuration, streamID: 1)
        let now = Instant(nanoseconds: 1)
        #expect(throws: PublishError.messageTooLarge(bytes: 11, limit: 10)) {
            try source.publish(TestBuffer(bytes: Array(repeating: 0, count: 11)), timestamp: 0, at: now)
        }
        #expect(source.stream.replay.end == 0)
    }

    @Test("A receiver with a lower limit reports the message as one gap")
    func oversized() {
        var harness = Harness { $0.maximumMessageBytes = 40_000 }
        harness.attach(1, policy: .lossless, start: 0, next: 0)
        var chunker = Chunker<TestBuffer>(stripes: 1)
        for count in [100_000, 1] {
            let payload = TestBuffer(bytes: Array(repeating: 1, count: count))
            for chunk in chunker.cut(payload, MessageOptions(), timestamp: 0) {
                harness.peer.handle(.received(LinkID(1), chunk.frame, isText: false), at: harness.now)
                harness.drain()
            }
        }
        #expect(harness.gaps == [Gap(range: SequenceRange(start: 0, end: 7), isSkip: false)])
        #expect(harness.delivered.map(\.sequence) == [7])
    }

    @Test(
        "One parent after the other brings an application that takes nothing no more than a window of a lossless stream"
    )
    func oneWindowForAllParents() {
        var harness = Harness { $0.window = 4 }
        harness.attach(1, policy: .lossless, start: 0, next: 100)
        for sequence in 0..<4 as Range<UInt64> { harness.chunk(sequence, on: 1) }
        #expect(harness.delivered.count == 4)
        for parent in 2..<6 as Range<UInt32> {
            harness.attach(parent, policy: .lossless, start: 4, next: 100)
            #expect(
                harness.takeFrames(on: parent).first
                    == .subscribe(stripe: 0, start: .sequence(4), window: 0, streamID: 9)
            )
            harness.chunk(4, on: parent)
            #expect(harness.delivered.count == 4)
        }
        harness.peer.handle(.consumed(through: 3), at: harness.now)
        harness.drain()
        harness.chunk(4, on: 5)
        #expect(harness.delivered.count == 5)
    }

    @Test("A child that asks for no chunk before its credit gets none, and does not hold the stream back by that")
    func noWindow() throws {
        var source = Peer<TestBuffer>.source(PeerConfiguration(), streamID: 9)
        let now = Instant(nanoseconds: 1_000_000_000)
        _ = try source.publish(TestBuffer(bytes: [1]), timestamp: 0, at: now)
        source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        func hear(_ frame: ControlFrame) -> Int {
            source.handle(.received(LinkID(1), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
            var chunks = 0
            while let output = source.nextOutput() {
                if case .send(_, let frame) = output, frame.bytes.first == FrameType.chunk.rawValue { chunks += 1 }
            }
            return chunks
        }
        #expect(hear(.subscribe(stripe: 0, start: .joinPoint, window: 0, streamID: 0)) == 0)
        #expect(source.isWritable)
        #expect(hear(.credit(limit: 1, frontier: 0, complete: false)) == 1)
    }
}

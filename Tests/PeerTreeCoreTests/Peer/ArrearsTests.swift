import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Nobody holds a lossless stream hostage", .timeLimit(.minutes(5)))
struct ArrearsTests {
    @Test("Who holds the stream back owes the time, and works it off by what it takes in")
    func balance() {
        var now = Instant(nanoseconds: 1)
        var arrears = Arrears(at: now)
        func pass(_ span: TimeSpan, fed: Int, isHoldingBack: Bool = true) {
            arrears.note(isHoldingBack: isHoldingBack, rate: 10_000, at: now)
            now = now + span
            arrears.feed(fed)
            arrears.settle(rate: 10_000, at: now)
        }
        pass(.seconds(2), fed: 0)
        #expect(arrears.owed == .seconds(2))
        pass(.seconds(1), fed: 10_000)
        #expect(arrears.owed == .seconds(2), "just enough")
        pass(.seconds(1), fed: 25_000)
        #expect(arrears.owed == .milliseconds(500))
        pass(.seconds(1), fed: .max)
        #expect(arrears.owed == .zero, "nothing is saved up")
        pass(.seconds(3), fed: 0)
        pass(.seconds(1), fed: 0, isHoldingBack: false)
        #expect(arrears.owed == .seconds(2), "as long as nobody waits for it, time works it off")
    }

    @Test("A child is looked at when it could owe too much, and never while nobody waits for it")
    func deadline() {
        let now = Instant(nanoseconds: 1)
        var arrears = Arrears(at: now)
        #expect(arrears.deadline(limit: .seconds(10), rate: 10_000) == .distantFuture)
        arrears.note(isHoldingBack: true, rate: 10_000, at: now)
        #expect(arrears.deadline(limit: .seconds(10), rate: 10_000) == now + .seconds(10))
        arrears.settle(rate: 10_000, at: now + .seconds(4))
        #expect(arrears.deadline(limit: .seconds(10), rate: 10_000) == now + .seconds(10))
        arrears.feed(20_000)
        #expect(arrears.deadline(limit: .seconds(10), rate: 10_000) == now + .seconds(12))
        arrears.forgive(.seconds(60), until: now + .seconds(64))
        #expect(arrears.deadline(limit: .seconds(10), rate: 10_000) == now + .seconds(72))
    }

    /// A source with two children: one takes all that it is given, the other grants one chunk more now and then.
    ///
    /// - Parameter isAskingAgain: whether it meanwhile asks for what it has, over and over.
    /// - Parameter isComingBack: whether it comes by a new link each time before it grants a chunk.
    private func hold(
        oneChunkEvery pause: TimeSpan,
        for span: TimeSpan,
        isAskingAgain: Bool = false,
        isComingBack: Bool = false
    ) -> (published: Int, children: Int) {
        var configuration = PeerConfiguration()
        configuration.window = 16
        configuration.silenceTimeout = .seconds(1_000)
        var now = Instant(nanoseconds: 1_000_000_000)
        var source = Peer<TestBuffer>.source(configuration, streamID: 1)
        func send(_ frame: ControlFrame, by link: UInt32) {
            source.handle(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
        }
        func open(_ link: UInt32, _ remote: UInt32) {
            source.handle(.linkOpened(LinkID(link), RemoteID(remote), .child, .native), at: now)
            send(.subscribe(stripe: 0, start: .joinPoint, window: 16, streamID: 0), by: link)
        }
        var slow: UInt32 = 2
        for link in UInt32(1)...2 { open(link, link) }
        var published = 0
        var granted: UInt64 = 16
        let end = now + span
        var next = now + pause
        while now < end {
            while source.isWritable {
                _ = try? source.publish(
                    TestBuffer(bytes: Array(repeating: 1, count: 1_000)),
                    timestamp: now.nanoseconds / 1_000,
                    at: now
                )
                published += 1
                guard published % 100 != 0 else { break }
            }
            now = now + .milliseconds(50)
            send(.credit(limit: .max, frontier: source.stream.replay.end, complete: false), by: 1)
            if next <= now {
                next = next + pause
                granted += 1
                if isComingBack {
                    slow += 1
                    open(slow, 2)
                }
                send(.credit(limit: granted, frontier: granted - 1, complete: false), by: slow)
            }
            if isAskingAgain {
                send(.request([SequenceRange(start: 0, end: granted)]), by: slow)
                send(.subscribe(stripe: 0, start: .sequence(0), window: 16, streamID: 1), by: slow)
            }
            for link in [1, slow] { source.handle(.drained(LinkID(link), buffered: 0), at: now) }
            if source.deadline <= now { source.handle(.tick, at: now) }
            while source.nextOutput() != nil {}
        }
        return (published, source.childCount)
    }

    @Test("A child that grants a chunk now and then is detached once it owes ten seconds; the others go on")
    func oneChunkAtATime() {
        let result = hold(oneChunkEvery: .seconds(9), for: .seconds(60))
        #expect(result.children == 1)
        #expect(result.published > 10_000)
    }

    @Test("What a child gets once more is no progress, and a new link to it brings the debts of the old one")
    func tricks() {
        for (isAskingAgain, isComingBack) in [(true, false), (false, true)] {
            let result = hold(
                oneChunkEvery: .seconds(9),
                for: .seconds(60),
                isAskingAgain: isAskingAgain,
                isComingBack: isComingBack
            )
            #expect(result.published > 10_000, "asks again: \(isAskingAgain), comes back: \(isComingBack)")
        }
    }

    @Test("A child that is slow, but not slower than is asked, stays")
    func slowEnough() {
        // A thousand bytes every 25 ms are 40 KB/s.
        let result = hold(oneChunkEvery: .milliseconds(25), for: .seconds(60))
        #expect(result.children == 2)
    }

    @Test("A machine that slept blames nobody for it")
    func ownPause() {
        var configuration = PeerConfiguration()
        configuration.window = 16
        configuration.silenceTimeout = .seconds(1_000)
        var now = Instant(nanoseconds: 1_000_000_000)
        var source = Peer<TestBuffer>.source(configuration, streamID: 1)
        source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        let frame = ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 16, streamID: 0)
        source.handle(.received(LinkID(1), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
        while source.isWritable { _ = try? source.publish(TestBuffer(bytes: [1]), timestamp: 0, at: now) }
        source.handle(.tick, at: now)
        now = now + .seconds(60)
        source.handle(.tick, at: now)
        #expect(source.childCount == 1)
        for _ in 0..<120 {
            now = now + .milliseconds(100)
            source.handle(.tick, at: now)
        }
        #expect(source.childCount == 0)
    }
}

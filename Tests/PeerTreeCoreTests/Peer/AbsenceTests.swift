import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("A lossless stream waits for a child whose link broke", .timeLimit(.minutes(5)))
struct AbsenceTests {
    /// A source with one child that takes all it is given, until its link breaks.
    private struct Scene: PlayedPeer {
        var peer: Peer<TestBuffer>
        var now = Instant(nanoseconds: 1_000_000_000)
        private(set) var link = LinkID(0)
        private let child = RemoteID(7)

        init(_ policy: StreamPolicy = .lossless) {
            var configuration = PeerConfiguration()
            configuration.policy = policy
            configuration.window = 16
            configuration.replayChunks = 64
            peer = .source(configuration, streamID: 1)
        }

        mutating func hear(_ frame: ControlFrame) {
            feed(.received(link, TestBuffer(bytes: frame.encoded()), isText: false))
        }

        /// The child comes, by a link of its own each time.
        ///
        /// - Returns: the number from which on it is fed.
        mutating func come(from start: SubscriptionStart) -> UInt64? {
            link = LinkID(link.rawValue + 1)
            feed(.linkOpened(link, child, .child, .native))
            let frame = ControlFrame.subscribe(stripe: 0, start: start, window: 16, streamID: 1)
            let outputs = feed(.received(link, TestBuffer(bytes: frame.encoded()), isText: false))
            for case .send(_, let frame) in outputs {
                if case .subscribed(_, _, _, let start, _)? = try? ControlFrame.decode(frame) { return start }
            }
            return nil
        }

        /// Writes as much as the source may; a thousand chunks at most.
        ///
        /// - Returns: how many.
        @discardableResult
        mutating func write() -> Int {
            var written = 0
            while peer.isWritable, written < 1_000 {
                _ = try? peer.publish(TestBuffer(bytes: [1]), timestamp: now.nanoseconds / 1_000, at: now)
                while peer.nextOutput() != nil {}
                written += 1
            }
            return written
        }
    }

    @Test("What it misses is still there when it comes back")
    func comesBack() {
        var scene = Scene()
        #expect(scene.come(from: .joinPoint) == 0)
        scene.write()
        scene.feed(.linkClosed(scene.link))
        #expect(scene.write() == 0, "a window ahead of what the child has asked for, and no further")
        scene.pass(.milliseconds(2_900))
        #expect(scene.write() == 0)
        #expect(scene.come(from: .sequence(3)) == 3)
        scene.hear(.credit(limit: 40, frontier: 16, complete: false))
        #expect(scene.write() > 0, "it goes on")
    }

    @Test("A link that takes the place of another, of whose end nothing was heard, loses nothing either")
    func replaces() {
        var scene = Scene()
        #expect(scene.come(from: .joinPoint) == 0)
        scene.write()
        let next = LinkID(scene.link.rawValue + 1)
        scene.feed(.linkOpened(next, RemoteID(7), .child, .native))
        #expect(scene.write() == 0)
        #expect(scene.come(from: .sequence(3)) == 3)
    }

    @Test("Who does not come back is waited for no longer than three seconds")
    func staysAway() {
        var scene = Scene()
        _ = scene.come(from: .joinPoint)
        scene.write()
        scene.feed(.linkClosed(scene.link))
        #expect(!scene.pass(.milliseconds(2_999)).contains { if case .writable = $0 { true } else { false } })
        #expect(scene.pass(.milliseconds(2)).contains { if case .writable = $0 { true } else { false } })
        #expect(scene.write() == 1_000)
    }

    @Test("Who comes and goes is waited for ten seconds in all")
    func comesAndGoes() {
        var scene = Scene()
        var waited = 0
        for _ in 0..<20 {
            _ = scene.come(from: .joinPoint)
            scene.write()
            scene.feed(.linkClosed(scene.link))
            for _ in 0..<29 {
                scene.pass(.milliseconds(100))
                if !scene.peer.isWritable { waited += 100 }
            }
        }
        #expect(waited > 9_000 && waited < 11_000, "it was waited for \(waited) ms")
    }

    @Test("Nobody waits for a child that said goodbye, nor in a stream that may lose something")
    func goodbye() {
        for reason in [LinkCloseReason.leaving, .moved] {
            var scene = Scene()
            _ = scene.come(from: .joinPoint)
            scene.write()
            scene.hear(.close(reason))
            #expect(scene.write() == 1_000)
        }
        var scene = Scene(.paced)
        _ = scene.come(from: .joinPoint)
        scene.feed(.linkClosed(scene.link))
        #expect(scene.peer.deadline == .distantFuture || scene.peer.deadline > scene.now)
        #expect(scene.write() == 1_000)
    }

    @Test("A stream that has ended is not complete while somebody is waited for")
    func completion() {
        var scene = Scene()
        _ = scene.come(from: .joinPoint)
        scene.write()
        scene.peer.finish(timestamp: 1, at: scene.now)
        scene.feed(.linkClosed(scene.link))
        #expect(!scene.peer.isSubtreeComplete)
        let outputs = scene.pass(.seconds(3))
        #expect(outputs.contains { if case .subtreeComplete = $0 { true } else { false } })
    }
}

import PeerTreeCore
import Testing

@Suite("Lost signalling", .timeLimit(.minutes(5)))
struct TrackerSignallingTests {
    @Test("A peer without signalling keeps its place, gets no new children, and its neighbours are told")
    func suspect() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        let outputs = try harness.handle(.signallingLost(peers[0]))
        #expect(
            outputs == [
                .suspect(peer: harness.source, neighbour: peers[0]), .suspect(peer: peers[2], neighbour: peers[0]),
            ]
        )
        let next = try harness.join()
        #expect(try harness.parent(next) == peers[1])
        #expect(try harness.parent(peers[2]) == peers[0])
    }

    @Test("A peer that comes back within the window has lost nothing")
    func resume() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try harness.handle(.signallingLost(peers[0]))
        try harness.wait(.milliseconds(14_999))
        try harness.handle(.signallingResumed(peers[0]))
        #expect(try harness.wait(.seconds(100)).isEmpty)
        #expect(try harness.tracker.assignment(of: peers[0]).epoch == 1)
        let next = try harness.join()
        #expect(try harness.parent(next) == peers[0])
    }

    @Test("A peer that cannot be reached keeps its place for as long as that takes, and gets no new children")
    func unreachable() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try #expect(harness.handle(.signallingUnreachable(peers[0])).isEmpty)
        #expect(try harness.wait(.seconds(1_000)).isEmpty)
        let next = try harness.join()
        #expect(try harness.parent(next) == peers[1])
        // Its child knows that the link is gone, and nothing else: that is no proof that it is dead.
        #expect(try !harness.orphan(peers[2]).contains(.removed(peer: peers[0], reason: .vanished)))
        try harness.handle(.signallingResumed(peers[0]))
        let last = try harness.join()
        #expect(try harness.parent(last) == peers[0])
    }

    @Test("A peer that could not be reached and is found to be gone has its window from then on")
    func unreachableThenLost() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try harness.handle(.signallingUnreachable(peers[0]))
        try harness.wait(.seconds(100))
        try harness.handle(.signallingLost(peers[0]))
        #expect(harness.tracker.deadline == Instant.zero + .seconds(115))
        #expect(try harness.wait(.seconds(15)).contains(.removed(peer: peers[0], reason: .vanished)))
    }

    @Test("A peer that does not come back has vanished when the window is over")
    func windowOver() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try harness.handle(.signallingLost(peers[0]))
        #expect(harness.tracker.deadline == Instant.zero + .seconds(15))
        let outputs = try harness.wait(.seconds(15))
        #expect(outputs.contains(.removed(peer: peers[0], reason: .vanished)))
        #expect(outputs.reason(for: peers[2]) == .parentLost)
    }

    @Test("One child that lost its link to a suspect peer is enough to remove it at once")
    func childReports() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 6)
        try harness.handle(.signallingLost(peers[0]))
        let outputs = try harness.orphan(peers[2])
        #expect(outputs.contains(.removed(peer: peers[0], reason: .vanished)))
        #expect(try harness.parent(peers[2]) != nil)
        #expect(harness.tracker.statistics.evictions == 0)
    }

    @Test("A joiner that could not reach a suspect parent gets another one, and the parent stays")
    func unattachedReports() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 2)
        let joiner = try harness.joinOnly()
        try harness.handle(.signallingLost(peers[0]))
        try harness.orphan(joiner, .unreachable)
        #expect(harness.tracker.contains(peers[0]))
        #expect(try harness.parent(joiner) == peers[1])
    }

    @Test("The parent that lost its link to a suspect peer is enough, too")
    func parentReports() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 6)
        try harness.handle(.signallingLost(peers[0]))
        let outputs = try harness.handle(.childLost(harness.source, child: peers[0], stripe: 0))
        #expect(outputs.contains(.removed(peer: peers[0], reason: .vanished)))
    }

    @Test("A report that the parent merely cut off a slow child does not remove a suspect parent")
    func slowIsNotDead() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try harness.handle(.signallingLost(peers[0]))
        try harness.orphan(peers[2], .slow)
        #expect(harness.tracker.contains(peers[0]))
        #expect(try harness.parent(peers[2]) == peers[1])
    }

    @Test("A legacy peer whose socket goes has vanished at once")
    func legacy() throws {
        var harness = try TrackerHarness()
        let legacy = try harness.join(isNative: false)
        let outputs = try harness.handle(.signallingLost(legacy))
        #expect(outputs.contains(.removed(peer: legacy, reason: .vanished)))
    }

    @Test("A source without signalling may come back; when its window is over the tree ends")
    func sourceWindow() throws {
        var harness = try TrackerHarness()
        let peer = try harness.join()
        let outputs = try harness.handle(.signallingLost(harness.source))
        #expect(outputs == [.suspect(peer: peer, neighbour: harness.source)])
        try harness.wait(.seconds(14))
        try harness.handle(.signallingResumed(harness.source))
        try harness.wait(.seconds(100))
        #expect(harness.tracker.isLive(harness.tree))
        try harness.handle(.signallingLost(harness.source))
        let end = try harness.wait(.seconds(15))
        #expect(end.last == .treeEnded(tree: harness.tree, reason: .sourceLost))
    }

    @Test("Viewers are asked for word of a source before its window is over, and it runs anew when they have it")
    func sourceHeard() throws {
        var harness = try TrackerHarness()
        _ = try harness.join()
        let missed = TrackerOutput.sourceMissed(source: harness.source)
        try harness.handle(.signallingLost(harness.source))
        try #expect(harness.wait(.milliseconds(9_999)).isEmpty)
        try #expect(harness.wait(.milliseconds(1)) == [missed])
        for _ in 0..<3 { try #expect(harness.wait(.seconds(1)) == [missed]) }
        try #expect(harness.handle(.sourceHeard(harness.source)).isEmpty)
        try #expect(harness.wait(.milliseconds(9_999)).isEmpty)
        try #expect(harness.wait(.milliseconds(1)) == [missed])
        for _ in 0..<4 { try #expect(harness.wait(.seconds(1)) == [missed]) }
        try harness.wait(.milliseconds(999))
        #expect(harness.tracker.isLive(harness.tree))
        try #expect(harness.wait(.milliseconds(1)).last == .treeEnded(tree: harness.tree, reason: .sourceLost))
    }

    @Test("Word of a source that has its socket, that cannot be reached, or of a viewer, is no news")
    func heardInVain() throws {
        var harness = try TrackerHarness()
        let peer = try harness.join()
        try harness.handle(.sourceHeard(harness.source))
        #expect(harness.tracker.deadline == nil)
        try harness.handle(.signallingUnreachable(harness.source))
        try harness.handle(.sourceHeard(harness.source))
        #expect(harness.tracker.deadline == nil)
        try harness.handle(.signallingLost(peer))
        try harness.wait(.seconds(14))
        try harness.handle(.sourceHeard(peer))
        try #expect(harness.wait(.seconds(1)).contains(.removed(peer: peer, reason: .vanished)))
        // Whoever is back before the search is over has its whole window the next time.
        try harness.handle(.signallingLost(harness.source))
        try harness.wait(.seconds(12))
        try harness.handle(.signallingResumed(harness.source))
        #expect(harness.tracker.deadline == nil)
        try harness.handle(.signallingLost(harness.source))
        try #expect(harness.wait(.milliseconds(9_999)).isEmpty)
    }

    @Test("Whatever its children say, a source without signalling keeps its tree until its window is over")
    func sourceReported() throws {
        var harness = try TrackerHarness()
        let peers = try harness.join(count: 3)
        try harness.wait(.seconds(20))
        try harness.handle(.signallingLost(harness.source))
        for _ in 0..<5 {
            for peer in peers { try harness.orphan(peer) }
            try harness.wait(.seconds(2))
            try harness.attachAll()
        }
        #expect(harness.tracker.isLive(harness.tree))
        #expect(harness.tracker.statistics.votes == 0)
        try harness.handle(.signallingResumed(harness.source))
        try harness.wait(.seconds(100))
        #expect(harness.tracker.isLive(harness.tree))
    }

    @Test("An orphan that cannot be told of its new parent is given time from when it comes back")
    func attachTimerWaitsForResume() throws {
        var harness = try TrackerHarness(k: 2, k1: 1)
        let peers = try harness.join(count: 2)
        try harness.handle(.signallingLost(peers[1]))
        try harness.handle(.leave(peers[0]))
        try harness.wait(.seconds(12))
        #expect(harness.tracker.contains(peers[1]))
        try harness.handle(.signallingResumed(peers[1]))
        try harness.wait(.seconds(9))
        #expect(harness.tracker.contains(peers[1]))
        let outputs = try harness.wait(.seconds(1))
        #expect(outputs.contains(.removed(peer: peers[1], reason: .attachTimeout)))
    }
}

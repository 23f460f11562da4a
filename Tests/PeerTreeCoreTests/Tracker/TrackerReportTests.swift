import PeerTreeCore
import Testing

@Suite("Reports of peers", .timeLimit(.minutes(5)))
struct TrackerReportTests {
    @Test("An orphan gets another parent, with its subtree, and the old parent is told")
    func orphaned() throws {
        var harness = try TrackerHarness(k: 2, k1: 2) { $0.maximumMovesInFlight = 0 }
        let peers = try harness.join(count: 8)
        let below = try harness.children(peers[2])
        let outputs = try harness.orphan(peers[2])
        #expect(outputs.contains(.childGone(parent: peers[0], child: peers[2], stripe: 0)))
        let assignment = try #require(outputs.assignment(of: peers[2]))
        #expect(assignment.parent != peers[0])
        #expect(assignment.epoch == 2)
        #expect(try harness.children(peers[2]) == below)
    }

    @Test("A report about an old epoch changes nothing and is answered with the current assignment")
    func staleReport() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 4)
        try harness.orphan(peers[2])
        let parent = try harness.parent(peers[2])
        let outputs = try harness.handle(.orphaned(peers[2], stripe: 0, epoch: 1, reason: .silent))
        #expect(outputs.assignments.count == 1)
        #expect(outputs.assignment(of: peers[2])?.parent == parent)
        #expect(outputs.assignment(of: peers[2])?.epoch == 2)
        #expect(harness.tracker.statistics.staleReports == 1)
    }

    @Test("Parents that failed a peer are not given to it again while there is another")
    func exclusions() throws {
        var harness = try TrackerHarness(k: 4, k1: 4)
        let parents = try harness.join(count: 4)
        let child = try harness.join()
        var seen: Set<PeerHandle> = []
        for _ in 0..<4 {
            let parent = try #require(try harness.parent(child))
            #expect(parents.contains(parent))
            #expect(seen.insert(parent).inserted)
            try harness.orphan(child, .closed)
        }
    }

    @Test("Who is called silent is asked over its socket, once at a time, and gets no children meanwhile if others may")
    func probe() throws {
        var harness = try TrackerHarness(k: 4, k1: 3) { $0.maximumMovesInFlight = 0 }
        let tops = try harness.join(count: 3)
        let children = try harness.join(count: 4)
        let doubted = try #require(try harness.parent(children[0]))
        let outputs = try harness.orphan(children[0])
        #expect(outputs.contains(.probe(peer: doubted)))
        for child in children[1...] where try harness.parent(child) == doubted {
            #expect(try !harness.orphan(child).contains(.probe(peer: doubted)))
        }
        for newcomer in try harness.join(count: 2) { #expect(try harness.parent(newcomer) != doubted) }
        #expect(tops.contains(doubted))
        try harness.wait(.milliseconds(1_250))
        // It ranks behind those that did not fail their children, but it is no longer passed over.
        while try harness.children(doubted).isEmpty { _ = try harness.join() }
        #expect(harness.tracker.statistics.probes == 1)
    }

    @Test("Nobody can have more than one asked at a time")
    func onlyOneProbe() throws {
        var harness = try TrackerHarness(k: 4, k1: 4) { $0.maximumMovesInFlight = 0 }
        _ = try harness.join(count: 4)
        let liar = try harness.join()
        for _ in 0..<4 { try harness.orphan(liar) }
        #expect(harness.tracker.statistics.probes == 1)
        try harness.wait(.milliseconds(1_250))
        try harness.orphan(liar)
        #expect(harness.tracker.statistics.probes == 2)
    }

    @Test("Neither the source, nor who refuses, is slow or gone already, is asked", arguments: LossReason.allCases)
    func noProbe(reason: LossReason) throws {
        var harness = try TrackerHarness(k: 2, k1: 1)
        let top = try harness.join()
        let child = try harness.join()
        let isProbe = { (output: TrackerOutput) in if case .probe = output { true } else { false } }
        #expect(try !harness.orphan(top, .silent).contains(where: isProbe))
        try harness.attach(top)
        #expect(
            try harness.orphan(child, reason).contains(where: isProbe)
                == [.silent, .unreachable, .notForwarding].contains(reason)
        )
        try harness.wait(.seconds(2))
        try harness.attach(child)
        try harness.handle(.signallingLost(top))
        #expect(try !harness.orphan(child, .silent).contains(where: isProbe))
    }

    @Test("A parent that cannot be reached keeps the slot until another one feeds: the connection may come about yet")
    func unreachable() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let tops = try harness.join(count: 2)
        let child = try harness.joinOnly()
        #expect(try harness.parent(child) == tops[0])
        var outputs = try harness.orphan(child, .unreachable)
        #expect(outputs.assignment(of: child)?.parent == tops[1])
        #expect(!outputs.contains(.childGone(parent: tops[0], child: child, stripe: 0)))
        #expect(try harness.tracker.previousParent(of: child) == tops[0])
        outputs = try harness.handle(.attached(child, stripe: 0, epoch: 2))
        #expect(outputs.contains(.childGone(parent: tops[0], child: child, stripe: 0)))
    }

    @Test("Where there is no other slot, the one that is kept is given anew, and its owner is not told that it is gone")
    func unreachableOnly() throws {
        var harness = try TrackerHarness(k: 1, k1: 1)
        let only = try harness.join()
        let child = try harness.joinOnly()
        let outputs = try harness.orphan(child, .unreachable)
        #expect(outputs.assignment(of: child)?.parent == only)
        #expect(outputs.assignment(of: child)?.epoch == 2)
        #expect(!outputs.contains(.childGone(parent: only, child: child, stripe: 0)))
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
    }

    @Test("Who was fed and calls its parent unreachable keeps no slot there")
    func unreachableAndFed() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let tops = try harness.join(count: 2)
        let child = try harness.join()
        let outputs = try harness.orphan(child, .unreachable)
        #expect(outputs.contains(.childGone(parent: tops[0], child: child, stripe: 0)))
    }

    @Test("With no other parent to be had, one that failed is tried again")
    func exclusionsRelax() throws {
        var harness = try TrackerHarness(k1: 1)
        let only = try harness.join()
        let outputs = try harness.orphan(only)
        #expect(outputs.assignment(of: only)?.parent == harness.source)
        #expect(outputs.assignment(of: only)?.epoch == 2)
    }

    @Test("A child whose link its parent lost gets another parent")
    func childLost() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        let outputs = try harness.handle(.childLost(peers[0], child: peers[2], stripe: 0))
        #expect(outputs.assignment(of: peers[2])?.parent == peers[1])
        #expect(throws: TrackerError.notAChild) {
            try harness.handle(.childLost(peers[0], child: peers[2], stripe: 0))
        }
    }

    @Test("A child that its parent calls silent is asked, be it a leaf; one whose link was closed is not")
    func silentChild() throws {
        for reason in LossReason.allCases {
            var harness = try TrackerHarness(k: 2, k1: 2)
            let leaf = try harness.join()
            let outputs = try harness.handle(
                .childLost(harness.source, child: leaf, stripe: 0, reason: reason)
            )
            #expect(outputs.contains { if case .probe(leaf) = $0 { true } else { false } } == (reason == .silent))
        }
    }

    @Test("A peer that discovers its tree again keeps its subtree and its parent, once")
    func rejoin() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 8)
        let below = try harness.children(peers[0])
        for _ in 0..<100 {
            try harness.tracker.rejoin(peers[0], at: harness.now)
            harness.drain()
            #expect(try harness.children(harness.source).contains(peers[0]))
            try harness.attach(peers[0])
        }
        #expect(try harness.children(peers[0]) == below)
        #expect(try harness.tracker.viewerCount(of: harness.tree) == 8)
        #expect(try harness.children(harness.source).count == 2)
    }

    @Test("A peer that discovers its tree twice without attaching gets another parent")
    func rejoinWithoutAttaching() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        try harness.tracker.rejoin(peers[2], at: harness.now)
        #expect(try harness.parent(peers[2]) == peers[0])
        try harness.tracker.rejoin(peers[2], at: harness.now)
        #expect(try harness.parent(peers[2]) == peers[1])
    }
}

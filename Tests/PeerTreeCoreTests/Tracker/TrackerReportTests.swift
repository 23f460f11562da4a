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

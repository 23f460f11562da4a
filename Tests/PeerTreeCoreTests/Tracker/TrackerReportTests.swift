import PeerTreeCore
import Testing

@Suite("Reports of peers")
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

    @Test("Two distinct complaints within the window evict a parent; it becomes a leaf for good")
    func eviction() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 6)
        let children = Array(try harness.children(peers[0]))
        try harness.orphan(children[0], .notForwarding)
        #expect(harness.tracker.statistics.evictions == 0)
        let outputs = try harness.orphan(children[1], .silent)
        #expect(harness.tracker.statistics.evictions == 1)
        #expect(outputs.reason(for: peers[0]) == .evicted)
        #expect(try harness.children(peers[0]).isEmpty)
        #expect(try harness.tracker.capacity(of: peers[0]) == 0)
        try harness.tracker.rejoin(peers[0], at: harness.now)
        #expect(try harness.tracker.capacity(of: peers[0]) == 0)
    }

    @Test("An eviction gives the remaining children new places and tells the evicted peer")
    func evictionWithChildren() throws {
        var harness = try TrackerHarness(k: 4, k1: 1)
        let bad = try harness.join()
        let children = try harness.join(count: 4)
        try harness.orphan(children[0], .refused)
        let outputs = try harness.orphan(children[1], .unreachable)
        #expect(try harness.children(bad).isEmpty)
        for child in children {
            let parent = try #require(try harness.parent(child))
            #expect(parent != bad)
        }
        for child in children[2...] {
            #expect(outputs.contains(.childGone(parent: bad, child: child, stripe: 0)))
        }
    }

    @Test(
        "One child cannot evict its parent, however often it complains, nor can complaints that are too far apart",
        arguments: [true, false]
    )
    func noEviction(isSameChild: Bool) throws {
        var harness = try TrackerHarness(k: 2, k1: 1)
        let bad = try harness.join()
        let children = try harness.join(count: 2)
        for round in 0..<6 {
            harness.now = harness.now + (isSameChild ? .seconds(1) : .seconds(31))
            let child = isSameChild ? children[0] : children[round % 2]
            if try harness.parent(child) == bad {
                try harness.orphan(child, .silent)
            } else {
                try harness.orphan(child, .closed)
            }
            try harness.attachAll()
        }
        #expect(harness.tracker.statistics.evictions == 0)
    }

    @Test(
        "A parent that closes, or cuts off a slow child, is not evicted for it",
        arguments: [OrphanReason.closed, .slow]
    )
    func harmlessReasons(reason: OrphanReason) throws {
        var harness = try TrackerHarness(k: 4, k1: 1)
        _ = try harness.join()
        let children = try harness.join(count: 4)
        for child in children { try harness.orphan(child, reason) }
        #expect(harness.tracker.statistics.evictions == 0)
    }

    @Test("Two children that complain about everyone are believed up to a limit", arguments: [3, 1_000])
    func slander(limit: Int) throws {
        var harness = try TrackerHarness(k: 4, k1: 12) { $0.complaintsPerChild = limit }
        _ = try harness.join(count: 12)
        let liars = try harness.join(count: 2)
        for _ in 0..<12 {
            harness.now = harness.now + .seconds(1)
            for liar in liars {
                try harness.orphan(liar, .notForwarding)
                try harness.attachAll()
            }
        }
        #expect((harness.tracker.statistics.evictions <= 3) == (limit == 3))
    }

    @Test("A parent that takes children and sheds them again is evicted")
    func shedding() throws {
        var harness = try TrackerHarness(k: 4, k1: 4)
        let peers = try harness.join(count: 12)
        let shedder = peers[0]
        var lost = 0
        while harness.tracker.statistics.evictions == 0 {
            let child = try harness.children(shedder).first ?? harness.join()
            guard try harness.parent(child) == shedder else { continue }
            try harness.handle(.childLost(shedder, child: child, stripe: 0))
            try harness.attachAll()
            lost += 1
            try #require(lost < 20)
        }
        #expect(lost == 9)
        #expect(try harness.tracker.capacity(of: shedder) == 0)
    }

    @Test("The source is never evicted")
    func sourceStays() throws {
        var harness = try TrackerHarness(k1: 4)
        let children = try harness.join(count: 4)
        for child in children { try harness.orphan(child, .notForwarding) }
        #expect(harness.tracker.isLive(harness.tree))
        #expect(try harness.tracker.capacity(of: harness.source) == 4)
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

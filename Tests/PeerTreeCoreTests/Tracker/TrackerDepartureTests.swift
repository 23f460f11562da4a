import PeerTreeCore
import Testing

@Suite("Departures", .timeLimit(.minutes(5)))
struct TrackerDepartureTests {
    @Test("A leaf that leaves frees its slot, and its parent is told")
    func leafLeaves() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 3)
        let outputs = try harness.handle(.leave(peers[2]))
        #expect(
            outputs.ofPlaces == [
                .childGone(parent: peers[0], child: peers[2], stripe: 0), .removed(peer: peers[2], reason: .left),
            ]
        )
        let next = try harness.join()
        #expect(try harness.parent(next) == peers[0])
    }

    @Test("The deepest leaf takes the place of a departed interior peer and all of its children, and no depth grows")
    func promotion() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 14)
        let below = Set(peers[2...3])
        #expect(try harness.children(peers[0]) == below)
        let depths = try peers.dropFirst().map { try harness.depth($0) }
        let outputs = try harness.handle(.leave(peers[0]))
        let promoted = try #require(outputs.assignments.first)
        #expect(promoted.reason == .promoted)
        #expect(promoted.assignment.parent == harness.source)
        #expect(try harness.children(promoted.peer) == below)
        for orphan in below {
            #expect(outputs.reason(for: orphan) == .parentLeft)
            #expect(outputs.assignment(of: orphan)?.parent == promoted.peer)
        }
        for (peer, depth) in zip(peers.dropFirst(), depths) where peer != promoted.peer {
            #expect(try harness.depth(peer) == depth)
        }
        #expect(outputs.assignments.count == 3)
        #expect(harness.tracker.statistics.promotions == 1)
    }

    @Test("The promoted leaf's old parent keeps its slot until the leaf is attached, then is told")
    func promotionHolds() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 14)
        let outputs = try harness.handle(.leave(peers[0]))
        let promoted = try #require(outputs.assignments.first?.peer)
        let previous = try #require(try harness.tracker.previousParent(of: promoted))
        #expect(!outputs.contains(.childGone(parent: previous, child: promoted, stripe: 0)))
        try harness.attach(promoted)
        #expect(harness.outputs.ofPlaces.last == .childGone(parent: previous, child: promoted, stripe: 0))
        #expect(try harness.tracker.previousParent(of: promoted) == nil)
    }

    @Test("A single orphan moves into the hole with its subtree")
    func singleOrphan() throws {
        var harness = try TrackerHarness(k: 1, k1: 1)
        let peers = try harness.join(count: 4)
        let outputs = try harness.handle(.leave(peers[0]))
        #expect(outputs.assignments.map(\.peer) == [peers[1]])
        #expect(try harness.parent(peers[1]) == harness.source)
        #expect(try harness.depth(peers[3]) == 3)
    }

    @Test("Without a leaf of enough capacity the orphans scatter with whole subtrees, never below themselves")
    func scatter() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let big = try harness.join(capacity: 3)
        let other = try harness.join(capacity: 1)
        let orphans = try harness.join(count: 3, capacity: 1)
        _ = try harness.join(count: 2, capacity: 1)
        let below = try orphans.map { try harness.children($0) }
        try harness.handle(.leave(big))
        for (orphan, children) in zip(orphans, below) {
            #expect(try harness.children(orphan).isSuperset(of: children))
            #expect(try harness.depth(orphan) >= 1)
            #expect(try harness.parent(orphan) != nil)
        }
        #expect(harness.tracker.statistics.promotions == 0)
        #expect(try harness.tracker.viewerCount(of: harness.tree) == 6)
        #expect(harness.tracker.contains(other))
    }

    @Test("A legacy leaf is never promoted or moved")
    func legacyStays() throws {
        var harness = try TrackerHarness(k: 2, k1: 1)
        let top = try harness.join()
        let middle = try harness.join(count: 2)
        var legacy: [PeerHandle] = []
        for _ in 0..<4 { legacy.append(try harness.join(isNative: false)) }
        let parents = try legacy.map { try harness.parent($0) }
        let outputs = try harness.handle(.leave(top))
        #expect(!outputs.assignments.contains { legacy.contains($0.peer) })
        #expect(try legacy.map { try harness.parent($0) } == parents)
        #expect(try harness.parent(middle[0]) == harness.source || harness.parent(middle[1]) == harness.source)
    }

    @Test("Legacy orphans have their new place recorded for when they discover again")
    func legacyOrphan() throws {
        var harness = try TrackerHarness(k: 2, k1: 1)
        let top = try harness.join()
        let legacy = try harness.join(isNative: false)
        try harness.handle(.leave(top))
        #expect(try harness.parent(legacy) == harness.source)
        try harness.tracker.rejoin(legacy, at: harness.now)
        #expect(try harness.parent(legacy) == harness.source)
    }

    @Test("Orphans for whom no slot is free wait, and get the first that becomes free")
    func waiting() throws {
        var harness = try TrackerHarness(k1: 1)
        let top = try harness.join(capacity: 3)
        let orphans = try harness.join(count: 2, capacity: 0)
        let outputs = try harness.handle(.leave(top))
        let waiting = try #require(outputs.assignments.first { $0.assignment.parent == nil }?.peer)
        let placed = try #require(orphans.first { $0 != waiting })
        #expect(try harness.parent(placed) == harness.source)
        #expect(throws: TrackerError.treeFull) { try harness.joinOnly() }
        let later = try harness.handle(.leave(placed))
        #expect(later.assignment(of: waiting)?.parent == harness.source)
    }

    @Test("A freed slot two levels up draws the deepest leaf, and its old slot is kept until it has attached")
    func rebalances() throws {
        var harness = try TrackerHarness(k: 1, k1: 2)
        let peers = try harness.join(count: 6)
        #expect(try harness.depth(peers[5]) == 3)
        let chain = peers[1]
        let leaves = [peers[5], peers[3]]
        for leaf in leaves { try harness.handle(.leave(leaf)) }
        #expect(harness.tracker.statistics.moves == 0)
        let outputs = try harness.handle(.leave(chain))
        #expect(outputs.assignments.map(\.reason) == [.rebalanced])
        let moved = try #require(outputs.assignments.first)
        #expect(moved.peer == peers[4])
        #expect(moved.assignment.depth == 1)
        #expect(try harness.tracker.previousParent(of: peers[4]) == peers[2])
        let next = try harness.joinOnly()
        #expect(try harness.parent(next) != peers[2])
        try harness.attach(peers[4])
        #expect(harness.outputs.ofPlaces.last == .childGone(parent: peers[2], child: peers[4], stripe: 0))
    }

    @Test("No more moves are in flight than allowed; each that is done lets the next begin")
    func movesArePaced() throws {
        var harness = try TrackerHarness(k1: 8) { $0.maximumMovesInFlight = 2 }
        let peers = try harness.join(count: 24, capacity: 1)
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 3)
        for chain in 0..<4 {
            for level in [2, 1, 0] { try harness.handle(.leave(peers[level * 8 + chain])) }
        }
        #expect(harness.tracker.statistics.moves == 2)
        let moved = harness.outputs.assignments.filter { $0.reason == .rebalanced }.map(\.peer)
        try harness.attach(try #require(moved.first))
        #expect(harness.tracker.statistics.moves == 3)
        try harness.attachAll()
        #expect(harness.tracker.statistics.moves == 4)
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 2)
    }

    @Test("A move whose link does not open goes back to the kept slot; a second failure removes the peer")
    func moveReverts() throws {
        var harness = try TrackerHarness(k: 1, k1: 2)
        let peers = try harness.join(count: 6)
        for leaf in [peers[5], peers[3], peers[1]] { try harness.handle(.leave(leaf)) }
        let outputs = try harness.wait(.seconds(10))
        #expect(outputs.assignment(of: peers[4])?.parent == peers[2])
        #expect(harness.tracker.statistics.movesReverted == 1)
        let later = try harness.wait(.seconds(10))
        #expect(later.contains(.removed(peer: peers[4], reason: .attachTimeout)))
    }

    @Test("A native joiner that does not attach in time is removed; a legacy one is not")
    func attachTimeout() throws {
        var harness = try TrackerHarness()
        let native = try harness.joinOnly()
        let legacy = try harness.joinOnly(isNative: false)
        #expect(harness.tracker.deadline == Instant.zero + .seconds(10))
        #expect(try harness.wait(.milliseconds(9_999)).isEmpty)
        let outputs = try harness.wait(.milliseconds(1))
        #expect(outputs.contains(.removed(peer: native, reason: .attachTimeout)))
        #expect(harness.tracker.contains(legacy))
        #expect(harness.tracker.deadline == nil)
    }

    @Test("The end of a tree is reported for each of its peers, and only theirs")
    func treeEnds() throws {
        var harness = try TrackerHarness()
        let other = try harness.tracker.createTree(isNative: true, at: harness.now)
        let peers = try harness.join(count: 20)
        let outputs = try harness.handle(.leave(harness.source))
        #expect(outputs.count == 22)
        #expect(outputs.last == .treeEnded(tree: harness.tree, reason: .sourceLeft))
        for peer in peers + [harness.source] {
            #expect(outputs.contains(.removed(peer: peer, reason: .treeEnded(.sourceLeft))))
        }
        #expect(harness.tracker.contains(other))
        #expect(harness.tracker.treeCount == 1)
        #expect(harness.tracker.deadline == nil)
    }
}

import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Places in trees of several stripes", .timeLimit(.minutes(5)))
struct TrackerStripesTests {
    @Test("Ten thousand viewers of four children each are within four levels, in every stripe of 4 + 1")
    func depth() throws {
        var harness = try TrackerHarness(stripes: 5, parity: 1)
        for _ in 0..<10_000 {
            _ = try harness.join()
            try harness.attachAll()
            harness.outputs.removeAll(keepingCapacity: true)
        }
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 4)
        // Of the five places of a newcomer one is another's at most.
        #expect(harness.tracker.statistics.moves <= 10_000)
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
        let tree = harness.tracker.trees[0]
        for stripe in tree.stripes.indices {
            let feeders = tree.peers.indices.dropFirst().map { Int32($0) }.filter {
                tree.stripes[stripe].nodes[Int($0)].capacity > 0
            }
            #expect(feeders.count == 2_000)
            #expect(feeders.allSatisfy { tree.stripes[stripe].depth(of: $0) <= 3 })
        }
    }

    @Test("Whoever comes and goes, no viewer depends on another one in two stripes", arguments: UInt64(1)...6)
    func apart(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var harness = try TrackerHarness(stripes: 5, parity: 1)
        var peers: [PeerHandle] = []
        for _ in 0..<600 {
            if peers.count < 20 || Int.random(in: 0..<100, using: &random) < (peers.count < 200 ? 80 : 45) {
                peers.append(try harness.join(capacity: .random(in: 1...6, using: &random)))
            } else {
                try harness.handle(.leave(peers.remove(at: .random(in: 0..<peers.count, using: &random))))
            }
            try harness.attachAll()
        }
        #expect(peers.count > 150)
        for peer in peers {
            var above: Set<PeerHandle> = []
            for stripe in 0..<5 {
                var next = try harness.tracker.parent(of: peer, stripe: stripe)
                try #require(next != nil, "seed \(seed): \(peer) has no parent in stripe \(stripe)")
                while let parent = next, parent != harness.source {
                    try #require(above.insert(parent).inserted, "seed \(seed): \(parent) is above \(peer) twice")
                    next = try harness.tracker.parent(of: parent, stripe: stripe)
                }
            }
        }
    }

    @Test("A newcomer that takes children goes above a leaf, which is fed until it has its new place")
    func leafYields() throws {
        var harness = try TrackerHarness(k: 2, k1: 2, stripes: 2)
        let first = try harness.join()
        let second = try harness.join()
        // In each stripe both are below the source, or one below the other.
        let third = try harness.joinOnly()
        let stripe = try #require(try harness.tracker.interiorStripe(of: third))
        #expect(try harness.tracker.parent(of: third, stripe: stripe) == harness.source)
        let leaf = try #require(
            try [first, second].first { try harness.tracker.parent(of: $0, stripe: stripe) != harness.source }
        )
        #expect(try harness.tracker.capacity(of: leaf, stripe: stripe) == 0)
        #expect(harness.tracker.statistics.moves == 1)
        let told = harness.outputs.assignments.last { $0.peer == leaf }
        #expect(told?.reason == .rebalanced)
        #expect(told?.assignment.stripe == stripe)
        try harness.attach(third)
        try harness.attachAll()
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
    }

    @Test("Who came while too many were moving goes up later", arguments: UInt64(1)...4)
    func raised(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var harness = try TrackerHarness(k: 2, k1: 6, stripes: 3, parity: 1)
        // Everybody at once, and whoever is to attach does so in any order.
        var waiting = try (0..<300).map { _ in try harness.joinOnly() }
        waiting.shuffle(using: &random)
        for peer in waiting { try harness.attach(peer) }
        try harness.attachAll()
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
        let tree = harness.tracker.trees[0]
        for stripe in tree.stripes {
            let deepest = try #require(stripe.deepestFeederDepth)
            #expect(deepest <= stripe.shallowestYieldingDepth ?? .max, "seed \(seed)")
            #expect(deepest <= stripe.shallowestSlotDepth ?? .max, "seed \(seed)")
        }
    }

    @Test("A small audience is as near to the source as in one stripe, and nobody is refused")
    func smallAudience() throws {
        for layout in [StripeLayout(stripes: 2, parity: 0), .init(stripes: 4, parity: 1), .init(stripes: 5, parity: 1)]
        {
            for capacity in [1, 4] {
                var harness = try TrackerHarness(stripes: layout.stripes, parity: layout.parity)
                for _ in 0..<7 { _ = try harness.join(capacity: capacity) }
                try harness.attachAll()
                #expect(try harness.tracker.maximumDepth(of: harness.tree) == 1)
            }
        }
        // Nor those who feed nobody: the source's ten children of one stripe are eight in each of 4 + 1.
        var harness = try TrackerHarness(stripes: 5, parity: 1)
        for _ in 0..<7 { _ = try harness.join(capacity: 0) }
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 1)
    }

    @Test("However few children a source takes, a small audience is let in at once", arguments: 2...6, 2...5)
    func fewSlots(k1: Int, stripes: Int) throws {
        for parity in 0...1 {
            var harness = try TrackerHarness(k: 2, k1: k1, stripes: stripes, parity: parity)
            let layout = try harness.tracker.layout(of: harness.tree)
            // In the same moment: nobody can make room.
            let peers = try (0..<7).map { _ in try harness.joinOnly() }
            for peer in peers {
                let places = try (0..<layout.stripes).count { try harness.tracker.parent(of: peer, stripe: $0) != nil }
                #expect(places >= layout.data, "\(k1) children, \(layout)")
            }
            for peer in peers { try harness.attach(peer) }
            try harness.attachAll()
            for peer in peers {
                for stripe in 0..<layout.stripes {
                    #expect(try harness.tracker.parent(of: peer, stripe: stripe) != nil, "\(k1) children, \(layout)")
                }
            }
            #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
        }
    }
}

import PeerTreeCore
import TestSupport
import Testing

@Suite("Slots where they are needed", .timeLimit(.minutes(5)))
struct TrackerSlotsTests {
    @Test("A stripe that loses all who feed in it gets others, who were not needed where they were")
    func stripeWithoutInterior() throws {
        var harness = try TrackerHarness(k: 1, k1: 3, stripes: 3)
        let peers = try harness.join(count: 12)
        let feeding = try peers.filter { try harness.tracker.interiorStripe(of: $0) == 1 }
        for peer in feeding {
            try harness.handle(.leave(peer))
            try harness.attachAll()
        }
        let rest = peers.filter { harness.tracker.contains($0) }
        #expect(rest.count == 8)
        #expect(try rest.contains { try harness.tracker.interiorStripe(of: $0) == 1 })
        try requireEveryoneFed(rest, harness)
        _ = try harness.join()
    }

    @Test("Whoever takes children in another stripe is given a new proof of its place")
    func recruitIsTold() throws {
        var harness = try TrackerHarness(k: 1, k1: 3, stripes: 3)
        let peers = try harness.join(count: 12)
        let before = try peers.map { try harness.tracker.interiorStripe(of: $0) }
        var told: Set<PeerHandle> = []
        for (peer, stripe) in zip(peers, before) where stripe == 1 {
            for case .capacityChanged(let peer) in try harness.handle(.leave(peer)) { told.insert(peer) }
            try harness.attachAll()
        }
        let moved = try zip(peers, before).filter { peer, stripe in
            try harness.tracker.contains(peer) && harness.tracker.interiorStripe(of: peer) != stripe
        }
        #expect(!moved.isEmpty)
        #expect(told == Set(moved.map(\.0)))
        for (peer, _) in moved {
            // As many as before: three times one, in one stripe.
            #expect(try (0..<3).map { try harness.tracker.capacity(of: peer, stripe: $0) }.reduce(0, +) == 3)
        }
    }

    @Test("A subtree that waits and has a free slot takes the place of a leaf that has none")
    func displacement() throws {
        var harness = try TrackerHarness(k: 1, k1: 1)
        let top = try harness.join(capacity: 2)
        let left = try harness.join(capacity: 1)
        let right = try harness.join(capacity: 1)
        let below = try harness.join(capacity: 1)
        #expect(try harness.parent(below) == left)
        let leaf = try harness.join(capacity: 0)
        #expect(try harness.parent(leaf) == right)
        try harness.handle(.signallingLost(below))
        try harness.handle(.leave(top))
        try harness.attachAll()
        #expect(try harness.parent(left) == nil)
        try harness.handle(.signallingResumed(below))
        try harness.attachAll()
        #expect(try harness.parent(left) == right)
        #expect(try harness.parent(leaf) == below)
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
    }

    @Test("Nobody waits while there are slots enough, whoever comes and goes", arguments: UInt64(1)...60)
    func slotsSuffice(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let stripes = Int.random(in: 2...4, using: &random)
        let k = Int.random(in: 1...3, using: &random)
        var harness = try TrackerHarness(
            k: k,
            k1: .random(in: stripes + 1...8, using: &random),
            stripes: stripes,
            parity: seed.isMultiple(of: 3) ? 1 : 0
        )
        var peers: [PeerHandle] = []
        for _ in 0..<150 {
            if peers.isEmpty || Int.random(in: 0..<100, using: &random) < (peers.count < 20 ? 60 : 45) {
                peers.append(try harness.join())
            } else {
                try harness.handle(.leave(peers.remove(at: .random(in: 0..<peers.count, using: &random))))
                try harness.attachAll()
            }
            try requireEveryoneFed(peers, harness)
        }
    }

    private func requireEveryoneFed(_ peers: [PeerHandle], _ harness: TrackerHarness) throws {
        for peer in peers {
            for stripe in 0..<(try harness.tracker.stripeCount(of: harness.tree)) {
                try #require(try harness.tracker.parent(of: peer, stripe: stripe) != nil)
            }
        }
        try #require(TreeInvariants.violations(in: harness.tracker) == [])
    }
}

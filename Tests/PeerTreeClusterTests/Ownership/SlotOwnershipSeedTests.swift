import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeCluster

@Suite("Ownership of slots under every trouble", .timeLimit(.minutes(5)))
struct SlotOwnershipSeedTests {
    @Test(
        "Never two owners in one term, none that is sure of what is not its own, and every slot owned soon after the last fault",
        arguments: (0..<8).map { UInt64($0) * 50 }
    )
    func seeds(first: UInt64) {
        for seed in first..<first + 50 as Range<UInt64> {
            var world = ClusterWorld(seed: seed, nodes: 3, slots: 6, troubleFor: .seconds(12))
            world.run(until: world.troubleEnds + .seconds(20))
            world.ledger.checkCalm(world)
            #expect(world.ledger.violations.isEmpty, "seed \(seed)")
            if !world.ledger.violations.isEmpty { break }
        }
    }
}

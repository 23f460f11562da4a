import Foundation
import PeerTreeCore
import PeerTreeSignalling
import TestSupport
import Testing

@testable import PeerTreeCluster

/// `PEER_TREE_WORLD_SEEDS` names other seeds, as `17` or `1000-1999`; of one alone all that has happened is printed. With
/// `SWIFT_DETERMINISTIC_HASHING=1` as well, the same happens each time.
@Suite("Whole nodes of a cluster under every trouble", .timeLimit(.minutes(30)))
struct NodeWorldTests {
    @Test("Whatever happens to nodes, links and etcd, in the end everybody is in its tree, and nobody has two owners")
    func seeds() {
        let seeds = Self.wanted ?? 0..<60
        for seed in seeds {
            let violations = Self.violations(seed: seed, shows: seeds.count == 1)
            #expect(violations.isEmpty, "PEER_TREE_WORLD_SEEDS=\(seed)")
        }
    }

    private static var wanted: Range<UInt64>? {
        guard let text = ProcessInfo.processInfo.environment["PEER_TREE_WORLD_SEEDS"] else { return nil }
        let ends = text.split(separator: "-").compactMap { UInt64($0) }
        guard let first = ends.first, let last = ends.last, first <= last else { return nil }
        return first..<last + 1
    }

    private static func violations(seed: UInt64, shows: Bool) -> [String] {
        var world = NodeWorld(seed: seed, .seeded(seed))
        world.run(until: world.troubleEnds + .seconds(40))
        world.checkCalm()
        let isCalm = world.ledger.violations.isEmpty
        if isCalm {
            for client in world.clients.indices { world.end(client) }
            world.run(until: world.now + .seconds(70))
            world.checkEmpty()
        }
        let violations = world.ledger.violations
        if shows || !violations.isEmpty {
            print("seed \(seed), the last events:\n\(world.ledger.lastEvents(shows ? 8_000 : 25))")
        }
        return violations
    }
}

extension WorldOptions {
    static func seeded(_ seed: UInt64) -> WorldOptions {
        var options = WorldOptions()
        options.nodes = seed % 5 == 4 ? 2 : 3
        options.loops = seed % 2 == 0 ? 1 : 2
        options.audiences = seed % 3 == 0 ? 2 : 1
        options.viewers = seed % 11 == 10 ? 20 : 8
        switch seed % 7 {
        case 0: options.troubles = [.crash, .clients]
        case 1: options.troubles = [.pause, .clients, .cut]
        case 2: options.troubles = [.leave, .clients]
        case 3: options.troubles = [.cutOff, .etcd, .wipe, .clients]
        case 4: options.troubles = [.cut, .lag, .lostSession, .clients]
        case 5: options.troubles = [.cut, .lag, .clients]
        default: options.troubles = Set(Trouble.allCases)
        }
        return options
    }
}

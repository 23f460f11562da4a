import NIOCore
import NetworkEmulation
import SCTP
import TestSupport
import Testing
import VirtualTransport

/// Associations on emulated paths, several on one, in virtual time.
@Suite("Associations that share a path", .timeLimit(.minutes(5)))
struct SharedPathTests {
    private static let trip = Duration.milliseconds(50)

    private static func network(
        _ count: Int,
        _ workload: AssociationNode.Workload = .bulk(size: 65_536),
        seed: UInt64,
        forth: PathConditions,
        back: PathConditions = PathConditions(delay: Self.trip / 2)
    ) -> VirtualNetwork<AssociationNode> {
        .pairs(count, workload, forth: forth, back: back, configuration: .virtual) {
            SeededGenerator(seed: seed &* 1_000 &+ UInt64($0))
        }
    }

    private static func bottleneck(rate: Int, products: Double, loss: Double = 0) -> PathConditions {
        let link = Bottleneck.Conditions(rate: rate, roundTrip: Self.trip, products: products)
        return PathConditions(delay: Self.trip / 2, loss: loss, bottleneck: link)
    }

    /// Every accident there is.
    private static var hostile: PathConditions {
        var conditions = Self.bottleneck(rate: 20_000_000, products: 0.5)
        conditions.burstLoss = GilbertElliott(loss: 0.05, meanBurst: 4)
        conditions.reordering = 0.05
        conditions.duplication = 0.05
        conditions.jitter = .milliseconds(5)
        return conditions
    }

    @Test("The same seed gives the same run to the last packet, another seed another one")
    func deterministic() {
        func run(_ seed: UInt64) -> [PathStatistics] {
            var network = Self.network(2, seed: seed, forth: Self.hostile, back: Self.hostile)
            network.run(until: .seconds(2))
            return network.paths.map(\.statistics)
        }
        let first = run(1)
        #expect(run(1) == first)
        #expect(run(2) != first)
        #expect(first.allSatisfy { $0.lost > 0 })
    }

    @Test("Flows fill the bottleneck that they share, and none is starved", arguments: [1, 4, 16])
    func fairness(count: Int) {
        var network = Self.network(count, seed: 7, forth: Self.bottleneck(rate: 8_000_000, products: 1))
        network.run(until: .seconds(2))
        for node in network.nodes { node.reset() }
        network.run(until: .seconds(7))
        let received = (0..<count).map { network.nodes[2 * $0 + 1].receivedBytes }
        let total = Double(received.reduce(0, +)) / 5
        let squares = received.reduce(0.0) { $0 + Double($1) * Double($1) }
        let fairness = Double(received.reduce(0, +)) * Double(received.reduce(0, +)) / (Double(count) * squares)
        // 8 Mbit/s are 1 MB/s, of which headers take 8 %.
        #expect(total > 0.85 * 920_000, "\(total) bytes a second")
        #expect(fairness > 0.7, "Jain's index of \(received)")
    }

    @Test("Through bursts of loss, duplicates, reordering and jitter everything arrives once, in order, whole")
    func hostilePath() {
        for seed in 1...4 as ClosedRange<UInt64> {
            let interval = Duration.milliseconds(100)
            var network = Self.network(
                2,
                .paced(size: 10_000, interval: interval),
                seed: seed,
                forth: Self.hostile,
                back: Self.hostile
            )
            var times: [[Int64]] = [[], []]
            for pair in 0..<2 {
                network.nodes[2 * pair + 1].onEvent = { event in
                    guard case .message(_, _, let message) = event, message.readableBytes == 10_000 else { return }
                    if let due = message.getInteger(at: 0, as: Int64.self) { times[pair].append(due) }
                }
            }
            network.run(until: .seconds(4))
            for pair in 0..<2 {
                let sent = (0..<times[pair].count).map { Int64($0) * interval.inNanoseconds }
                #expect(times[pair] == sent, "seed \(seed)")
                #expect(times[pair].count > 20, "seed \(seed)")
            }
        }
    }
}

import Foundation
import NetworkEmulation
import TestSupport
import VirtualTransport

/// One measurement of the SCTP library alone in virtual time, after as long a time to get going: packets of 1,200 bytes
/// with DTLS, without ICE, and no machine that could be too busy.
enum VirtualRun {
    static func measure(_ path: Path, _ workload: Workload, seconds: Double, seed: UInt64) -> Figures {
        let application: AssociationNode.Workload =
            workload.isPaced ? .paced(size: 10_000, interval: .nanoseconds(1_000_000_000 / 30)) : .bulk(size: 65_536)
        var network = VirtualNetwork<AssociationNode>.pairs(
            workload.flows,
            application,
            forth: path.forth,
            back: path.back,
            configuration: .virtual
        ) { SeededGenerator(seed: seed &* 1_000 &+ UInt64($0)) }
        let wait = Duration.nanoseconds(Int64(seconds * 1e9))
        network.run(until: wait)
        for node in network.nodes { node.reset() }
        let before = network.paths[0].statistics
        network.run(until: wait * 2)
        let after = network.paths[0].statistics
        let receivers = (0..<workload.flows).map { network.nodes[2 * $0 + 1] }
        let share = receivers[0].payloadShare
        return Figures(
            rates: receivers.map { Double($0.receivedBytes) / seconds },
            ceiling: path.rate * 1e6 / 8 * (1 - path.loss / 100) * share,
            meanQueueDelay: (after.totalQueueDelay - before.totalQueueDelay) / max(1, after.queued - before.queued),
            longestQueueDelay: after.longestQueueDelay,
            latencies: workload.isPaced ? receivers.flatMap(\.latencies).map { $0.inSeconds * 1e3 }.sorted() : []
        )
    }
}

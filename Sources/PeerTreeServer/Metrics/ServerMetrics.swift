import Metrics
import NIOCore
import PeerTreeCore
import PeerTreeSignalling
import SocketIO

/// The server's figures for whichever metrics system the program has set up.
struct ServerMetrics {
    private let clients = Gauge(label: "peer_tree_clients")
    private let trees = Gauge(label: "peer_tree_trees")
    private let peers = Gauge(label: "peer_tree_peers")
    private let depth = Gauge(label: "peer_tree_depth")
    private let waiting = Gauge(label: "peer_tree_waiting_joins")
    private let discovery = Timer(label: "peer_tree_discover_seconds")
    private var counters: [String: (counter: Counter, last: UInt64)] = [:]

    /// How long a client waited for the answer to its discovery, from when its event was read.
    func discovered(in time: TimeAmount) {
        discovery.recordNanoseconds(time.nanoseconds)
    }

    /// Passes on what has changed since the last time.
    mutating func record(_ service: SignallingService) {
        clients.record(service.gateway.clientCount)
        trees.record(service.tree.treeCount)
        peers.record(service.tree.peerCount)
        depth.record(service.tree.maximumDepth)
        waiting.record(service.tree.waitingCount)
        let statistics = service.tree.trackerStatistics
        count("trees_created", statistics.treesCreated)
        count("trees_ended", statistics.treesEnded)
        count("joins", statistics.joins)
        count("rejoins", statistics.rejoins)
        count("restores", statistics.restores)
        count("leaves", statistics.leaves)
        count("vanishes", statistics.vanishes)
        count("attach_timeouts", statistics.attachTimeouts)
        count("orphans", statistics.orphanReports)
        count("moves", statistics.moves)
        count("moves_reverted", statistics.movesReverted)
        count("promotions", statistics.promotions)
        count("evictions", statistics.evictions)
        count("forgeries", statistics.forgeries)
        count("probes", statistics.probes)
        for (event, total) in service.gateway.events { count("events", total, ("event", event)) }
        for (code, total) in service.gateway.refusals { count("refusals", total, ("code", code)) }
    }

    /// Passes on what Socket.IO turned away since the last time.
    mutating func record(_ refusals: [SocketIORefusal: Int]) {
        for (reason, total) in refusals {
            count("transport_refusals", UInt64(clamping: total), ("reason", reason.rawValue))
        }
    }

    private mutating func count(_ name: String, _ total: UInt64, _ dimension: (String, String)? = nil) {
        let key = name + (dimension?.1 ?? "")
        let label = "peer_tree_\(name)_total"
        var entry = counters[key] ?? (Counter(label: label, dimensions: dimension.map { [$0] } ?? []), 0)
        entry.counter.increment(by: Int64(clamping: total &- entry.last))
        entry.last = total
        counters[key] = entry
    }
}

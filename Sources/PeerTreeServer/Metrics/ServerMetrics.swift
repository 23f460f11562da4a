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
    private var nodeGauges: [String: Gauge] = [:]
    private var counters: [String: (counter: Counter, last: UInt64)] = [:]

    /// Passes on what has changed since the last time.
    mutating func record(_ figures: SignallingFigures) {
        clients.record(figures.clients)
        trees.record(figures.trees)
        peers.record(figures.peers)
        depth.record(figures.maximumDepth)
        waiting.record(figures.waiting)
        let statistics = figures.tracker
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
        for (event, total) in figures.events { count("events", total, ("event", event)) }
        for (code, total) in figures.refusals { count("refusals", total, ("code", code)) }
    }

    /// Passes on what Socket.IO turned away since the last time.
    mutating func record(_ refusals: [SocketIORefusal: Int]) {
        for (reason, total) in refusals {
            count("transport_refusals", UInt64(clamping: total), ("reason", reason.rawValue))
        }
    }

    /// Passes on what a node of a cluster is, and what has happened there since the last time.
    mutating func record(_ node: NodeFigures) {
        for (name, value) in node.gauges {
            let gauge = nodeGauges[name] ?? Gauge(label: "peer_tree_\(name)")
            gauge.record(value)
            nodeGauges[name] = gauge
        }
        for (name, total) in node.totals { count(name, total) }
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

/// How long clients wait for the answer to their discovery, from when its event was read.
struct DiscoveryTimer: Sendable {
    private let timer = Timer(label: "peer_tree_discover_seconds")

    func record(_ time: TimeAmount) {
        timer.recordNanoseconds(time.nanoseconds)
    }
}

/// Whoever passes figures on to the metrics system, one after the other.
actor MetricsRecorder {
    private var metrics = ServerMetrics()

    func record(_ figures: SignallingFigures, _ refusals: [SocketIORefusal: Int], _ node: NodeFigures?) {
        metrics.record(figures)
        metrics.record(refusals)
        if let node { metrics.record(node) }
    }
}

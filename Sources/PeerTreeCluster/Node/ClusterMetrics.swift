import Metrics
import NodeLinks
import PeerTreeSignallingWire

/// A node's figures for whichever metrics system the program has set up.
struct ClusterMetrics {
    private let nodes = Gauge(label: "peer_tree_cluster_nodes")
    private let slots = Gauge(label: "peer_tree_cluster_slots")
    private let confirmed = Gauge(label: "peer_tree_cluster_confirmed")
    private let queuedFrames = Gauge(label: "peer_tree_cluster_link_queued_frames")
    private let queuedBytes = Gauge(label: "peer_tree_cluster_link_queued_bytes")
    private let unconfirmed = Counter(label: "peer_tree_cluster_unconfirmed_seconds_total")
    private let termChanges = Counter(label: "peer_tree_cluster_term_changes_total")
    private let refusals = Counter(label: "peer_tree_cluster_link_refusals_total")
    private let lostSessions = Counter(label: "peer_tree_cluster_lost_sessions_total")
    private let unreadable = Counter(label: "peer_tree_cluster_unreadable_total")
    private var last = ClusterCounts()
    private var lastUnconfirmed: UInt64 = 0

    /// Passes on what is, and what has happened since the last time.
    mutating func record(_ node: ClusterNode, _ links: LinkFigures, unconfirmedSeconds: UInt64) {
        nodes.record(node.status.nodes.count { $0.isReachable })
        slots.record(node.own.count)
        confirmed.record(node.report.isConfirmed ? 1 : 0)
        queuedFrames.record(links.queuedFrames)
        queuedBytes.record(links.queuedBytes)
        let counts = node.counts
        unconfirmed.increment(by: Int64(clamping: unconfirmedSeconds &- lastUnconfirmed))
        termChanges.increment(by: Int64(clamping: counts.termChanges &- last.termChanges))
        refusals.increment(by: Int64(clamping: counts.refusals &- last.refusals))
        lostSessions.increment(by: Int64(clamping: counts.lostSessions &- last.lostSessions))
        unreadable.increment(by: Int64(clamping: counts.unreadable &- last.unreadable))
        (last, lastUnconfirmed) = (counts, unconfirmedSeconds)
    }
}

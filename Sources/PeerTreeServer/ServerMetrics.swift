import Metrics

/// The server's figures for whichever metrics system the program has set up.
struct ServerMetrics {
    private let clients = Gauge(label: "peer_tree_clients")
    private let trees = Gauge(label: "peer_tree_trees")
    private let peers = Gauge(label: "peer_tree_peers")

    func record(_ service: SignallingService) {
        clients.record(service.clientCount)
        trees.record(service.treeCount)
        peers.record(service.peerCount)
    }
}

import PeerTreeClient

/// Draws a tree with box characters, one peer a line.
struct TreeDrawing {
    /// Children by parent id, in order.
    private var children: [String: [TreeSummary.Peer]] = [:]
    private let root: String?
    private let label: (TreeSummary.Peer) -> String

    /// - Parameter label: what to print for a peer.
    init(_ summary: TreeSummary, label: @escaping (TreeSummary.Peer) -> String) {
        self.label = label
        let known = Set(summary.peers.map { $0.id })
        for peer in summary.peers {
            if let parent = peer.parent { children[parent, default: []].append(peer) }
        }
        root =
            summary.peers.lazy.compactMap { $0.parent }.first { !known.contains($0) }
            ?? summary.peers.first { $0.parent == nil }?.id
    }

    /// The lines, the source first.
    var lines: [String] {
        guard let root else { return ["source"] }
        return ["source"] + subtree(of: root, indent: "", depth: 0)
    }

    private func subtree(of id: String, indent: String, depth: Int) -> [String] {
        guard depth < 64 else { return [] }
        let below = children[id] ?? []
        return below.enumerated().flatMap { index, peer -> [String] in
            let isLast = index == below.count - 1
            let line = indent + (isLast ? "└─ " : "├─ ") + label(peer)
            let next = indent + (isLast ? "   " : "│  ")
            return [line] + subtree(of: peer.id, indent: next, depth: depth + 1)
        }
    }
}

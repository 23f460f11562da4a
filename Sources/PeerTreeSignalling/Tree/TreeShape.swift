import PeerTreeCore

/// How a tree hangs together.
public struct TreeShape: Sendable, Equatable {
    /// One peer. Its label stays the same when its socket, or the server, comes back; it gives no access to anything.
    public struct Peer: Sendable, Equatable {
        /// The peer's label.
        public var label: String
        /// The labels of its parents, by stripe; nil where it has none now.
        public var parents: [String?]
        /// Levels below the source in the first stripe.
        public var depth: Int
        /// Whether it speaks our protocol.
        public var isNative: Bool
        /// Whether its signalling socket is there.
        public var isConnected: Bool

        package init(label: String, parents: [String?], depth: Int, isNative: Bool, isConnected: Bool) {
            self.label = label
            self.parents = parents
            self.depth = depth
            self.isNative = isNative
            self.isConnected = isConnected
        }
    }

    /// The label of the source.
    public var source: String
    /// The stripes of the stream.
    public var stripes: Int
    /// How many of those carry the parity of the others.
    public var parity: Int
    /// Viewers, those that are waiting for a place included.
    public var viewers: Int
    /// Levels below the source.
    public var depth: Int
    /// The viewers, up to ``SignallingOptions/maximumPeersInSummary``.
    public var peers: [Peer]

    package init(source: String, stripes: Int, parity: Int, viewers: Int, depth: Int, peers: [Peer]) {
        self.source = source
        self.stripes = stripes
        self.parity = parity
        self.viewers = viewers
        self.depth = depth
        self.peers = peers
    }
}

extension TreeService {
    /// How a tree hangs together now.
    func shape(of treeID: String) throws(SignallingError) -> TreeShape {
        guard let tree = treeIDs[treeID], let entry = trees[tree],
            let viewers = try? tracker.viewerCount(of: tree), let depth = try? tracker.maximumDepth(of: tree)
        else { throw .unknownTree }
        var shape = TreeShape(
            source: label(of: entry.source),
            stripes: entry.layout.stripes,
            parity: entry.layout.parity,
            viewers: viewers,
            depth: depth,
            peers: []
        )
        guard viewers <= options.maximumPeersInSummary else { return shape }
        try? tracker.forEachPeer(of: tree) { peer in
            guard !peer.peer.isSource, let member = members[peer.peer] else { return }
            let parents = (0..<entry.layout.stripes).map { stripe -> String? in
                guard let parent = try? tracker.parent(of: peer.peer, stripe: stripe) else { return nil }
                return label(of: parent)
            }
            shape.peers.append(
                TreeShape.Peer(
                    label: label(of: peer.peer),
                    parents: parents,
                    depth: peer.depth,
                    isNative: peer.isNative,
                    isConnected: member.isConnected
                )
            )
        }
        return shape
    }

    func label(of peer: PeerHandle) -> String {
        guard let number = members[peer]?.number, number != 0 else { return "absent" }
        let digits = String(number >> 16, radix: 16)
        return String(repeating: "0", count: 12 - digits.count) + digits
    }
}

/// What a tracker can be asked. All of it costs O(1) or O(depth), except where a list is asked for.
///
/// A viewer that gets the whole stream of several stripes from one parent has that parent in each of them, while it is in
/// the list of its parent's children in a single one.
extension Tracker {
    /// What a dashboard shows of a peer.
    public struct PeerSummary: Equatable, Sendable {
        /// The peer.
        public var peer: PeerHandle
        /// Its parent in the stripe asked for; nil for the source and for a peer that waits for a slot.
        public var parent: PeerHandle?
        /// Levels below the source.
        public var depth: Int
        /// Whether it speaks our protocol.
        public var isNative: Bool
        /// Whether its link is open.
        public var isAttached: Bool
        /// Whether its signalling socket is gone.
        public var isSuspect: Bool
    }

    /// Whether the tree is not over.
    public func isLive(_ tree: TreeHandle) -> Bool {
        (try? liveIndex(of: tree)) != nil
    }

    /// Whether the peer is in a tree that is not over.
    public func contains(_ peer: PeerHandle) -> Bool {
        (try? locate(peer)) != nil
    }

    /// The source of a tree.
    public func source(of tree: TreeHandle) throws(TrackerError) -> PeerHandle {
        trees[try liveIndex(of: tree)].handle(of: SpanningTree.source)
    }

    /// The number of stripes of a tree.
    public func stripeCount(of tree: TreeHandle) throws(TrackerError) -> Int {
        trees[try liveIndex(of: tree)].stripes.count
    }

    /// Over how many stripes the stream of a tree is dealt, and how many of them carry parity.
    public func layout(of tree: TreeHandle) throws(TrackerError) -> StripeLayout {
        trees[try liveIndex(of: tree)].layout
    }

    /// A native viewer of a tree whose signalling socket is not known to be gone, which one depends on `number`; nil if none is
    /// found near the place that it stands for.
    public func connectedViewer(of tree: TreeHandle, near number: UInt64) throws(TrackerError) -> PeerHandle? {
        let index = try liveIndex(of: tree)
        return trees[index].connectedViewer(near: number).map { trees[index].handle(of: $0) }
    }

    /// The number of peers in a tree, less the source.
    public func viewerCount(of tree: TreeHandle) throws(TrackerError) -> Int {
        trees[try liveIndex(of: tree)].peerCount - 1
    }

    /// Levels below the source of the deepest placed peer, over all stripes.
    public func maximumDepth(of tree: TreeHandle) throws(TrackerError) -> Int {
        trees[try liveIndex(of: tree)].stripes.reduce(0) { max($0, Int($1.nodes[0].height)) }
    }

    /// Where a viewer hangs in a stripe.
    public func assignment(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> Assignment {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].assignment(of: index, stripe: stripe)
    }

    /// The parent of a peer; nil for the source and for a peer that waits for a slot.
    public func parent(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> PeerHandle? {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        let parent = trees[tree].stripes[stripe].nodes[Int(index)].parent
        return parent == SpanningTree.none ? nil : trees[tree].handle(of: parent)
    }

    /// The peer that stands by for another one, if any does.
    public func standby(of peer: PeerHandle) throws(TrackerError) -> PeerHandle? {
        let (tree, index) = try locate(peer)
        return trees[tree].standbys.standby(of: index).map { trees[tree].handle(of: $0) }
    }

    /// Whether the link of a peer to its parent is open.
    public func isAttached(_ peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> Bool {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].stripes[stripe].nodes[Int(index)].flags.contains(.attached)
    }

    /// The parent a peer is moving away from: it serves the peer until the new link is open.
    public func previousParent(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> PeerHandle? {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].heldParent(trees[tree].stripes[stripe].nodes[Int(index)]).map { trees[tree].handle(of: $0) }
    }

    /// The children of a peer, in no particular order.
    public func children(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> [PeerHandle] {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].stripes[stripe].children(of: index).map { trees[tree].handle(of: $0) }
    }

    /// Levels between a peer and the source.
    public func depth(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> Int {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].stripes[stripe].depth(of: index)
    }

    /// Children a peer takes in a stripe.
    public func capacity(of peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> Int {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return Int(trees[tree].stripes[stripe].nodes[Int(index)].capacity)
    }

    /// How many children a peer takes who get the whole stream from it: its slots in all stripes are so many times the
    /// stripes without parity.
    public func wholeCapacity(of peer: PeerHandle) throws(TrackerError) -> Int {
        let (tree, index) = try locate(peer)
        let slots = trees[tree].stripes.reduce(0) { $0 + Int($1.nodes[Int(index)].capacity) }
        return slots / trees[tree].layout.data
    }

    /// Calls `body` for every peer of a tree in the order in which they came, the source first.
    public func forEachPeer(
        of tree: TreeHandle,
        stripe: Int = 0,
        _ body: (PeerSummary) -> Void
    ) throws(TrackerError) {
        let broadcast = trees[try liveIndex(of: tree)]
        guard broadcast.stripes.indices.contains(stripe) else { throw .unknownStripe }
        var index: Int32 = 0
        while index != SpanningTree.none {
            let spanning = broadcast.stripes[broadcast.stripe(stripe, of: index)]
            let (record, node) = (broadcast.peers[Int(index)], spanning.nodes[Int(index)])
            body(
                PeerSummary(
                    peer: broadcast.handle(of: index),
                    parent: node.parent == SpanningTree.none ? nil : broadcast.handle(of: node.parent),
                    depth: spanning.depth(of: index),
                    isNative: record.isNative,
                    isAttached: node.flags.contains(.attached),
                    isSuspect: record.isSuspect
                )
            )
            index = record.next
        }
    }
}

/// One broadcast: its source and viewers, and a spanning tree per stripe.
///
/// A peer has the same index in the table of peers and in every stripe's nodes; index 0 is the source.
struct BroadcastTree {
    enum State: Equatable {
        /// In the tracker's free list.
        case free
        case live
        /// Over; `cursor` is the next peer to report as removed.
        case ending(TreeEndReason, cursor: Int)
    }

    let index: UInt32
    let generation: UInt32
    var state = State.free
    var peers: [PeerRecord] = []
    var firstFreePeer = SpanningTree.none
    /// Whoever came last. The first is the source.
    private(set) var lastPeer = SpanningTree.none
    var peerCount = 0
    var stripes: [SpanningTree] = []
    var layout = StripeLayout.single
    /// Slots offered by all viewers, per stripe: a newcomer becomes interior where the fewest are.
    var stripeCapacity: [Int] = []
    var nextOrdinal: UInt32 = 0
    var movesInFlight = 0
    /// Parents that failed a peer; only peers that ever reported one have an entry.
    var exclusions: [ExclusionKey: Exclusions] = [:]
    /// What speaks against a peer; only peers that were complained about have an entry.
    var blame: [Int32: Blame] = [:]
    /// Who is being asked whether it is there.
    var probes = Probes()
    /// Who has no vote against anybody for now.
    var votes = SpentVotes()
    /// Who stands by for whom.
    var standbys = StandbyTable()
    /// How long to look for a source whose signalling socket is gone.
    var search = SourceSearch()
    /// Viewers that get the whole stream of several stripes from one parent.
    var wholes = WholeViewers(stripes: 0)
    /// Peers that came back after the tracker had lost its memory and whose links are not settled yet.
    var restorations: [Int32: Restoration] = [:]

    init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    var handle: TreeHandle {
        TreeHandle(index: index, generation: generation)
    }

    func handle(of peer: Int32) -> PeerHandle {
        PeerHandle(
            tree: handle,
            index: UInt32(bitPattern: peer),
            generation: peers[Int(peer)].generation
        )
    }

    /// The table index behind a handle whose tree is this one, or nil if it is stale.
    func index(of peer: PeerHandle) -> Int32? {
        guard let index = Int32(exactly: peer.index), Int(index) < peers.count,
            peers[Int(index)].generation == peer.generation, peers[Int(index)].isOccupied
        else { return nil }
        return index
    }

    /// What the tracker would tell `peer` about its place in `stripe` now.
    func assignment(of peer: Int32, stripe: Int) -> Assignment {
        let tree = stripes[stripe]
        let node = tree.nodes[Int(peer)]
        let isPlaced = node.parent != SpanningTree.none
        // Only the source's children are told that they are on the first level: below a peer that waits for a parent it is
        // not known yet how many levels there are, but two at least.
        let least = node.parent == SpanningTree.source ? 1 : 2
        return Assignment(
            stripe: stripe,
            parent: isPlaced ? handle(of: node.parent) : nil,
            epoch: node.epoch,
            depth: isPlaced ? max(least, tree.depth(of: peer)) : 0,
            isAttached: node.flags.contains(.attached)
        )
    }

    // MARK: The table of peers

    /// Takes a place in the table and in every stripe, detached everywhere.
    ///
    /// - Parameter slots: How many it offers in a stripe.
    mutating func insertPeer(
        isNative: Bool,
        origin: UInt64?,
        at now: Instant,
        slots: (_ stripe: Int) -> Int
    ) -> Int32 {
        let index: Int32
        if firstFreePeer == SpanningTree.none {
            index = Int32(truncatingIfNeeded: peers.count)
            peers.appendGrowingByQuarters(PeerRecord())
        } else {
            index = firstFreePeer
            firstFreePeer = peers[Int(index)].next
        }
        peers[Int(index)].occupy(isNative: isNative, origin: origin, at: now)
        link(index)
        votes.arrive(index, origin: origin, at: now)
        standbys.insert(index)
        peerCount += 1
        for stripe in stripes.indices {
            var node = SpanningTreeNode()
            node.flags = isNative ? [.occupied, .native] : [.occupied]
            node.ordinal = nextOrdinal
            node.capacity = UInt16(clamping: slots(stripe))
            stripeCapacity[stripe] += Int(node.capacity)
            stripes[stripe].insert(node, at: index)
        }
        nextOrdinal &+= 1
        return index
    }

    /// Gives back the place of a peer that is detached and childless in every stripe.
    mutating func erasePeer(_ peer: Int32, at now: Instant) {
        for stripe in stripes.indices {
            stripeCapacity[stripe] -= Int(stripes[stripe].nodes[Int(peer)].capacity)
            stripes[stripe].remove(peer)
            exclusions[ExclusionKey(peer: peer, stripe: stripe)] = nil
        }
        if takesWhole(peer) { wholes.count -= 1 }
        votes.leave(peer, origin: peers[Int(peer)].origin, at: now)
        restorations[peer] = nil
        unlink(peer)
        peers[Int(peer)].vacate(next: firstFreePeer)
        firstFreePeer = peer
        peerCount -= 1
    }

    private mutating func link(_ peer: Int32) {
        peers[Int(peer)].previous = lastPeer
        peers[Int(peer)].next = SpanningTree.none
        if lastPeer != SpanningTree.none { peers[Int(lastPeer)].next = peer }
        lastPeer = peer
    }

    private mutating func unlink(_ peer: Int32) {
        let (previous, next) = (peers[Int(peer)].previous, peers[Int(peer)].next)
        if previous != SpanningTree.none { peers[Int(previous)].next = next }
        if next != SpanningTree.none { peers[Int(next)].previous = previous }
        if lastPeer == peer { lastPeer = previous }
    }

    /// A peer that was taken for a native one is not.
    mutating func setLegacy(_ peer: Int32) {
        peers[Int(peer)].isNative = false
        for stripe in stripes.indices {
            stripes[stripe].update(peer) { $0.flags.remove(.native) }
        }
    }

    /// Sets or clears the mark of a peer whose signalling socket is gone, in every stripe.
    mutating func setSuspect(_ peer: Int32, _ isSuspect: Bool) {
        peers[Int(peer)].isSuspect = isSuspect
        for stripe in stripes.indices {
            stripes[stripe].update(peer) { node in
                if isSuspect { node.flags.insert(.suspect) } else { node.flags.remove(.suspect) }
            }
        }
    }
}

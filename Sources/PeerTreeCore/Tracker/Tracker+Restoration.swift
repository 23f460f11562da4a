/// Rebuilding trees after the tracker has lost its memory, from what peers say who can prove that they were in them.
///
/// The caller has the proofs, knows which peer means which by its names, and calls ``reattach(_:to:stripe:isAnnounced:at:)``
/// only if parent and child name each other, or if it knows from elsewhere that the child is the source's. Peers may come back
/// in any order, and some never do.
extension Tracker {
    /// Begins a tree that existed before, without its source: a viewer was quicker.
    ///
    /// The tree ends unless the source is restored within ``TrackerOptions/sourceResumeWindow``.
    ///
    /// - Parameters:
    ///   - capacity: Children the source serves with the whole stream.
    ///   - stripes: The number of stripes, as it was granted.
    ///   - parity: How many of them carry parity, likewise.
    /// - Returns: The handle the source will have.
    /// - Throws: ``TrackerError/tooManyTrees(limit:)``, ``TrackerError/stripesOutOfRange(limit:)``,
    ///   ``TrackerError/parityOutOfRange(parity:stripes:)``.
    public mutating func restoreTree(
        capacity: Int,
        stripes: Int,
        parity: Int = 0,
        at now: Instant
    ) throws(TrackerError) -> PeerHandle {
        let layout = try checkedLayout(stripes: stripes, parity: parity)
        let index = try makeRoom(at: now)
        trees[index].beginWithoutSource(children: sourceChildren(capacity), layout: layout, &context)
        return trees[index].handle(of: SpanningTree.source)
    }

    /// The source of a tree made by ``restoreTree(capacity:stripes:parity:at:)`` is back.
    ///
    /// - Parameters:
    ///   - isNative: Whether it speaks our protocol, so that it can come back under a new socket.
    ///   - places: What it says of each stripe.
    /// - Throws: ``TrackerError/unknownTree``, ``TrackerError/unknownPeer``.
    public mutating func restoreSource(
        _ source: PeerHandle,
        isNative: Bool = true,
        places: [StripePlace],
        at now: Instant
    ) throws(TrackerError) {
        advance(to: now)
        let (tree, index) = try locate(source)
        guard index == SpanningTree.source, trees[tree].restorations[index] == nil else { throw .unknownPeer }
        trees[tree].restoreSource(isNative: isNative, places, &context)
    }

    /// Takes in a viewer that was in the tree before. In every stripe it has no parent yet: say where it belongs with
    /// ``reattach(_:to:stripe:isAnnounced:at:)`` or ``placeRestored(_:stripe:isAnnounced:at:)``. What has not been said
    /// within ``TrackerOptions/restoreWindow`` is decided by the tracker.
    ///
    /// A legacy viewer of a tree of several stripes has one place for all of them: speak of it as of stripe 0.
    ///
    /// - Parameters:
    ///   - isNative: Whether it speaks our protocol.
    ///   - capacity: Children it was granted in its interior stripe.
    ///   - interior: The stripe in which it takes children.
    ///   - places: What it says of each stripe.
    ///   - origin: As in ``Tracker/join(_:isNative:capacity:isLeaf:origin:at:)``.
    /// - Throws: ``TrackerError/unknownTree``, ``TrackerError/tooManyPeers(limit:)``.
    public mutating func restore(
        _ tree: TreeHandle,
        isNative: Bool = true,
        capacity: Int,
        interior: Int?,
        places: [StripePlace],
        origin: UInt64? = nil,
        at now: Instant
    ) throws(TrackerError) -> PeerHandle {
        advance(to: now)
        let index = try liveIndex(of: tree)
        let peer = try trees[index].restore(
            isNative: isNative,
            capacity: capacity,
            interior: interior,
            places: places,
            origin: origin,
            &context
        )
        return trees[index].handle(of: peer)
    }

    /// Links a restored peer that has no parent in `stripe` to the parent it had, which may be a source that is not
    /// back yet.
    ///
    /// - Parameter isAnnounced: Whether an output is to tell the peer.
    /// - Throws: ``TrackerError/notAChild`` if the peer has a parent, or they would be in a circle or too deep;
    ///   ``TrackerError/treeFull`` if the parent has no slot for it; and those of stale handles.
    public mutating func reattach(
        _ peer: PeerHandle,
        to parent: PeerHandle,
        stripe: Int,
        isAnnounced: Bool,
        at now: Instant
    ) throws(TrackerError) {
        advance(to: now)
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        guard parent.tree == peer.tree, let parentIndex = trees[tree].index(of: parent) else { throw .unknownPeer }
        if trees[tree].takesWhole(index) {
            try trees[tree].reattachWhole(index, to: parentIndex, isAnnounced: isAnnounced, &context)
        } else {
            try trees[tree].reattach(index, to: parentIndex, stripe: stripe, isAnnounced: isAnnounced, &context)
        }
    }

    /// Gives a restored peer a new parent in `stripe`. Does nothing if that is settled already.
    ///
    /// - Parameter isAnnounced: Whether an output is to tell the peer.
    public mutating func placeRestored(
        _ peer: PeerHandle,
        stripe: Int,
        isAnnounced: Bool,
        at now: Instant
    ) throws(TrackerError) {
        advance(to: now)
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        trees[tree].placeRestored(index, stripe: stripe, isAnnounced: isAnnounced, &context)
    }

    /// Whether a restored peer has no parent in `stripe` because it is not known yet whether the one it had comes back.
    public func isRestoring(_ peer: PeerHandle, stripe: Int = 0) throws(TrackerError) -> Bool {
        let (tree, index, stripe) = try locate(peer, stripe: stripe)
        return trees[tree].restorations[index]?.isPending(stripe) ?? false
    }

    /// The stripe in which a peer takes children, or nil if it takes none. A source takes them in all.
    public func interiorStripe(of peer: PeerHandle) throws(TrackerError) -> Int? {
        let (tree, index) = try locate(peer)
        return trees[tree].stripes.indices.first { trees[tree].stripes[$0].nodes[Int(index)].capacity > 0 }
    }
}

/// Handing a tree to another tracker.
extension Tracker {
    /// A tree as it is now, and its peers in the order in which they are in it; nil while it is being rebuilt.
    ///
    /// - Throws: ``TrackerError/unknownTree``.
    public func snapshot(
        of tree: TreeHandle,
        at now: Instant
    ) throws(TrackerError) -> (tree: TreeSnapshot, peers: [PeerHandle])? {
        trees[try liveIndex(of: tree)].snapshot(at: max(context.now, now))
    }

    /// Goes on with a tree that another tracker has had. What follows from what it finds, such as places for those who wait
    /// for one, is output.
    ///
    /// - Returns: the peers, in the order in which they are in the snapshot.
    /// - Throws: ``TrackerError/unsoundSnapshot``, ``TrackerError/tooManyTrees(limit:)``,
    ///   ``TrackerError/tooManyPeers(limit:)``.
    public mutating func adopt(_ snapshot: TreeSnapshot, at now: Instant) throws(TrackerError) -> [PeerHandle] {
        let index = try insert(snapshot, at: now)
        trees[index].settle(&context)
        return snapshot.peers.indices.map { trees[index].handle(of: Int32(truncatingIfNeeded: $0)) }
    }

    /// Takes the tree as it is.
    ///
    /// - Returns: its place in the table.
    mutating func insert(_ snapshot: TreeSnapshot, at now: Instant) throws(TrackerError) -> Int {
        let layout = snapshot.layout
        guard layout == (try? checkedLayout(stripes: layout.stripes, parity: layout.parity)),
            snapshot.isSound(options)
        else { throw .unsoundSnapshot }
        guard snapshot.peers.count <= options.maximumPeersPerTree else {
            throw .tooManyPeers(limit: options.maximumPeersPerTree)
        }
        let index = try makeRoom(at: now)
        trees[index].adopt(snapshot, &context)
        return index
    }

    /// Forgets a tree that goes on elsewhere, and tells nobody.
    ///
    /// - Throws: ``TrackerError/unknownTree``.
    public mutating func drop(_ tree: TreeHandle) throws(TrackerError) {
        let index = try liveIndex(of: tree)
        trees[index].drop(&context)
        free(index)
    }
}

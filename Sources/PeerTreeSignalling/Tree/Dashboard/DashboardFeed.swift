import PeerTreeCore

/// A watcher: who asks chooses the number.
struct WatcherID: Hashable {
    let gateway: GatewayID
    let number: Int
}

/// Who watches which tree, and what has changed there since each of them last looked.
///
/// A change costs O(1) for each watcher of its tree, and nothing in trees that nobody watches. A watcher that looks
/// rarely gets the latest state of each peer, not what lay between; one that begins to watch finds every peer changed.
struct DashboardFeed: Sendable {
    /// One watcher.
    struct Watcher: Sendable {
        let tree: TreeHandle
        /// Peers that have changed, and which of them are still to be told.
        fileprivate var queue: [PeerHandle] = []
        fileprivate var head = 0
        fileprivate var changed: Set<PeerHandle> = []
        fileprivate var gone: [String] = []
        fileprivate var sequence: UInt64 = 0
        fileprivate var isOver = false
    }

    /// What a watcher takes away.
    struct Batch: Sendable {
        let tree: TreeHandle
        var sequence: UInt64
        var changed: [PeerHandle] = []
        var gone: [String] = []
        /// Whether nothing more has changed.
        var isComplete = true
        /// Whether there will be no further batch.
        var isOver = false
    }

    private var watchers: [WatcherID: Watcher] = [:]
    private var watchersByTree: [TreeHandle: [WatcherID]] = [:]

    /// Begins to watch a tree whose peers are `peers`; whatever the watcher watched before, it does no more.
    mutating func add(_ id: WatcherID, _ tree: TreeHandle, peers: [PeerHandle]) {
        remove(id)
        var watcher = Watcher(tree: tree)
        watcher.queue = peers
        watcher.changed = Set(peers)
        watchers[id] = watcher
        watchersByTree[tree, default: []].append(id)
    }

    mutating func remove(_ id: WatcherID) {
        guard let watcher = watchers.removeValue(forKey: id) else { return }
        watchersByTree[watcher.tree]?.removeAll { $0 == id }
        if watchersByTree[watcher.tree]?.isEmpty ?? false { watchersByTree[watcher.tree] = nil }
    }

    /// A node is gone, and the watchers of its gateways with it.
    mutating func removeAll(of node: NodeSession) {
        for id in watchers.keys where id.gateway.node == node { remove(id) }
    }

    /// Notes that a peer is there, hangs elsewhere, or reports other figures.
    mutating func changed(_ peer: PeerHandle) {
        guard !watchersByTree.isEmpty, let ids = watchersByTree[peer.tree] else { return }
        for id in ids where watchers[id]?.changed.insert(peer).inserted ?? false {
            watchers[id]?.queue.append(peer)
        }
    }

    /// Notes that a peer is no more.
    ///
    /// - Parameter limit: Departures that may wait for a watcher; one that has more is dropped.
    mutating func gone(_ peer: PeerHandle, label: String, limit: Int) {
        guard !watchersByTree.isEmpty, let ids = watchersByTree[peer.tree] else { return }
        for id in ids {
            watchers[id]?.changed.remove(peer)
            watchers[id]?.gone.append(label)
            if watchers[id]?.gone.count ?? 0 > limit { over(id) }
        }
    }

    /// Notes that a tree is over.
    mutating func ended(_ tree: TreeHandle) {
        for id in watchersByTree[tree] ?? [] { over(id) }
    }

    /// Notes that a gateway is about to stop.
    mutating func endAll(of gateway: GatewayID) {
        for id in watchers.keys where id.gateway == gateway { over(id) }
    }

    private mutating func over(_ id: WatcherID) {
        guard let tree = watchers[id]?.tree, let sequence = watchers[id]?.sequence else { return }
        watchers[id] = Watcher(tree: tree, sequence: sequence, isOver: true)
    }

    /// What has changed for a watcher, at most `limit` peers of it; nil if there is no such watcher.
    mutating func take(_ id: WatcherID, limit: Int) -> Batch? {
        guard var watcher = watchers[id] else { return nil }
        watcher.sequence += 1
        var batch = Batch(tree: watcher.tree, sequence: watcher.sequence)
        batch.isOver = watcher.isOver
        batch.gone = watcher.gone
        watcher.gone = []
        while watcher.head < watcher.queue.count, batch.changed.count < limit {
            let peer = watcher.queue[watcher.head]
            watcher.head += 1
            if watcher.changed.remove(peer) != nil { batch.changed.append(peer) }
        }
        batch.isComplete = watcher.head == watcher.queue.count
        if batch.isComplete || watcher.head > 65_536 {
            watcher.queue.removeFirst(watcher.head)
            watcher.head = 0
        }
        watchers[id] = watcher
        return batch
    }
}

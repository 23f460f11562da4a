import PeerTreeCore
import Synchronization

/// What all gateways and tree services of a process hold together, and what other nodes of its cluster hold. It is what they
/// share, and all they share.
package struct SharedLimits: Sendable {
    let addresses: AddressLimits
    /// ``SignallingOptions/maximumPeers``, sources included, of the cluster.
    let peers: Quota
    /// `TrackerOptions.maximumTrees`, of the cluster.
    let trees: Quota
    /// ``SignallingOptions/maximumWaitingJoins``.
    let waiting: Quota

    package init(_ options: SignallingOptions) {
        addresses = AddressLimits(options)
        peers = Quota(limit: options.maximumPeers)
        trees = Quota(limit: options.tracker.maximumTrees)
        waiting = Quota(limit: options.maximumWaitingJoins)
    }
}

/// How many of something all tree services have together, and how many they may.
final class Quota: Sendable {
    private let used = Atomic<Int>(0)
    /// What other nodes have, as they said last. Never negative.
    private let elsewhere = Atomic<Int>(0)
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    /// Whether one more may be there. Services that ask in the same instant may all be told so.
    ///
    /// - Parameter uncounted: What the one who asks has and has not counted yet.
    func hasRoom(beside uncounted: Int) -> Bool {
        used.load(ordering: .relaxed) + uncounted < limit - elsewhere.load(ordering: .relaxed)
    }

    func count(_ change: Int) {
        guard change != 0 else { return }
        used.add(change, ordering: .relaxed)
    }

    func count(elsewhere count: Int) {
        elsewhere.store(max(0, count), ordering: .relaxed)
    }
}

/// What one tree service has, as it was last counted.
struct QuotaShare {
    private let limits: SharedLimits
    private var peers = 0
    private var trees = 0
    private var waiting = 0

    init(of limits: SharedLimits) {
        self.limits = limits
    }

    /// Whether there may be one more peer beside the `count` that the service has now.
    func hasRoom(forPeerBeside count: Int) -> Bool { limits.peers.hasRoom(beside: count - peers) }

    func hasRoom(forTreeBeside count: Int) -> Bool { limits.trees.hasRoom(beside: count - trees) }

    func hasRoom(forJoinBeside count: Int) -> Bool { limits.waiting.hasRoom(beside: count - waiting) }

    /// Other nodes have these. It is the same for all services.
    func count(elsewhere: LoadElsewhere) {
        limits.peers.count(elsewhere: elsewhere.peers)
        limits.trees.count(elsewhere: elsewhere.trees)
    }

    mutating func count(peers: Int, trees: Int, waiting: Int) {
        limits.peers.count(peers - self.peers)
        limits.trees.count(trees - self.trees)
        limits.waiting.count(waiting - self.waiting)
        self.peers = peers
        self.trees = trees
        self.waiting = waiting
    }
}

/// What the other nodes of a cluster have together, as each said last.
package struct LoadElsewhere: Equatable, Sendable {
    package var trees: Int
    /// Sources included.
    package var peers: Int

    package static let none = LoadElsewhere(trees: 0, peers: 0)

    package init(trees: Int, peers: Int) {
        self.trees = trees
        self.peers = peers
    }
}

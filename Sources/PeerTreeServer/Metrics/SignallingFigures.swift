import PeerTreeCore
import PeerTreeSignalling

/// What signalling services hold and have done: one, or several together.
struct SignallingFigures: Sendable {
    /// Connected sockets.
    var clients = 0
    var trees = 0
    /// Sources included.
    var peers = 0
    /// Levels below the source of the deepest tree.
    var maximumDepth = 0
    /// Joins that wait for trees of an earlier run.
    var waiting = 0
    var tracker = TrackerStatistics()
    /// How many events of each name came.
    var events: [String: UInt64] = [:]
    /// How many inputs were refused, by code.
    var refusals: [String: UInt64] = [:]

    /// Of none.
    init() {}

    init(_ service: SignallingService) {
        clients = service.gateway.clientCount
        trees = service.tree.treeCount
        peers = service.tree.peerCount
        maximumDepth = service.tree.maximumDepth
        waiting = service.tree.waitingCount
        tracker = service.tree.trackerStatistics
        events = service.gateway.events
        refusals = service.gateway.refusals
    }

    mutating func add(_ other: SignallingFigures) {
        clients += other.clients
        trees += other.trees
        peers += other.peers
        maximumDepth = max(maximumDepth, other.maximumDepth)
        waiting += other.waiting
        tracker.add(other.tracker)
        events.merge(other.events, uniquingKeysWith: +)
        refusals.merge(other.refusals, uniquingKeysWith: +)
    }
}

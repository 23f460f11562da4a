import NodeLinks
import PeerTreeCore
import PeerTreeSignalling

import struct NodeLinks.LinkID

@testable import PeerTreeCluster

/// One server, which may be dead, or stand still.
struct WorldNode {
    let name: NodeName
    /// Counts its processes.
    var life = 0
    /// nil while it is dead.
    var process: WorldProcess?
    /// It stands still, as after SIGSTOP.
    var stoppedUntil = Instant.zero
    /// What it handles then, in its order.
    var held: [(NodeWorld.Address, NodeWorld.Message)] = []
    /// It does not reach etcd.
    var cutOffUntil = Instant.zero
}

/// What handles its messages in their order, as an event loop or an actor does.
enum Executor: Hashable {
    case cluster
    case ownership
    case loop(Int)
}

/// One life of a server: the machines that its drivers drive, and the links that it keeps.
struct WorldProcess {
    let id: NodeID
    var cluster: ClusterNode
    var ownership: SlotOwnership
    var loops: [SignallingService]
    var links: [Int: LinkEnd] = [:]
    /// When the newest of an executor's messages is handled.
    var busyUntil: [Executor: Instant] = [:]
    /// For when each executor has set its timer.
    var wakes: [Executor: Instant] = [:]
    /// Since when it gives its slots away; nil if it is not told to stop.
    var leavesSince: Instant?
    /// Its ownership is ended: it has given all away, or time was up.
    var hasLeft = false
}

/// What one node knows of its link to another.
struct LinkEnd {
    /// nil before anything was told of it.
    var isReachable: Bool?
    var session: LinkID?
    /// Since when nothing was heard.
    var silentSince: Instant
    /// When the last of what is under way to this end arrives.
    var arrivedAt = Instant.zero
    /// Frames for the other end that wait for a connection.
    var waiting: [[UInt8]] = []
}

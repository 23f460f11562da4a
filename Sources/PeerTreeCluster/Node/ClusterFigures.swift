package import NodeLinks
import PeerTreeCore

/// How often what an operator should watch has happened at a node.
package struct ClusterCounts: Equatable, Sendable {
    /// Slots whose term has grown: they have another owner, or the same one anew.
    package var termChanges: UInt64 = 0
    /// Slots that other nodes have handed to this one with all that they knew of them.
    package var inherited: UInt64 = 0
    /// Connections of links that were refused, by this node or another.
    package var refusals: UInt64 = 0
    /// Sessions with other nodes that are over, so that both were told all anew.
    package var lostSessions: UInt64 = 0
    /// Frames and messages of other nodes that were left out.
    package var unreadable: UInt64 = 0

    mutating func count(_ notice: ClusterNotice) {
        switch notice {
        case .refused: refusals += 1
        case .sessionLost: lostSessions += 1
        case .unreadable: unreadable += 1
        default: break
        }
    }
}

/// A node's figures, for metrics.
package struct ClusterFigures: Sendable {
    /// That can be spoken to, this one included.
    package var nodes: Int
    /// That it owns.
    package var slots: Int
    package var isConfirmed: Bool
    /// How long it was not confirmed.
    package var unconfirmedSeconds: UInt64
    package var counts: ClusterCounts
    package var links: LinkFigures
}

/// How long a node has not been certain of its lease.
struct UnconfirmedTime {
    /// Since when it is uncertain; nil while it is certain.
    private var since: Instant?
    /// Nanoseconds until then.
    private var before: UInt64 = 0

    /// Until etcd has granted a lease there is none.
    init(at start: Instant) { since = start }

    mutating func confirmed(_ isConfirmed: Bool, at now: Instant) {
        before = nanoseconds(at: now)
        since = isConfirmed ? nil : now
    }

    func nanoseconds(at now: Instant) -> UInt64 {
        guard let since, now > since else { return before }
        return before &+ (now.nanoseconds - since.nanoseconds)
    }
}

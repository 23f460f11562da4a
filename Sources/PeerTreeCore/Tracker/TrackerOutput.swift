/// Where a peer hangs in one stripe.
public struct Assignment: Equatable, Sendable {
    /// The stripe this is about.
    public var stripe: Int
    /// The peer to connect to, or nil while no slot is free for this peer.
    public var parent: PeerHandle?
    /// Grows by one with every assignment of this peer in this stripe, from 1.
    public var epoch: UInt32
    /// Levels below the source; 1 is a child of the source. Zero while there is no parent.
    public var depth: Int
    /// Whether the link of this assignment was reported open.
    public var isAttached: Bool
}

/// Why a peer was given a parent.
public enum AssignmentReason: Equatable, Sendable {
    /// It joined, or discovered its tree again.
    case joined
    /// Its parent said that it leaves.
    case parentLeft
    /// Its parent vanished, was reported dead, or was evicted.
    case parentLost
    /// It takes the place of a departed interior peer.
    case promoted
    /// A better place became free, or the move to one failed and it goes back; or its place went to a peer that brings
    /// slots, or its parent is needed in another stripe.
    case rebalanced
    /// It said that its parent does not serve it.
    case refused
    /// Its children complained; it is a leaf for a while.
    case evicted
    /// Both it and the parent it had came back to a tracker that had lost its memory.
    case restored
}

extension LossReason {
    /// Whether this says that the parent does not do what it should.
    var isComplaint: Bool {
        switch self {
        case .silent, .notForwarding, .forged: true
        case .refused, .unreachable, .closed, .slow: false
        }
    }

    /// Whether no link came about.
    var isRefusal: Bool { self == .refused || self == .unreachable }

    /// Whether the parent may be gone without its socket's end having been seen.
    var mayMeanDeath: Bool { self == .silent || self == .unreachable || self == .notForwarding }
}

/// Why a peer is no longer in its tree.
public enum RemovalReason: Equatable, Sendable {
    /// It left.
    case left
    /// Its signalling socket did not come back, or a neighbour reported its link dead meanwhile.
    case vanished
    /// It did not attach in time.
    case attachTimeout
    /// The whole tree ended.
    case treeEnded(TreeEndReason)
}

/// Why a tree is over.
public enum TreeEndReason: Equatable, Sendable {
    /// The source left.
    case sourceLeft
    /// The source vanished.
    case sourceLost
    /// The operator ended it.
    case ended
}

/// What the driver of a ``Tracker`` must tell the peers.
public enum TrackerOutput: Equatable, Sendable {
    /// `peer` has a new parent, or none yet (`assignment.parent` is nil) because no slot is free.
    case assign(peer: PeerHandle, assignment: Assignment, reason: AssignmentReason)
    /// `child` may link to `parent` for `stripe`, or for all of them if it is a legacy one. Comes before the child is told;
    /// may be said more than once.
    case admit(parent: PeerHandle, child: PeerHandle, stripe: Int)
    /// `child` is no longer a child of `parent` in `stripe`.
    case childGone(parent: PeerHandle, child: PeerHandle, stripe: Int)
    /// `ward` may link to `standby`, and turn to it should its parent fail. Comes before the ward is told; may be said
    /// more than once.
    case admitWard(standby: PeerHandle, ward: PeerHandle)
    /// `standby` does not stand by for `ward` any more. Not said where it becomes its parent.
    case wardGone(standby: PeerHandle, ward: PeerHandle)
    /// `peer` has another standby, or none for now. Being given the standby as parent ends its being one, too.
    case standby(peer: PeerHandle, standby: PeerHandle?)
    /// The signalling of `neighbour` is gone; `peer` should say so if its link to it is dead too.
    case suspect(peer: PeerHandle, neighbour: PeerHandle)
    /// `peer` is said to be silent: ask it over its socket, and report ``Tracker/Input/signallingLost(_:)`` unless it
    /// answers within a second.
    case probe(peer: PeerHandle)
    /// The signalling socket of `source` has not come back, and its tree is about to end: ask viewers whether they have word of
    /// the source, and report ``Tracker/Input/sourceHeard(_:)`` if they have. Said ``SourceSearch/rounds`` times, until the end.
    case sourceMissed(source: PeerHandle)
    /// `peer` is no longer in its tree and its handle is void.
    case removed(peer: PeerHandle, reason: RemovalReason)
    /// `peer` takes fewer children than before, or as many as it offered again, or takes them in another stripe: what it was
    /// given to come back with is out of date.
    case capacityChanged(peer: PeerHandle)
    /// All links of a peer that came back to a tracker that had lost its memory are settled.
    case restored(peer: PeerHandle)
    /// The tree is over. Follows the `removed` of each of its peers.
    case treeEnded(tree: TreeHandle, reason: TreeEndReason)
}

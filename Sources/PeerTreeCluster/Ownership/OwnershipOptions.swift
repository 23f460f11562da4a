package import PeerTreeCore
package import PeerTreeSignalling

/// How a node owns slots.
package struct OwnershipOptions: Sendable {
    /// What the cluster's keys begin with. Default `/peer-tree`.
    package var prefix = "/peer-tree"
    /// For how many seconds a node that says nothing keeps its slots: at least 2, which is etcd's shortest. Default 5.
    package var leaseSeconds: Int64 = 5
    /// For how long a node must not have been reached before what it owned is claimed. Default 1 s.
    package var reachPatience = TimeSpan.seconds(1)
    /// How long a slot is left to the node that should claim it. Default 2 s.
    package var claimPatience = TimeSpan.seconds(2)
    /// How long the node a slot is offered to may take. Default 3 s.
    package var offerPatience = TimeSpan.seconds(3)
    /// How many slots a node offers at a time. Default 16.
    package var movesAtOnce = 16
    /// The same for one that is about to stop. Default 32: each is frozen from its offer until it is taken.
    package var movesAtLeaving = 32
    /// How many transactions are on their way at a time. Default 32.
    package var callsAtOnce = 32
    /// The Unix time, in milliseconds, at which the clock of the inputs stood at zero. What makes a new incarnation higher
    /// than those of stores that nobody remembers. Default 0.
    package var unixMillisecondsAtZero: Int64 = 0
    /// The slots there are. Default all; fewer in tests.
    package var slots = Slot.inOrder

    /// The defaults.
    package init() {}
}

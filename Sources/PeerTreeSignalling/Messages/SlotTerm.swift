/// From when to when a slot has one owner: each has a greater term than the one before it, so that whoever has heard of the
/// greater one takes no word of the smaller. Clients treat it as something that only grows.
///
/// In a cluster both numbers are etcd's. A server that is one node has its time of start as incarnation.
package struct SlotTerm: Hashable, Comparable, Sendable {
    /// Which of etcd's histories ``revision`` belongs to: nodes raise it when etcd was wiped or restored. At least 0.
    package var incarnation: Int64
    /// The revision at which the slot's key was written last: it is written when the slot changes its owner, when an owner
    /// takes it back whose lease was lost, and when an offer to another node is withdrawn. At least 0.
    package var revision: Int64

    /// Smaller than all that owners have.
    package static let none = SlotTerm(incarnation: 0, revision: 0)

    package init(incarnation: Int64, revision: Int64) {
        self.incarnation = incarnation
        self.revision = revision
    }

    /// The term of a server that is one node and has all slots: greater than those of its earlier runs, and of a cluster that
    /// was made before.
    ///
    /// - Parameter milliseconds: Since 1970, when it was started.
    package init(startedAt milliseconds: UInt64) {
        self.init(incarnation: Int64(min(milliseconds, 1 << 50)) << 10, revision: 0)
    }

    package static func < (left: SlotTerm, right: SlotTerm) -> Bool {
        (left.incarnation, left.revision) < (right.incarnation, right.revision)
    }
}

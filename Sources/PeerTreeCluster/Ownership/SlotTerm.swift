/// From when to when a node owns a slot: a later owner has a higher one, so that whoever has heard of the higher term takes
/// no word of the lower. Peers treat both numbers, and what their owner counts within the term, as one that only grows.
package struct SlotTerm: Hashable, Comparable, Sendable {
    /// Which of etcd's histories ``revision`` belongs to: nodes raise it when etcd was wiped or restored.
    package var incarnation: Int64
    /// The revision at which the slot's key was written last: it is written when the slot changes its owner, when an owner
    /// takes it back whose lease was lost, and when an offer to another node is withdrawn.
    package var revision: Int64

    package init(incarnation: Int64, revision: Int64) {
        self.incarnation = incarnation
        self.revision = revision
    }

    package static func < (left: SlotTerm, right: SlotTerm) -> Bool {
        (left.incarnation, left.revision) < (right.incarnation, right.revision)
    }
}

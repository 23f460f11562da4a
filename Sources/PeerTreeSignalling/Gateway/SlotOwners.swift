/// Who has a slot, and in which term.
package struct SlotOwner: Hashable, Comparable, Sendable {
    package var node: NodeSession
    package var term: SlotTerm

    package init(_ node: NodeSession, term: SlotTerm) {
        self.node = node
        self.term = term
    }

    package static func < (left: SlotOwner, right: SlotOwner) -> Bool {
        (left.term, left.node) < (right.term, right.node)
    }
}

/// Who has each slot, as far as a gateway has heard: to whom it speaks, and whom it believes.
struct SlotOwners {
    /// By the slot's number; nil for one of which nothing was heard yet.
    private var owners: [SlotOwner?]

    /// - Parameter owner: Who has all slots; nil if that is yet to be heard.
    init(all owner: SlotOwner?) {
        owners = Array(repeating: owner, count: Slot.count)
    }

    /// Who has a tree.
    ///
    /// - Parameter tree: Its id.
    func owner(ofTree tree: String) -> NodeSession? { owners[Int(Slot(ofTree: tree).number)]?.node }

    /// Whether something is said in the name of the owner that is known, or of one that comes after it.
    func believe(_ fence: FencingToken) -> Bool {
        owners[Int(fence.slot.number)].map { $0.term <= fence.term } ?? true
    }

    /// Whether each has an owner.
    var areKnown: Bool { owners.allSatisfy { $0 != nil } }

    /// Notes who has slots now. Terms smaller than what is known are out of date; in the same term it is news if the owner's
    /// node is reached anew.
    ///
    /// - Returns: the slots for which it is news.
    mutating func learn(_ news: [Slot: SlotOwner]) -> Set<Slot> {
        let newer = news.filter { slot, owner in owners[Int(slot.number)].map { $0 < owner } ?? true }
        for (slot, owner) in newer { owners[Int(slot.number)] = owner }
        return Set(newer.keys)
    }
}

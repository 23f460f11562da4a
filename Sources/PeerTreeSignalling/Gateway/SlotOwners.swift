/// Names a tree service among those that gateways talk to.
package struct ServiceID: Hashable, Sendable {
    package var number: UInt32

    package init(_ number: UInt32) {
        self.number = number
    }
}

/// Who has a slot, and in which term.
package struct SlotOwner: Hashable, Sendable {
    package var service: ServiceID
    package var term: UInt64

    package init(_ service: ServiceID, term: UInt64) {
        self.service = service
        self.term = term
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
    func owner(ofTree tree: String) -> ServiceID? { owners[Int(Slot(ofTree: tree).number)]?.service }

    /// Whether something is said in the name of the owner that is known, or of one that comes after it.
    func believe(_ fence: FencingToken) -> Bool {
        owners[Int(fence.slot.number)].map { $0.term <= fence.term } ?? true
    }

    /// Notes who has slots now. Terms that are not greater than what is known are out of date.
    ///
    /// - Returns: the slots for which it is news.
    mutating func learn(_ news: [Slot: SlotOwner]) -> Set<Slot> {
        let newer = news.filter { slot, owner in owners[Int(slot.number)].map { $0.term < owner.term } ?? true }
        for (slot, owner) in newer { owners[Int(slot.number)] = owner }
        return Set(newer.keys)
    }
}

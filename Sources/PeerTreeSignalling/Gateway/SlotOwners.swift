/// Who has a slot, and in which term.
package struct SlotOwner: Hashable, Comparable, Sendable {
    package var node: NodeSession
    package var term: SlotTerm
    /// The term of the owner before it, if it knows all that that one knew.
    package var inherited: SlotTerm?

    package init(_ node: NodeSession, term: SlotTerm, inherited: SlotTerm? = nil) {
        self.node = node
        self.term = term
        self.inherited = inherited
    }

    package static func < (left: SlotOwner, right: SlotOwner) -> Bool {
        (left.term, left.node) < (right.term, right.node)
    }
}

/// Who has each slot, as far as a gateway has heard: to whom it speaks, and whom it believes.
struct SlotOwners {
    /// By the slot's number; nil for one of which nothing was heard yet.
    private var owners: [SlotOwner?]
    /// What is to be said of slots that are frozen.
    private var holds: [Slot: Hold] = [:]

    private struct Hold {
        /// In which the slot was frozen.
        let term: SlotTerm
        var messages: [ToTree] = []
    }

    /// What is kept for an owner to come, at most.
    private static let mostHeld = 65_536

    /// What follows from it that slots have other owners.
    struct News {
        /// Their owners know nobody here yet.
        var anew: Set<Slot> = []
        /// Their owners know all that was said to the ones before them.
        var whole: Set<Slot> = []
        /// What was kept back, in its order.
        var held: [ToTree] = []
    }

    /// - Parameter owner: Who has all slots; nil if that is yet to be heard.
    init(all owner: SlotOwner?) {
        owners = Array(repeating: owner, count: Slot.count)
    }

    /// Who has a slot.
    func owner(of slot: Slot) -> NodeSession? { owners[Int(slot.number)]?.node }

    /// Whether something is said in the name of the owner that is known, or of one that comes after it.
    func believe(_ fence: FencingToken) -> Bool {
        owners[Int(fence.slot.number)].map { $0.term <= fence.term } ?? true
    }

    /// Whether each has an owner.
    var areKnown: Bool { owners.allSatisfy { $0 != nil } }

    /// Notes who has slots now. Terms smaller than what is known are out of date; in the same term it is news if the owner's
    /// node is reached anew.
    ///
    /// - Returns: what follows from that.
    mutating func learn(_ news: [Slot: SlotOwner]) -> News {
        var result = News()
        for (slot, owner) in news.sorted(by: { $0.key.number < $1.key.number }) {
            let known = owners[Int(slot.number)]
            if let known, owner <= known { continue }
            owners[Int(slot.number)] = owner
            let hold = holds.removeValue(forKey: slot)
            // What is on the way to the one before is lost, unless that is the same one or was waited for.
            let isOnTheWay = known?.node != owner.node && hold?.term != known?.term
            if let known, owner.inherited == known.term, !isOnTheWay {
                result.whole.insert(slot)
                result.held += hold?.messages ?? []
            } else {
                result.anew.insert(slot)
                // Members are announced, and whoever waits for an answer asks again.
                result.held += (hold?.messages ?? []).filter { if case .event = $0 { true } else { false } }
            }
        }
        return result
    }

    // MARK: Slots that are frozen

    /// Whether there is something that a message could be kept for.
    var isAnyHeld: Bool { !holds.isEmpty }

    mutating func hold(_ fence: FencingToken) {
        holds[fence.slot] = Hold(term: fence.term)
    }

    /// Keeps what is to be said of a slot that is frozen. What is too much is not kept, so that the next owner hears all anew.
    ///
    /// - Returns: whether it is.
    mutating func keep(_ message: ToTree, of slot: Slot) -> Bool {
        guard var hold = holds.removeValue(forKey: slot), hold.messages.count < Self.mostHeld else { return false }
        hold.messages.append(message)
        holds[slot] = hold
        return true
    }

    /// The slot stays with its owner.
    ///
    /// - Returns: what is to be said to it.
    mutating func carryOn(_ slot: Slot) -> [ToTree] { holds.removeValue(forKey: slot)?.messages ?? [] }
}

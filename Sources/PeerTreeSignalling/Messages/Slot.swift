/// One of the parts into which the trees of all servers fall, by a hash of their id: the unit in which trees are spread
/// over tree services.
package struct Slot: Hashable, Sendable {
    /// From 0 to ``count`` - 1.
    package let number: UInt16

    /// How many there are, whatever the number of services.
    package static let count = 1_024

    package static let all = Set((0..<count).map { Slot(number: UInt16($0)) })

    /// A slot by its number, modulo ``count``.
    package init(number: UInt16) {
        self.number = number % UInt16(Self.count)
    }

    /// The slot of a tree: FNV-1a (Fowler, Noll and Vo) of its id, in 64 bits, of which the upper half is folded in. Whoever
    /// chooses ids can choose slots; what one client may do with that its limits say.
    package init(ofTree id: String) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        number = UInt16(truncatingIfNeeded: (hash ^ hash >> 32) % UInt64(Self.count))
    }
}

/// In whose name something is said: by the owner of a slot in this term. Who knows of a greater term of the slot passes it
/// over, so that an owner that was replaced and does not know it does no harm (a fencing token, as locks have them).
package struct FencingToken: Hashable, Sendable {
    package var slot: Slot
    package var term: SlotTerm

    package init(slot: Slot, term: SlotTerm) {
        self.slot = slot
        self.term = term
    }
}

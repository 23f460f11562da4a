/// One peer in one stripe.
struct SpanningTreeNode {
    /// The best free slot in the subtree, seen from this node.
    private(set) var bestSlot = SlotKey.none
    private(set) var bestSlotChild = SpanningTree.none
    private(set) var leafChild = SpanningTree.none
    private(set) var leafHeight: Int32 = -1
    private(set) var height: Int32 = 0

    var parent = SpanningTree.none
    var firstChild = SpanningTree.none
    var nextSibling = SpanningTree.none
    var previousSibling = SpanningTree.none

    /// The parent this peer still gets the stream from while it attaches to its new one, and which keeps the slot.
    var heldParent = SpanningTree.none
    var heldParentGeneration: UInt32 = 0
    /// The timer that runs until the peer attaches.
    var attachTimer = TimerQueue.none
    /// Counts the assignments.
    var epoch: UInt32 = 0
    /// When the link of an assignment was last reported open.
    var fedAt = Instant.zero
    /// When the peer arrived, relative to the others.
    var ordinal: UInt32 = 0

    /// Slots offered in this stripe.
    var capacity: UInt16 = 0
    var childCount: UInt16 = 0
    /// Slots taken without a child of their own: kept for children that are on their way to another parent, or what a child
    /// takes beyond one that gets the whole stream here.
    var heldSlots: UInt16 = 0
    private(set) var leafCapacity: UInt16 = 0
    private(set) var feeders = FeederSummary()
    /// How often children were lost or complained, less what has gone well since.
    var failures: UInt8 = 0
    var flags: Flags = []

    struct Flags: OptionSet {
        let rawValue: UInt16
        /// The node is in use.
        static let occupied = Flags(rawValue: 1 << 0)
        /// The peer speaks our protocol, so it can be told to move.
        static let native = Flags(rawValue: 1 << 1)
        /// The link of the current assignment was reported open.
        static let attached = Flags(rawValue: 1 << 2)
        /// The peer's signalling socket is gone: no new children, no moves.
        static let suspect = Flags(rawValue: 1 << 3)
        /// Passed over by the search under way.
        static let blocked = Flags(rawValue: 1 << 4)
        /// A move failed: not tried again until the peer gets another parent for another reason.
        static let pinned = Flags(rawValue: 1 << 5)
        /// Is one of the moves in flight.
        static let rebalancing = Flags(rawValue: 1 << 6)
        /// Has no parent, and is in the waiting list.
        static let waiting = Flags(rawValue: 1 << 7)
        /// Discovered its tree again and has not attached since.
        static let rejoined = Flags(rawValue: 1 << 8)
        /// Several peers could not connect to it: others come to it only if there is no other slot.
        static let shunned = Flags(rawValue: 1 << 9)
        /// Somebody said that it is silent, and it has been asked over its socket: treated likewise until it has answered.
        static let doubted = Flags(rawValue: 1 << 10)
    }

    /// A slot of this very node, if it may take a child.
    var ownSlot: SlotKey? {
        guard flags.contains(.occupied), flags.isDisjoint(with: [.suspect, .blocked]),
            UInt32(childCount) + UInt32(heldSlots) < UInt32(capacity)
        else { return nil }
        return SlotKey(
            isShunned: !flags.isDisjoint(with: [.shunned, .doubted]),
            isAttached: flags.contains(.attached),
            failures: failures,
            isLegacy: !flags.contains(.native),
            ordinal: ordinal
        )
    }

    /// Whether this peer can be told to go elsewhere without anyone losing the stream.
    var isMovableLeaf: Bool {
        childCount == 0 && heldSlots == 0
            && flags.isSuperset(of: [.occupied, .native, .attached])
            && flags.isDisjoint(with: [.suspect, .doubted, .blocked, .pinned, .waiting])
    }

    /// Whether this peer takes no children and can be told to make room for one that does.
    var isYieldingLeaf: Bool { capacity == 0 && isMovableLeaf }

    /// Whether this peer takes children and can be told to go elsewhere, with all that hangs below it.
    var isMovableFeeder: Bool {
        capacity > 0 && flags.isSuperset(of: [.occupied, .native, .attached])
            && flags.isDisjoint(with: [.suspect, .doubted, .blocked, .pinned, .waiting])
    }

    /// Whether this peer may take another child in place of one that it has.
    var mayExchangeChildren: Bool {
        flags.contains(.occupied) && flags.isDisjoint(with: [.suspect, .blocked, .shunned, .doubted])
            && UInt32(childCount) + UInt32(heldSlots) <= UInt32(capacity)
    }

    /// Whether this peer may take a child that costs it so many slots.
    func hasRoom(for slots: UInt16) -> Bool {
        flags.isSuperset(of: [.occupied, .native]) && flags.isDisjoint(with: [.suspect, .blocked])
            && UInt32(childCount) + UInt32(heldSlots) + UInt32(slots) <= UInt32(capacity)
    }

    /// Whether this peer is fed, and nothing speaks against it.
    var isProven: Bool {
        flags.contains(.attached) && flags.isDisjoint(with: [.shunned, .doubted])
    }

    /// Takes over the sum of its subtree; false if that is what it had already.
    mutating func adopt(_ new: Augmentation) -> Bool {
        guard
            bestSlot != new.bestSlot || bestSlotChild != new.bestSlotChild || leafHeight != new.leafHeight
                || leafChild != new.leafChild || leafCapacity != new.leafCapacity || height != new.height
        else { return false }
        bestSlot = new.bestSlot
        bestSlotChild = new.bestSlotChild
        leafHeight = new.leafHeight
        leafChild = new.leafChild
        leafCapacity = new.leafCapacity
        height = new.height
        return true
    }

    mutating func adopt(_ new: FeederSummary) -> Bool {
        guard feeders != new else { return false }
        feeders = new
        return true
    }
}

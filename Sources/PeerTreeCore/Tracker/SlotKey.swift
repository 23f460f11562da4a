/// The rank of the best free slot in a subtree, packed so that comparing two is one instruction; smaller is better.
///
/// From the top: whether newcomers are kept away from the peer that has the slot (1 bit), so that such a slot is the last
/// choice at any depth; the distance from the subtree's root to that peer (19 bits); its class (12 bits: not yet
/// attached, failures, legacy), and the ordinal of its arrival (32 bits), so that between equal slots the proven, native
/// and older peer wins.
struct SlotKey: Equatable, Comparable {
    private(set) var bits: UInt64

    private static let shunnedShift: UInt64 = 63
    private static let distanceShift: UInt64 = 44
    private static let maximumDistance = 1 << 19 - 1
    private static let unattachedShift: UInt64 = 37
    private static let failuresShift: UInt64 = 33
    private static let legacyShift: UInt64 = 32
    static let maximumFailures: UInt8 = 15

    /// No free slot.
    static let none = SlotKey(bits: .max)

    private init(bits: UInt64) {
        self.bits = bits
    }

    /// A slot of the subtree's own root.
    init(isShunned: Bool, isAttached: Bool, failures: UInt8, isLegacy: Bool, ordinal: UInt32) {
        bits =
            (isShunned ? 1 << Self.shunnedShift : 0)
            | (isAttached ? 0 : 1 << Self.unattachedShift)
            | (UInt64(min(failures, Self.maximumFailures)) << Self.failuresShift)
            | (isLegacy ? 1 << Self.legacyShift : 0)
            | UInt64(ordinal)
    }

    /// Levels between the subtree's root and the peer with the slot.
    var distance: Int {
        Int(bits >> Self.distanceShift) & Self.maximumDistance
    }

    /// The same slot seen from one level above. Beyond 19 bits of distance a slot is as good as none.
    var fromAbove: SlotKey {
        distance == Self.maximumDistance ? .none : SlotKey(bits: bits &+ (1 << Self.distanceShift))
    }

    static func < (left: SlotKey, right: SlotKey) -> Bool {
        left.bits < right.bits
    }
}

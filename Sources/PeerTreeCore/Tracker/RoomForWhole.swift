/// The best place in a subtree for a child that gets the whole stream from one parent; the greater is the better.
///
/// From the top: whether that parent is proven (1 bit), so that another is the last choice, and one more than the levels
/// from the subtree's root down to it (15 bits). The deepest is the best: such a child cannot be told to make room, and is
/// served no later there, since in all stripes but one its parent is as deep as others are.
struct RoomForWhole: Equatable, Comparable {
    private let bits: UInt16

    private static let provenBit: UInt16 = 1 << 15
    private static let levelBits = provenBit - 1

    /// Nobody has room.
    static let none = RoomForWhole(bits: 0)

    private init(bits: UInt16) {
        self.bits = bits
    }

    /// Room at the subtree's own root.
    init(isProven: Bool) {
        bits = (isProven ? Self.provenBit : 0) | 1
    }

    /// Whether the parent is fed, and nothing speaks against it.
    var isProven: Bool { bits & Self.provenBit != 0 }

    /// Levels between the subtree's root and the parent.
    var levels: Int { max(0, Int(bits & Self.levelBits) - 1) }

    /// The same place seen from one level above. Beyond 15 bits of levels it is as good as none.
    var fromAbove: RoomForWhole {
        self == .none || bits & Self.levelBits == Self.levelBits ? .none : RoomForWhole(bits: bits + 1)
    }

    static func < (left: RoomForWhole, right: RoomForWhole) -> Bool {
        left.bits < right.bits
    }
}

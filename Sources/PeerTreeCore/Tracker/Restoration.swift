/// What a peer tells of its place in one stripe to a tracker that does not know it.
public struct StripePlace: Equatable, Sendable {
    /// The newest epoch it was given.
    public var epoch: UInt32
    /// How many children it says it feeds, besides the following.
    public var children: Int
    /// How many children it says it feeds with the whole stream, of which this is one stripe of several: original clients.
    public var wholes: Int

    /// A peer's place in one stripe.
    public init(epoch: UInt32 = 0, children: Int = 0, wholes: Int = 0) {
        self.epoch = epoch
        self.children = children
        self.wholes = wholes
    }
}

/// A peer that came back to a tracker that had lost its memory, until all of its links are settled.
struct Restoration {
    /// One bit per stripe in which it is not known yet whether its parent comes back too.
    var pendingStripes: UInt16
    /// Slots kept, per stripe, for children that have not come back yet.
    var expectedChildren: [UInt16]
    /// Children that get the whole stream and have not come back yet, and the slots kept for each of them, per stripe.
    var expectedWholes: UInt16 = 0
    var slotsOfWhole: [UInt16]
    var timer = TimerQueue.none

    var isSettled: Bool {
        pendingStripes == 0 && expectedWholes == 0 && expectedChildren.allSatisfy { $0 == 0 }
    }

    /// Slots kept in a stripe for children of either kind.
    func slotsKept(in stripe: Int) -> UInt16 {
        expectedChildren[stripe] &+ expectedWholes &* slotsOfWhole[stripe]
    }

    func isPending(_ stripe: Int) -> Bool {
        pendingStripes & 1 << UInt16(truncatingIfNeeded: stripe) != 0
    }

    mutating func settle(_ stripe: Int) {
        pendingStripes &= ~(1 << UInt16(truncatingIfNeeded: stripe))
    }
}

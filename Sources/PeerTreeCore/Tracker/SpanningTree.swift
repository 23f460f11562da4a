/// The tree of one stripe: who hangs under whom, and which slot is the best.
///
/// Nodes live in one dense array and are linked by 32-bit indices; node 0 is the source. Each node is augmented with
/// the best free slot, the deepest movable leaf and the height of its subtree, and with the child each comes from.
/// A change walks up and stops where nothing changes, a search walks down, so both cost O(depth). Depth itself is
/// not stored: moving a subtree would have to visit all of it.
///
/// A node without a parent is the root of a detached subtree, which no search from the source can see. It may wait for
/// a slot in the waiting list, which uses the sibling links that such a node does not need otherwise.
struct SpanningTree {
    /// Stands for "no node" in every link.
    static let none: Int32 = -1
    /// The source's node.
    static let source: Int32 = 0

    /// Whether peers that take children have the places near the source, and leaves make room for them: the case if there
    /// are several stripes, in most of which a peer takes none.
    let prefersFeeders: Bool
    /// How many slots a child takes that gets the whole stream of such a tree from one parent.
    let slotsOfWhole: UInt16
    private(set) var nodes: [SpanningTreeNode] = []
    private(set) var firstWaiting = SpanningTree.none
    private(set) var lastWaiting = SpanningTree.none

    init(_ layout: StripeLayout = .single) {
        prefersFeeders = layout.stripes > 1
        slotsOfWhole = UInt16(clamping: layout.data)
    }

    /// Puts a fresh, detached node at `index`, which must be in use by nobody or be the next one.
    mutating func insert(_ node: SpanningTreeNode, at index: Int32) {
        let index = Int(index)
        if index == nodes.count {
            nodes.appendGrowingByQuarters(node)
        } else {
            nodes[index] = node
        }
        refresh(Int32(index))
    }

    /// Forgets the node, which must be detached and have no children.
    mutating func remove(_ index: Int32) {
        nodes[Int(index)] = SpanningTreeNode()
    }

    /// Changes a node's own state, but not its links.
    mutating func update(_ index: Int32, _ change: (inout SpanningTreeNode) -> Void) {
        change(&nodes[Int(index)])
        refresh(index)
    }

    /// Notes which timer runs for a node; no search depends on it.
    mutating func setAttachTimer(_ timer: Int32, of index: Int32) {
        nodes[Int(index)].attachTimer = timer
    }

    // MARK: Links

    /// Hangs the root of a detached subtree under `parent`, in O(depth).
    mutating func link(_ child: Int32, under parent: Int32) {
        let sibling = nodes[Int(parent)].firstChild
        nodes[Int(child)].parent = parent
        nodes[Int(child)].nextSibling = sibling
        nodes[Int(child)].previousSibling = Self.none
        if sibling != Self.none {
            nodes[Int(sibling)].previousSibling = child
        }
        nodes[Int(parent)].firstChild = child
        nodes[Int(parent)].childCount &+= 1
        refresh(parent)
    }

    /// Cuts a subtree off its parent, or takes its root out of the waiting list.
    mutating func unlink(_ child: Int32) {
        if nodes[Int(child)].flags.contains(.waiting) {
            removeFromWaiting(child)
            return
        }
        let parent = nodes[Int(child)].parent
        guard parent != Self.none else { return }
        let previous = nodes[Int(child)].previousSibling
        let next = nodes[Int(child)].nextSibling
        if previous == Self.none {
            nodes[Int(parent)].firstChild = next
        } else {
            nodes[Int(previous)].nextSibling = next
        }
        if next != Self.none {
            nodes[Int(next)].previousSibling = previous
        }
        nodes[Int(child)].parent = Self.none
        nodes[Int(child)].nextSibling = Self.none
        nodes[Int(child)].previousSibling = Self.none
        nodes[Int(parent)].childCount &-= 1
        refresh(parent)
    }

    /// Queues the root of a detached subtree for the next slot that becomes free. One that brings free slots goes
    /// first, since it may serve those behind it.
    mutating func wait(_ index: Int32) {
        nodes[Int(index)].flags.insert(.waiting)
        guard firstWaiting != Self.none else {
            firstWaiting = index
            lastWaiting = index
            return
        }
        if nodes[Int(index)].bestSlot == .none {
            nodes[Int(index)].previousSibling = lastWaiting
            nodes[Int(lastWaiting)].nextSibling = index
            lastWaiting = index
        } else {
            nodes[Int(index)].nextSibling = firstWaiting
            nodes[Int(firstWaiting)].previousSibling = index
            firstWaiting = index
        }
    }

    private mutating func removeFromWaiting(_ index: Int32) {
        let previous = nodes[Int(index)].previousSibling
        let next = nodes[Int(index)].nextSibling
        if previous == Self.none { firstWaiting = next } else { nodes[Int(previous)].nextSibling = next }
        if next == Self.none { lastWaiting = previous } else { nodes[Int(next)].previousSibling = previous }
        nodes[Int(index)].nextSibling = Self.none
        nodes[Int(index)].previousSibling = Self.none
        nodes[Int(index)].flags.remove(.waiting)
    }

    // MARK: Augmentation

    /// What a node's augmented fields must be, from its own state and its children's fields.
    func augmentation(of index: Int32) -> Augmentation {
        let node = nodes[Int(index)]
        var result = Augmentation()
        if let own = node.ownSlot {
            result.bestSlot = own
            result.bestSlotChild = index
        }
        if node.isMovableLeaf, index != Self.source {
            result.leafHeight = 0
            result.leafCapacity = node.capacity
        }
        var child = node.firstChild
        while child != Self.none {
            let below = nodes[Int(child)]
            let slot = below.bestSlot.fromAbove
            if slot < result.bestSlot {
                result.bestSlot = slot
                result.bestSlotChild = child
            }
            if below.leafHeight >= 0 {
                if below.leafHeight &+ 1 > result.leafHeight {
                    result.leafHeight = below.leafHeight &+ 1
                    result.leafChild = child
                }
                result.leafCapacity = max(result.leafCapacity, below.leafCapacity)
            }
            result.height = max(result.height, below.height &+ 1)
            child = below.nextSibling
        }
        return result
    }

    /// Likewise, what is summed up only where leaves make room.
    @inline(never)  // Trees of one stripe have nothing of it, and are the faster for that.
    func feederSummary(of index: Int32) -> FeederSummary {
        let node = nodes[Int(index)]
        var result = FeederSummary()
        if index != Self.source {
            if node.isYieldingLeaf { result.yieldDistance = 0 }
            if node.isMovableFeeder { result.feederHeight = 0 }
            if node.hasRoom(for: slotsOfWhole) { result.room = RoomForWhole(isProven: node.isProven) }
        }
        let mayExchange = node.mayExchangeChildren
        var child = node.firstChild
        while child != Self.none {
            let below = nodes[Int(child)]
            if below.feeders.yieldDistance < FeederSummary.farthest, below.feeders.yieldDistance > 0 || mayExchange {
                result.yieldDistance = min(result.yieldDistance, below.feeders.yieldDistance &+ 1)
            }
            if below.feeders.feederHeight < FeederSummary.farthest {
                let height = below.feeders.feederHeight &+ 1
                result.feederHeight =
                    result.feederHeight == FeederSummary.nowhere ? height : max(result.feederHeight, height)
            }
            result.room = max(result.room, below.feeders.room.fromAbove)
            child = below.nextSibling
        }
        return result
    }

    /// Brings the augmented fields up to date after a change at `index`.
    private mutating func refresh(_ index: Int32) {
        var current = index
        while current != Self.none {
            let result = augmentation(of: current)
            var isNews = nodes[Int(current)].adopt(result)
            if prefersFeeders, nodes[Int(current)].adopt(feederSummary(of: current)) { isNews = true }
            guard isNews else { return }
            current = nodes[Int(current)].parent
        }
    }
}

/// The part of a node that sums up its subtree.
struct Augmentation: Equatable {
    var bestSlot = SlotKey.none
    /// The child the best slot is under, the node itself if the slot is its own, or none.
    var bestSlotChild = SpanningTree.none
    /// Levels down to the deepest leaf that may be moved; -1 if there is none.
    var leafHeight: Int32 = -1
    var leafChild = SpanningTree.none
    /// The largest capacity of any leaf that may be moved.
    var leafCapacity: UInt16 = 0
    /// Levels down to the deepest node.
    var height: Int32 = 0
}

/// What a node sums up of its subtree where leaves make room for peers that take children.
struct FeederSummary: Equatable {
    /// Levels down to the nearest leaf that makes room for a peer that takes children; ``nowhere`` if there is none.
    var yieldDistance = FeederSummary.nowhere
    /// Levels down to the deepest peer that takes children and may be moved, likewise.
    var feederHeight = FeederSummary.nowhere
    /// The best place for a child that gets the whole stream from one parent.
    var room = RoomForWhole.none

    static let nowhere = UInt16.max
    /// Beyond it a node is as good as none.
    static let farthest = nowhere - 1
}

extension Array {
    /// Appends, and grows by a quarter where Array would double: a table of a million peers must not hold another
    /// million places in reserve.
    mutating func appendGrowingByQuarters(_ element: Element) {
        if count == capacity {
            reserveCapacity(count + count / 4 + 4)
        }
        append(element)
    }
}

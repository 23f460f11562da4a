extension SpanningTree {
    /// Levels between `index` and the root of its subtree, which is the source if the node is placed.
    func depth(of index: Int32) -> Int {
        var depth = 0
        var current = nodes[Int(index)].parent
        while current != Self.none {
            depth += 1
            current = nodes[Int(current)].parent
        }
        return depth
    }

    /// Whether `ancestor` is `index` or above it.
    func isAncestor(_ ancestor: Int32, of index: Int32) -> Bool {
        var current = index
        while current != Self.none {
            if current == ancestor { return true }
            current = nodes[Int(current)].parent
        }
        return false
    }

    /// The children of a node, newest first.
    func children(of index: Int32) -> [Int32] {
        var children: [Int32] = []
        children.reserveCapacity(Int(nodes[Int(index)].childCount))
        var child = nodes[Int(index)].firstChild
        while child != Self.none {
            children.append(child)
            child = nodes[Int(child)].nextSibling
        }
        return children
    }

    /// The level a newcomer would get, or nil if no slot is free.
    var shallowestSlotDepth: Int? {
        let slot = nodes[Int(Self.source)].bestSlot
        return slot == .none ? nil : slot.distance + 1
    }

    /// The level of the deepest leaf that may be moved, or nil if there is none.
    var deepestMovableLeafDepth: Int? {
        let height = nodes[Int(Self.source)].leafHeight
        return height < 0 ? nil : Int(height)
    }

    /// The level of the nearest leaf that makes room for a peer that takes children, or nil if there is none.
    var shallowestYieldingDepth: Int? {
        let distance = nodes[Int(Self.source)].feeders.yieldDistance
        return distance == FeederSummary.nowhere ? nil : Int(distance)
    }

    /// The level of the deepest peer that takes children and may be moved, or nil if there is none.
    var deepestFeederDepth: Int? {
        let height = nodes[Int(Self.source)].feeders.feederHeight
        return height == FeederSummary.nowhere ? nil : Int(height)
    }

    /// The nearest leaf that makes room.
    func shallowestYieldingLeaf() -> Int32? {
        guard nodes[Int(Self.source)].feeders.yieldDistance != FeederSummary.nowhere else { return nil }
        return descend { $0.feeders.yieldDistance }
    }

    /// The deepest peer that takes children and may be moved.
    func deepestFeeder() -> Int32? {
        guard nodes[Int(Self.source)].feeders.feederHeight != FeederSummary.nowhere else { return nil }
        return descend { $0.feeders.feederHeight }
    }

    /// The best place for a child that gets the whole stream from one viewer, or none.
    var roomForWhole: RoomForWhole { nodes[Int(Self.source)].feeders.room }

    /// The viewer who has that place: of siblings that have one alike whoever came first.
    func parentForWhole() -> Int32? {
        guard roomForWhole != .none else { return nil }
        var current = Self.source
        while nodes[Int(current)].feeders.room.levels > 0 {
            let wanted = nodes[Int(current)].feeders.room
            var best = Self.none
            var child = nodes[Int(current)].firstChild
            while child != Self.none {
                let below = nodes[Int(child)]
                let isOlder = best == Self.none || below.ordinal < nodes[Int(best)].ordinal
                if below.feeders.room.fromAbove == wanted, isOlder { best = child }
                child = below.nextSibling
            }
            guard best != Self.none else { return nil }
            current = best
        }
        return current
    }

    /// Follows a distance that is summed up without the child it comes from, to where it is 0.
    private func descend(_ distance: (SpanningTreeNode) -> UInt16) -> Int32? {
        var current = Self.source
        while distance(nodes[Int(current)]) > 0 {
            let wanted = distance(nodes[Int(current)]) - 1
            let mayExchange = nodes[Int(current)].mayExchangeChildren
            var child = nodes[Int(current)].firstChild
            while child != Self.none {
                let below = nodes[Int(child)]
                let isFit = mayExchange || !below.isYieldingLeaf
                if isFit, distance(below) == wanted { break }
                child = below.nextSibling
            }
            guard child != Self.none else { return nil }
            current = child
        }
        return current
    }

    /// The placed peer with the best free slot.
    func bestParent() -> Int32? {
        var current = Self.source
        while true {
            let next = nodes[Int(current)].bestSlotChild
            if next == current || next == Self.none { return next == Self.none ? nil : current }
            current = next
        }
    }

    /// The placed peer with the best free slot that is not one of `excluded`.
    mutating func bestParent(excluding excluded: [Int32]) -> Int32? {
        for index in excluded {
            update(index) { $0.flags.insert(.blocked) }
        }
        let parent = bestParent()
        for index in excluded {
            update(index) { $0.flags.remove(.blocked) }
        }
        return parent
    }

    /// Whether there is more than one free slot.
    mutating func hasSlotToSpare() -> Bool {
        guard let parent = bestParent() else { return false }
        update(parent) { $0.heldSlots &+= 1 }
        defer { update(parent) { $0.heldSlots &-= 1 } }
        return bestParent() != nil
    }

    /// The deepest leaf that may be moved.
    func deepestMovableLeaf() -> Int32? {
        guard nodes[Int(Self.source)].leafHeight >= 0 else { return nil }
        var current = Self.source
        while nodes[Int(current)].leafHeight > 0 {
            current = nodes[Int(current)].leafChild
        }
        return current
    }

    /// A deep leaf that may be moved and offers at least `capacity` slots. It is the deepest of all leaves if that one
    /// is large enough; else each step goes where the deepest leaf is among the children that have a large enough one.
    func deepMovableLeaf(capacity: Int) -> Int32? {
        if let deepest = deepestMovableLeaf(), Int(nodes[Int(deepest)].capacity) >= capacity { return deepest }
        var current = Self.source
        while true {
            let node = nodes[Int(current)]
            if node.firstChild == Self.none {
                return node.leafHeight == 0 && Int(node.capacity) >= capacity ? current : nil
            }
            var best = Self.none
            var bestHeight: Int32 = -1
            var child = node.firstChild
            while child != Self.none {
                let below = nodes[Int(child)]
                if below.leafHeight > bestHeight, Int(below.leafCapacity) >= capacity {
                    best = child
                    bestHeight = below.leafHeight
                }
                child = below.nextSibling
            }
            guard best != Self.none else { return nil }
            current = best
        }
    }
}

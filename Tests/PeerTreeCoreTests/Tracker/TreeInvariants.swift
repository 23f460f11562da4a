@testable import PeerTreeCore

/// Finds what is wrong with a tracker by looking at everything, with none of the shortcuts the tracker takes.
enum TreeInvariants {
    /// Every broken invariant in every tree, described; empty if all hold.
    static func violations(in tracker: Tracker) -> [String] {
        var found: [String] = []
        var timers = 0
        for tree in tracker.trees where tree.state == .live {
            for stripe in tree.stripes.indices {
                check(tree, stripe: stripe, into: &found)
                timers += tree.stripes[stripe].nodes.count { $0.attachTimer != TimerQueue.none }
            }
            timers += tree.peers.count { $0.resumeTimer != TimerQueue.none }
            timers += tree.restorations.count
            timers += tree.blame.values.count { $0.eviction != nil }
            timers += tree.blame.values.count { $0.shunTimer != TimerQueue.none }
            timers += tree.probes.count
            checkTable(tree, into: &found)
            checkStandbys(tree, tracker.options, into: &found)
            checkWholes(tree, into: &found)
            checkMoves(tree, limit: tracker.options.maximumMovesInFlight, into: &found)
        }
        if tracker.context.endingTrees.isEmpty, timers != tracker.context.timers.count {
            found.append("\(tracker.context.timers.count) timers run, but \(timers) are owned")
        }
        return found
    }

    private static func checkTable(_ tree: BroadcastTree, into found: inout [String]) {
        let occupied = tree.peers.count { $0.isOccupied }
        if occupied != tree.peerCount { found.append("\(tree.peerCount) peers counted, \(occupied) in the table") }
        for (peer, record) in tree.peers.enumerated() {
            for stripe in tree.stripes {
                let flags = stripe.nodes[peer].flags
                if flags.contains(.occupied) != record.isOccupied { found.append("peer \(peer): occupied differs") }
                guard record.isOccupied else { continue }
                if flags.contains(.suspect) != record.isSuspect { found.append("peer \(peer): suspect differs") }
                if flags.contains(.blocked) { found.append("peer \(peer): left blocked") }
                let isShunned = (tree.blame[Int32(peer)]?.shunTimer ?? TimerQueue.none) != TimerQueue.none
                if flags.contains(.shunned) != isShunned { found.append("peer \(peer): shunned differs") }
            }
        }
        for peer in tree.peers.indices.dropFirst() where tree.stripes.count(where: { $0.nodes[peer].capacity > 0 }) > 1
        {
            found.append("peer \(peer) takes children in two stripes")
        }
        for key in tree.exclusions.keys where !tree.peers[Int(key.peer)].isOccupied {
            found.append("exclusions of absent peer \(key.peer)")
        }
        for (key, restoration) in tree.restorations {
            if !tree.peers[Int(key)].isOccupied { found.append("restoration of absent peer \(key)") }
            if restoration.isSettled { found.append("restoration of \(key) is settled and still kept") }
        }
        for (key, blame) in tree.blame {
            if !tree.peers[Int(key)].isOccupied { found.append("blame of absent peer \(key)") }
            if tree.peers[Int(key)].isEvicted != (blame.eviction != nil) {
                found.append("peer \(key): evicted differs")
            }
            if let eviction = blame.eviction, tree.stripes[eviction.stripe].nodes[Int(key)].capacity != 0 {
                found.append("\(key) is evicted and takes children")
            }
        }
        for voter in tree.votes.members where !tree.peers[Int(voter)].isOccupied {
            found.append("spent vote of absent peer \(voter)")
        }
        for (stripe, spanning) in tree.stripes.enumerated() {
            let offered = spanning.nodes.dropFirst().reduce(0) { $0 + Int($1.capacity) }
            if offered != tree.stripeCapacity[stripe] {
                found.append("stripe \(stripe): \(tree.stripeCapacity[stripe]) slots counted, \(offered) offered")
            }
        }
    }

    private static func checkStandbys(_ tree: BroadcastTree, _ options: TrackerOptions, into found: inout [String]) {
        let (standbys, nodes) = (tree.standbys, tree.stripes[0].nodes)
        var listed: [Int32: Int] = [:]
        for peer in tree.peers.indices.map({ Int32($0) }) {
            let wards = standbys.wards(of: peer)
            for ward in wards {
                listed[ward, default: 0] += 1
                if standbys.standby(of: ward) != peer { found.append("\(ward) is no ward of \(peer)") }
            }
            if wards.count != standbys.wardCount(of: peer) { found.append("\(peer) counts its wards wrongly") }
            if wards.count > 2 * Int(nodes[Int(peer)].capacity) { found.append("\(peer) has too many wards") }
        }
        let lacking = tree.peers.indices.count { standbys.isLacking(Int32($0)) }
        if lacking != standbys.lackingCount { found.append("\(standbys.lackingCount) lack a standby, not \(lacking)") }
        for (position, node) in nodes.enumerated() {
            let peer = Int32(position)
            let mayHave =
                options.assignsStandbys && position > 0 && tree.stripes.count == 1 && node.parent != SpanningTree.none
                && node.flags.isSuperset(of: [.occupied, .native, .attached])
            guard let standby = standbys.standby(of: peer) else {
                if mayHave, !standbys.isLacking(peer) { found.append("\(peer) has no standby and waits for none") }
                continue
            }
            if listed[peer] != 1 { found.append("\(peer) is a ward \(listed[peer] ?? 0) times") }
            if !node.flags.contains(.native) || !nodes[Int(standby)].flags.contains(.native) {
                found.append("\(peer) or its standby is an original client")
            }
            if standby == node.parent { found.append("the parent of \(peer) is its standby") }
            if tree.stripes[0].isAncestor(peer, of: standby) { found.append("the standby of \(peer) is below it") }
        }
    }

    /// Those that get the whole stream from one parent have a single place, or wait for one that there is not.
    private static func checkWholes(_ tree: BroadcastTree, into found: inout [String]) {
        var slots = Array(repeating: 0, count: tree.stripes.count)
        var count = 0
        var below = 0
        var waiting: Set<Int32> = []
        var next = tree.wholes.waiting.first
        while next != SpanningTree.none, waiting.insert(next).inserted { next = tree.wholes.waiting.next(after: next) }
        for (position, record) in tree.peers.enumerated() where record.isOccupied && tree.takesWhole(Int32(position)) {
            let peer = Int32(position)
            count += 1
            let nodes = tree.stripes.map { $0.nodes[position] }
            if nodes.contains(where: { $0.capacity > 0 || $0.childCount > 0 }) { found.append("\(peer) is no leaf") }
            if nodes.contains(where: { $0.flags.contains(.waiting) }) { found.append("\(peer) waits in a stripe") }
            let places = nodes.indices.filter { nodes[$0].parent != SpanningTree.none }
            let isAwaited = tree.restorations[peer]?.isPending(0) ?? false
            if places.count != (waiting.contains(peer) || isAwaited ? 0 : 1) {
                found.append("\(peer) has \(places.count) parents")
            }
            for place in places {
                guard nodes[place].parent == SpanningTree.source else {
                    slots[place] += tree.layout.data
                    let parent = tree.stripes[place].nodes[Int(nodes[place].parent)]
                    if parent.capacity < tree.layout.data { found.append("the parent of \(peer) takes no children") }
                    continue
                }
                below += 1
                if place != 0 { found.append("\(peer) is below the source in stripe \(place)") }
                for stripe in slots.indices { slots[stripe] += 1 }
            }
        }
        if below != tree.wholes.belowSource { found.append("\(tree.wholes.belowSource) counted below the source") }
        if count != tree.wholes.count { found.append("\(tree.wholes.count) get the whole counted, \(count) do") }
        if tree.stripes.count > 1, slots != tree.wholes.slots {
            found.append("they take \(slots) slots, \(tree.wholes.slots) are counted")
        }
        for peer in waiting where !tree.takesWhole(peer) { found.append("\(peer) waits for a parent of the whole") }
        guard !waiting.isEmpty else { return }
        for spanning in tree.stripes where spanning.roomForWhole != .none {
            found.append("\(waiting.count) wait for the whole while there is room")
        }
        if tree.sourceTakesWhole {
            found.append("\(waiting.count) wait for the whole while the source has room")
        }
    }

    private static func checkMoves(_ tree: BroadcastTree, limit: Int, into found: inout [String]) {
        let moving = tree.stripes.reduce(0) { sum, stripe in
            sum + stripe.nodes.count { $0.flags.contains(.rebalancing) }
        }
        if moving != tree.movesInFlight { found.append("\(tree.movesInFlight) moves counted, \(moving) in flight") }
        if moving > limit { found.append("\(moving) moves in flight, over the limit") }
    }

    private static func check(_ tree: BroadcastTree, stripe: Int, into found: inout [String]) {
        let spanning = tree.stripes[stripe]
        let nodes = spanning.nodes
        var listed = Array(repeating: 0, count: nodes.count)
        var held = Array(repeating: 0, count: nodes.count)
        for (position, node) in nodes.enumerated() where node.flags.contains(.occupied) {
            let index = Int32(position)
            var previous = SpanningTree.none
            var child = node.firstChild
            var count = 0
            while child != SpanningTree.none, count <= nodes.count {
                let below = nodes[Int(child)]
                if below.parent != index {
                    found.append("\(child) is listed by \(index), its parent is \(below.parent)")
                }
                if below.previousSibling != previous { found.append("\(child): sibling links disagree") }
                if !below.flags.contains(.occupied) { found.append("\(child) is a ghost under \(index)") }
                listed[Int(child)] += 1
                previous = child
                child = below.nextSibling
                count += 1
            }
            if count != Int(node.childCount) { found.append("\(index) counts \(node.childCount) children of \(count)") }
            if node.childCount > node.capacity { found.append("\(index) is over its capacity") }
            for whole in tree.stripes[stripe].children(of: index) where tree.takesWhole(whole) {
                if index == SpanningTree.source { continue }
                held[position] += Int(spanning.slotsOfWhole) - 1
            }
            if !tree.peers[position].isEvicted, node.childCount + node.heldSlots > node.capacity {
                found.append("\(index) is over its capacity with the slots it keeps")
            }
            if let parent = tree.heldParent(node) {
                held[Int(parent)] += 1
                if node.flags.contains(.attached) { found.append("\(index) is attached, but a slot is kept for it") }
                if node.flags.contains(.waiting) { found.append("\(index) waits for a slot, and one is kept for it") }
                if parent == node.parent { found.append("\(index): its own parent keeps a slot for it") }
            }
            let isTimed = node.attachTimer != TimerQueue.none
            let mustBeTimed =
                node.parent != SpanningTree.none && node.flags.contains(.native)
                && node.flags.isDisjoint(with: [.attached, .suspect])
            if isTimed != mustBeTimed { found.append("\(index): attach timer is \(isTimed), must be \(mustBeTimed)") }
            let augmentation = spanning.augmentation(of: index)
            var copy = node
            let areFeedersNews = spanning.prefersFeeders && copy.adopt(spanning.feederSummary(of: index))
            if copy.adopt(augmentation) || areFeedersNews { found.append("\(index): augmented fields are out of date") }
        }
        for (peer, restoration) in tree.restorations {
            held[Int(peer)] += Int(restoration.slotsKept(in: stripe))
        }
        let pending = Set(tree.restorations.filter { $0.value.isPending(stripe) }.keys)
        for peer in pending where nodes[Int(peer)].parent != SpanningTree.none {
            found.append("\(peer) has a parent and is still to be restored")
        }
        let wholes = Set(tree.peers.indices.map { Int32($0) }.filter { tree.takesWhole($0) })
        // Below the source each takes a slot of every stripe, in one of them by its link.
        let below = wholes.filter { whole in
            tree.stripes.contains { $0.nodes[Int(whole)].parent == SpanningTree.source }
        }
        held[0] += below.count { nodes[Int($0)].parent == SpanningTree.none }
        checkWaiting(spanning, listed: listed, pending: pending, wholes: wholes, into: &found)
        for (position, node) in nodes.enumerated() where Int(node.heldSlots) != held[position] {
            found.append("\(position) keeps \(node.heldSlots) slots for \(held[position]) peers")
        }
        let detached = wholes.filter { nodes[Int($0)].parent == SpanningTree.none }
        checkSearches(spanning, pending: pending.union(detached), into: &found)
    }

    private static func checkWaiting(
        _ tree: SpanningTree,
        listed: [Int],
        pending: Set<Int32>,
        wholes: Set<Int32>,
        into found: inout [String]
    ) {
        var waiting = Set<Int32>()
        var next = tree.firstWaiting
        while next != SpanningTree.none, waiting.insert(next).inserted {
            next = tree.nodes[Int(next)].nextSibling
        }
        for (position, node) in tree.nodes.enumerated() where node.flags.contains(.occupied) {
            let index = Int32(position)
            if waiting.contains(index) != node.flags.contains(.waiting) {
                found.append("\(index): waiting list is wrong")
            }
            let isRoot = node.parent == SpanningTree.none
            let mayBeNowhere = index == SpanningTree.source || wholes.contains(index)
            if !mayBeNowhere, isRoot != (waiting.contains(index) || pending.contains(index)) {
                found.append("\(index) has no parent and does not wait, or waits and has one")
            }
            if !isRoot, listed[position] != 1 { found.append("\(index) is listed \(listed[position]) times") }
        }
        if !waiting.isEmpty, tree.bestParent() != nil { found.append("peers wait while a slot is free") }
    }

    private static func checkFeeders(_ tree: SpanningTree, placed: [Int32], depth: [Int], into found: inout [String]) {
        guard tree.prefersFeeders else { return }
        var yielding: [Int] = []
        var feeders: [Int] = []
        var room: [(isProven: Bool, depth: Int)] = []
        for index in placed.dropFirst() {
            let node = tree.nodes[Int(index)]
            if node.hasRoom(for: tree.slotsOfWhole) { room.append((node.isProven, depth[Int(index)])) }
            if node.isMovableFeeder { feeders.append(depth[Int(index)]) }
            if node.isYieldingLeaf, tree.nodes[Int(node.parent)].mayExchangeChildren {
                yielding.append(depth[Int(index)])
            }
        }
        let best = room.contains(where: \.isProven) ? room.filter(\.isProven) : room
        if tree.parentForWhole().map({ depth[Int($0)] }) != best.map(\.depth).max() {
            found.append("the deepest room for the whole is not found")
        }
        if tree.shallowestYieldingDepth != yielding.min() { found.append("the nearest yielding leaf is not found") }
        if tree.deepestFeederDepth != feeders.max() { found.append("the deepest feeder is not found") }
        if tree.shallowestYieldingLeaf().map({ depth[Int($0)] }) != yielding.min() {
            found.append("another leaf is taken for the nearest that yields")
        }
        if tree.deepestFeeder().map({ depth[Int($0)] }) != feeders.max() {
            found.append("another peer is taken for the deepest feeder")
        }
    }

    /// Compares the searches with a walk over the whole tree, which also proves that there is no cycle: a node on one
    /// is never reached.
    private static func checkSearches(_ tree: SpanningTree, pending: Set<Int32>, into found: inout [String]) {
        var depth = Array(repeating: -1, count: tree.nodes.count)
        var queue: [Int32] = [SpanningTree.source]
        var roots = Array(pending)
        var waiting = tree.firstWaiting
        while waiting != SpanningTree.none, roots.count <= 2 * tree.nodes.count {
            roots.append(waiting)
            waiting = tree.nodes[Int(waiting)].nextSibling
        }
        depth[0] = 0
        var head = 0
        while head < queue.count {
            for child in tree.children(of: queue[head]) {
                depth[Int(child)] = depth[Int(queue[head])] + 1
                queue.append(child)
            }
            head += 1
        }
        let placed = queue
        var reached = Set(placed)
        var stack = roots
        while let node = stack.popLast(), reached.insert(node).inserted { stack += tree.children(of: node) }
        for (position, node) in tree.nodes.enumerated()
        where node.flags.contains(.occupied) && !reached.contains(Int32(position)) {
            found.append("\(position) is reachable from nowhere")
        }
        var best = SlotKey.none
        var leaf = -1
        for index in placed {
            let node = tree.nodes[Int(index)]
            if var key = node.ownSlot {
                for _ in 0..<depth[Int(index)] { key = key.fromAbove }
                best = min(best, key)
            }
            if index != SpanningTree.source, node.isMovableLeaf { leaf = max(leaf, depth[Int(index)]) }
        }
        checkFeeders(tree, placed: placed, depth: depth, into: &found)
        let root = tree.nodes[0]
        if root.bestSlot != best { found.append("best slot \(root.bestSlot), a full search finds \(best)") }
        if Int(root.leafHeight) != leaf {
            found.append("deepest leaf at \(root.leafHeight), a full search finds \(leaf)")
        }
        if Int(root.height) != depth.max() {
            found.append("height \(root.height), a full search finds \(depth.max() ?? 0)")
        }
        if let parent = tree.bestParent() {
            if depth[Int(parent)] + 1 != tree.shallowestSlotDepth { found.append("best parent \(parent) is too deep") }
        } else if best != .none {
            found.append("a slot is free, but no parent is found")
        }
        if let found1 = tree.deepestMovableLeaf(), depth[Int(found1)] != leaf {
            found.append("leaf \(found1) is not the deepest")
        }
    }
}

/// Viewers that get the whole stream from one parent, though it is dealt over several stripes: original clients, who know
/// nothing of stripes.
///
/// Such a viewer is a leaf, and cannot be told to move. It hangs below a viewer in the stripe in which that takes children,
/// in place of as many others as the stream has stripes without parity, which is what it is sent; or below the source, in
/// the first stripe, in place of another one in every stripe. In the other stripes it has no place, and needs none.
extension BroadcastTree {
    /// A place for such a viewer.
    private struct WholePlace {
        let parent: Int32
        let stripe: Int

        static let belowSource = WholePlace(parent: SpanningTree.source, stripe: 0)
    }

    /// Whether a viewer gets the whole stream from one parent.
    func takesWhole(_ peer: Int32) -> Bool {
        stripes.count > 1 && peer != SpanningTree.source && !peers[Int(peer)].isNative
    }

    /// The stripe in which such a viewer has its parent; nil if it waits for one.
    func stripeOfWhole(_ peer: Int32) -> Int? {
        stripes.indices.first { stripes[$0].nodes[Int(peer)].parent != SpanningTree.none }
    }

    /// The stripe in which a peer has the place that it has for `stripe`: that very one, but for those that have one place
    /// for all.
    func stripe(_ stripe: Int, of peer: Int32) -> Int {
        takesWhole(peer) ? stripeOfWhole(peer) ?? 0 : stripe
    }

    /// Adds such a viewer, if there is a place for it that leaves slots for those who bring some.
    mutating func joinWhole(origin: UInt64?, _ context: inout TrackerContext) throws(TrackerError) -> Int32 {
        guard let place = findPlaceForWhole(mayTakeLast: false),
            stripes[place.stripe].depth(of: place.parent) < context.options.maximumDepth
        else { throw .treeFull }
        let peer = insertPeer(isNative: false, origin: origin, at: context.now) { _ in 0 }
        wholes.count += 1
        attachWhole(peer, at: place)
        assign(peer, stripe: place.stripe, reason: .joined, isAnnounced: false, &context)
        context.statistics.joins += 1
        settle(&context)
        return peer
    }

    /// Such a viewer discovers its tree again: as any other it keeps its parent, unless that one evidently does not serve it.
    mutating func rejoinWhole(_ peer: Int32, _ context: inout TrackerContext) {
        guard let stripe = stripeOfWhole(peer) else { return }
        let node = stripes[stripe].nodes[Int(peer)]
        if peers[Int(node.parent)].isSuspect || node.flags.contains(.rejoined) {
            replaceParentOfWhole(peer, reason: .joined, isAnnounced: false, &context)
        } else {
            assign(peer, stripe: stripe, reason: .joined, isAnnounced: false, &context)
        }
        guard let stripe = stripeOfWhole(peer) else { return }
        stripes[stripe].update(peer) { $0.flags.insert(.rejoined) }
    }

    /// Gives such a viewer another parent than the one that failed it.
    mutating func replaceParentOfWhole(
        _ peer: Int32,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) {
        guard let stripe = stripeOfWhole(peer) else { return }
        let failed = handle(of: stripes[stripe].nodes[Int(peer)].parent)
        exclusions[ExclusionKey(peer: peer, stripe: 0), default: Exclusions()].insert(failed)
        partWhole(peer, &context)
        placeWholeOrWait(peer, reason: reason, isAnnounced: isAnnounced, &context)
    }

    /// Gives such a viewer the best place there is, or lets it wait for one.
    mutating func placeWholeOrWait(
        _ peer: Int32,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) {
        if placeWhole(peer, reason: reason, isAnnounced: isAnnounced, &context) { return }
        letWholeWait(peer, reason: reason, isAnnounced: isAnnounced, &context)
    }

    /// Links such a viewer that was restored, and has no parent yet, to the one it had: both say so.
    mutating func reattachWhole(
        _ peer: Int32,
        to parent: Int32,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) throws(TrackerError) {
        let interior = stripes.indices.first { stripes[$0].nodes[Int(parent)].capacity > 0 }
        guard let stripe = parent == SpanningTree.source ? 0 : interior, stripeOfWhole(peer) == nil,
            !peers[Int(parent)].isEvicted, stripes[stripe].depth(of: parent) < context.options.maximumDepth
        else { throw .notAChild }
        let place = WholePlace(parent: parent, stripe: stripe)
        if (restorations[parent]?.expectedWholes ?? 0) > 0 {
            giveBackSlotsOfWhole(below: parent)
        } else {
            guard hasRoom(place) else { throw .treeFull }
        }
        wholes.waiting.remove(peer)
        attachWhole(peer, at: place)
        stripes[stripe].update(peer) {
            $0.epoch &+= 1
            $0.flags.insert(.attached)
            $0.fedAt = context.now
        }
        admit(peer, stripe: stripe, &context)
        restorations[peer]?.settle(0)
        if isAnnounced { announce(peer, stripe: stripe, reason: .restored, &context) }
        finishIfSettled(peer, &context)
        finishIfSettled(parent, &context)
        settle(&context)
    }

    /// The slots that were kept for one such viewer, which is back, are free for it to take.
    private mutating func giveBackSlotsOfWhole(below parent: Int32) {
        guard let slots = restorations[parent]?.slotsOfWhole else { return }
        restorations[parent]?.expectedWholes &-= 1
        for stripe in stripes.indices where slots[stripe] > 0 {
            stripes[stripe].update(parent) { $0.heldSlots &-= slots[stripe] }
        }
    }

    /// Whether a parent that has kept no slots for such a viewer can take it again.
    private func hasRoom(_ place: WholePlace) -> Bool {
        stripes.indices.allSatisfy { stripe in
            let node = stripes[stripe].nodes[Int(place.parent)]
            let slots = Int(slotsOfWhole(below: place.parent, in: stripe))
            return slots == 0 || Int(node.childCount) + Int(node.heldSlots) + slots <= Int(node.capacity)
        }
    }

    /// The slots of a stripe that such a viewer takes below a peer; 0 in a stripe in which it takes none.
    func slotsOfWhole(below parent: Int32, in stripe: Int) -> UInt16 {
        guard stripes.count > 1 else { return 0 }
        if parent == SpanningTree.source { return 1 }
        return stripes[stripe].nodes[Int(parent)].capacity > 0 ? stripes[stripe].slotsOfWhole : 0
    }

    /// Cuts such a viewer off its parent, which is told, or takes it out of the queue of those that wait.
    mutating func partWhole(_ peer: Int32, _ context: inout TrackerContext) {
        wholes.waiting.remove(peer)
        guard let parent = detachWhole(peer) else { return }
        sayChildGone(peer, from: parent.peer, stripe: parent.stripe, &context)
    }

    /// Has the children wait for another parent that get the whole stream from a peer: they get one as soon as what is being
    /// handled is over.
    ///
    /// - Parameter isGone: False if the peer stays in the tree, and is told.
    mutating func partWithWholes(
        of peer: Int32,
        reason: AssignmentReason,
        isGone: Bool,
        _ context: inout TrackerContext
    ) {
        guard wholes.count > 0 else { return }
        for stripe in stripes.indices {
            for child in stripes[stripe].children(of: peer).reversed() where takesWhole(child) {
                if isGone { _ = detachWhole(child) } else { partWhole(child, &context) }
                letWholeWait(child, reason: reason, isAnnounced: true, &context)
            }
        }
    }

    private mutating func letWholeWait(
        _ peer: Int32,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) {
        wholes.waiting.append(peer)
        assign(peer, stripe: 0, reason: reason, isAnnounced: isAnnounced, &context)
    }

    /// Gives parents to those that wait for one, as far as there are any.
    mutating func placeWaitingWholes(_ context: inout TrackerContext) {
        while wholes.waiting.first != SpanningTree.none {
            let peer = wholes.waiting.first
            guard placeWhole(peer, reason: .parentLost, isAnnounced: true, &context) else { return }
            wholes.waiting.remove(peer)
        }
    }

    /// - Returns: whether there is a place.
    private mutating func placeWhole(
        _ peer: Int32,
        reason: AssignmentReason,
        isAnnounced: Bool,
        _ context: inout TrackerContext
    ) -> Bool {
        let excluded = excludedParents(of: peer, stripe: 0)
        setBlocked(excluded, true)
        var place = findPlaceForWhole(mayTakeLast: true, excluding: excluded)
        setBlocked(excluded, false)
        if place == nil, !excluded.isEmpty { place = findPlaceForWhole(mayTakeLast: true) }
        guard let place else { return false }
        attachWhole(peer, at: place)
        assign(peer, stripe: place.stripe, reason: reason, isAnnounced: isAnnounced, &context)
        return true
    }

    private mutating func setBlocked(_ excluded: [Int32], _ isBlocked: Bool) {
        for peer in excluded {
            for stripe in stripes.indices {
                stripes[stripe].update(peer) { node in
                    if isBlocked { node.flags.insert(.blocked) } else { node.flags.remove(.blocked) }
                }
            }
        }
    }

    // MARK: Finding a place

    /// Below the source while half of it is free, so that a small audience is near to it; else below a viewer, of the stripe
    /// in which such viewers take the fewest slots; and below the source if there is none.
    ///
    /// - Parameter mayTakeLast: Whether a slot need not be left for those who come next.
    private mutating func findPlaceForWhole(mayTakeLast: Bool, excluding excluded: [Int32] = []) -> WholePlace? {
        let isSourceFit = !excluded.contains(SpanningTree.source) && sourceTakesWhole
        var candidates: [WholePlace] = []
        if isSourceFit, isSourceHalfFree { candidates.append(.belowSource) }
        candidates += placesBelowViewers
        if isSourceFit { candidates.append(.belowSource) }
        return candidates.first { mayTakeLast || leavesSlots($0) }
    }

    /// Whether the source may take one more, in every stripe. It keeps as many slots for others as it needs until there is a
    /// viewer in each stripe that takes children: else those who bring slots could not come in any more.
    var sourceTakesWhole: Bool {
        stripes.allSatisfy { stripe in
            let node = stripe.nodes[Int(SpanningTree.source)]
            return node.ownSlot != nil && Int(node.capacity) > wholes.belowSource + keptForNewcomers
        }
    }

    /// Every newcomer takes a slot of each stripe, and offers some where the fewest are.
    private var keptForNewcomers: Int { max(2, layout.data) }

    private var isSourceHalfFree: Bool {
        stripes.allSatisfy { stripe in
            let node = stripe.nodes[Int(SpanningTree.source)]
            return 2 * (Int(node.childCount) + Int(node.heldSlots) + 1) <= Int(node.capacity)
        }
    }

    /// The best place of each stripe that has one, the best stripe first.
    private var placesBelowViewers: [WholePlace] {
        let ranked = stripes.indices.map { stripe in
            (isProven: stripes[stripe].roomForWhole.isProven ? 0 : 1, slots: wholes.slots[stripe], stripe: stripe)
        }
        return ranked.sorted { $0 < $1 }.compactMap { rank in
            stripes[rank.stripe].parentForWhole().map { WholePlace(parent: $0, stripe: rank.stripe) }
        }
    }

    /// Whether a viewer in a place leaves as many slots in each stripe as newcomers need until it is its turn to get some.
    private mutating func leavesSlots(_ place: WholePlace) -> Bool {
        let isBelowSource = place.parent == SpanningTree.source
        reserve(place, isTaken: true)
        defer { reserve(place, isTaken: false) }
        for stripe in stripes.indices where isBelowSource || stripe == place.stripe {
            guard surplus(of: stripe) >= keptForNewcomers, stripes[stripe].hasSlotToSpare() else { return false }
        }
        return true
    }

    // MARK: Taking it

    /// Gives such a viewer the place that it had with another tracker.
    mutating func attachWhole(_ peer: Int32, to parent: Int32, stripe: Int) {
        attachWhole(peer, at: WholePlace(parent: parent, stripe: stripe))
    }

    private mutating func attachWhole(_ peer: Int32, at place: WholePlace) {
        reserve(place, isTaken: true)
        // One of the slots is that of the link itself.
        stripes[place.stripe].update(place.parent) { $0.heldSlots &-= 1 }
        stripes[place.stripe].link(peer, under: place.parent)
    }

    /// - Returns: the parent so far, and the stripe in which it was; nil if there was none.
    private mutating func detachWhole(_ peer: Int32) -> (peer: Int32, stripe: Int)? {
        guard let stripe = stripeOfWhole(peer) else { return nil }
        let place = WholePlace(parent: stripes[stripe].nodes[Int(peer)].parent, stripe: stripe)
        stripes[stripe].unlink(peer)
        stripes[stripe].update(peer) { $0.flags.subtract([.attached, .rejoined]) }
        stripes[stripe].update(place.parent) { $0.heldSlots &+= 1 }
        reserve(place, isTaken: false)
        return (place.parent, stripe)
    }

    /// Takes or gives back all slots of a place.
    private mutating func reserve(_ place: WholePlace, isTaken: Bool) {
        let isBelowSource = place.parent == SpanningTree.source
        if isBelowSource { wholes.belowSource += isTaken ? 1 : -1 }
        for stripe in stripes.indices where isBelowSource || stripe == place.stripe {
            let slots = isBelowSource ? 1 : stripes[stripe].slotsOfWhole
            stripes[stripe].update(place.parent) { node in
                if isTaken { node.heldSlots &+= slots } else { node.heldSlots &-= slots }
            }
            wholes.slots[stripe] += isTaken ? Int(slots) : -Int(slots)
        }
    }
}

/// What a tree of several stripes knows of the viewers that get the whole stream from one parent.
struct WholeViewers {
    /// How many there are, and how many of them below the source.
    var count = 0
    var belowSource = 0
    /// The slots that they take, by stripe.
    var slots: [Int]
    /// Those that have no parent.
    var waiting = PeerQueue()

    init(stripes: Int) {
        slots = Array(repeating: 0, count: stripes)
    }
}

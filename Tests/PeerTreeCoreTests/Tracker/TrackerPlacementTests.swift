import PeerTreeCore
import Testing

@Suite("Placement of arrivals", .timeLimit(.minutes(5)))
struct TrackerPlacementTests {
    @Test("The source takes k1 children and every viewer k, level by level, oldest parents first")
    func breadthFirst() throws {
        var harness = try TrackerHarness(k: 2, k1: 3)
        let peers = try harness.join(count: 9)
        for peer in peers[0..<3] { #expect(try harness.parent(peer) == harness.source) }
        for (position, peer) in peers[3...].enumerated() { #expect(try harness.parent(peer) == peers[position / 2]) }
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 2)
        #expect(try harness.tracker.viewerCount(of: harness.tree) == 9)
        #expect(try harness.tracker.assignment(of: peers[8]).depth == 2)
    }

    @Test("Who is in a tree is said in the order of arrival, whoever came and went meanwhile")
    func orderOfArrival() throws {
        var harness = try TrackerHarness()
        var peers = try harness.join(count: 60)
        for position in [0, 17, 17, 30, 55, 54] { try harness.handle(.leave(peers.remove(at: position))) }
        peers += try harness.join(count: 3)
        try harness.handle(.leave(peers.removeLast()))
        peers += try harness.join(count: 2)
        var found: [PeerHandle] = []
        try harness.tracker.forEachPeer(of: harness.tree) { found.append($0.peer) }
        #expect(found == [harness.source] + peers)
    }

    @Test("Defaults are four children of a peer and ten of the source")
    func defaults() throws {
        var tracker = Tracker()
        let source = try tracker.createTree(isNative: true, at: .zero)
        let peer = try tracker.join(source.tree, isNative: true, at: .zero)
        #expect(try tracker.capacity(of: source) == 10)
        #expect(try tracker.capacity(of: peer) == 4)
    }

    @Test("A declared capacity is honoured within the bounds; a legacy peer always has k")
    func capacities() throws {
        var harness = try TrackerHarness { $0.capacityBounds = 1...8 }
        let given: [(Int?, Bool, Int)] = [
            (nil, true, 4), (2, true, 2), (8, true, 8), (0, true, 1), (-5, true, 1), (.max, true, 8), (.min, true, 1),
            (7, false, 4), (nil, false, 4),
        ]
        for (declared, isNative, expected) in given {
            let peer = try harness.joinOnly(capacity: declared, isNative: isNative)
            #expect(try harness.tracker.capacity(of: peer) == expected)
        }
    }

    @Test("Between slots at equal depth an attached parent is preferred")
    func prefersAttached() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        _ = try harness.joinOnly()
        let proven = try harness.join()
        let third = try harness.joinOnly()
        #expect(try harness.parent(third) == proven)
    }

    @Test("Between attached parents the one with fewer failures is preferred, then native over legacy")
    func prefersReliableThenNative() throws {
        var harness = try TrackerHarness(k: 1, k1: 3)
        let legacy = try harness.join(isNative: false)
        let failing = try harness.join()
        let good = try harness.join()
        let first = try harness.join()
        #expect(try harness.parent(first) == failing)
        try harness.orphan(first, .notForwarding)
        #expect(try harness.parent(first) == good)
        // It is asked whether it is there, and for as long ranks behind all others.
        try harness.wait(.milliseconds(1_250))
        let second = try harness.join()
        #expect(try harness.parent(second) == legacy)
        let third = try harness.join()
        #expect(try harness.parent(third) == failing)
    }

    @Test("Viewers that offer nothing cannot close a tree: the last slot is kept for one that brings slots")
    func lastSlot() throws {
        var harness = try TrackerHarness(k1: 3)
        _ = try harness.join(count: 2, capacity: 0)
        #expect(throws: TrackerError.treeFull) { try harness.joinOnly(capacity: 0) }
        let generous = try harness.join(capacity: 2)
        #expect(try harness.parent(generous) == harness.source)
        _ = try harness.join(capacity: 0)
        #expect(throws: TrackerError.treeFull) { try harness.joinOnly(capacity: 0) }
        try harness.handle(.leave(generous))
        #expect(throws: TrackerError.treeFull) { try harness.joinOnly() }
    }

    @Test("No joiner is placed deeper than the limit")
    func depthLimit() throws {
        var harness = try TrackerHarness(k: 1, k1: 1) { $0.maximumDepth = 5 }
        _ = try harness.join(count: 5)
        #expect(throws: TrackerError.treeFull) { try harness.joinOnly() }
    }

    @Test("Trees, peers of a tree and stripes are limited")
    func limits() throws {
        var options = TrackerOptions()
        options.maximumTrees = 1
        options.maximumPeersPerTree = 2
        options.maximumStripes = 2
        var tracker = Tracker(options: options)
        for stripes in [-1, 0, 3, .max] {
            #expect(throws: TrackerError.stripesOutOfRange(limit: 2)) {
                try tracker.createTree(isNative: true, stripes: stripes, at: .zero)
            }
        }
        let source = try tracker.createTree(isNative: true, at: .zero)
        #expect(throws: TrackerError.tooManyTrees(limit: 1)) { try tracker.createTree(isNative: true, at: .zero) }
        _ = try tracker.join(source.tree, isNative: true, at: .zero)
        #expect(throws: TrackerError.tooManyPeers(limit: 2)) {
            try tracker.join(source.tree, isNative: true, at: .zero)
        }
    }

    @Test("With several stripes a viewer is interior in one and a leaf in the others, with the same upload")
    func stripes() throws {
        var harness = try TrackerHarness(k: 2, k1: 4, stripes: 3)
        let peers = try harness.join(count: 60)
        for peer in peers {
            let capacities = try (0..<3).map { try harness.tracker.capacity(of: peer, stripe: $0) }
            #expect(capacities.sorted() == [0, 0, 6])
        }
        for stripe in 0..<3 {
            let interior = try peers.count { try harness.tracker.capacity(of: $0, stripe: stripe) > 0 }
            #expect(interior == 20)
        }
    }

    @Test("Parity costs a viewer as much of its upload as of its download")
    func parity() throws {
        var harness = try TrackerHarness(k: 4, k1: 10, stripes: 5, parity: 1)
        let tracker = harness.tracker
        #expect(try (0..<5).map { try tracker.capacity(of: harness.source, stripe: $0) } == [8, 8, 8, 8, 8])
        #expect(try tracker.wholeCapacity(of: harness.source) == 10)
        let peers = try harness.join(count: 40)
        for peer in peers {
            let capacities = try (0..<5).map { try harness.tracker.capacity(of: peer, stripe: $0) }
            #expect(capacities.sorted() == [0, 0, 0, 0, 16])
            #expect(try harness.tracker.wholeCapacity(of: peer) == 4)
        }
        for stripe in 0..<5 {
            #expect(try peers.count { try harness.tracker.capacity(of: $0, stripe: stripe) > 0 } == 8)
        }
    }

    @Test("The slots of a source are dealt over the stripes evenly, what is left to the first ones")
    func sourceSlots() throws {
        let harness = try TrackerHarness(k1: 7, stripes: 5, parity: 1)
        #expect(try (0..<5).map { try harness.tracker.capacity(of: harness.source, stripe: $0) } == [6, 6, 6, 5, 5])
    }

    @Test(
        "A source with fewer slots than stripes gets fewer; where parity needs more than there is, a single one",
        arguments: [
            (k: 4, k1: 3, stripes: 5, parity: 1, StripeLayout(stripes: 3, parity: 1)),
            (k: 4, k1: 1, stripes: 5, parity: 1, .single),
            (k: 4, k1: 2, stripes: 3, parity: 0, StripeLayout(stripes: 2, parity: 0)),
            (k: 1, k1: 9, stripes: 5, parity: 0, StripeLayout(stripes: 5, parity: 0)),
            (k: 1, k1: 9, stripes: 5, parity: 1, .single),
            (k: 2, k1: 9, stripes: 2, parity: 1, StripeLayout(stripes: 2, parity: 1)),
        ]
    )
    func reducedLayout(k: Int, k1: Int, stripes: Int, parity: Int, granted: StripeLayout) throws {
        let harness = try TrackerHarness(k: k, k1: k1, stripes: stripes, parity: parity)
        #expect(try harness.tracker.layout(of: harness.tree) == granted)
        let slots = try (0..<granted.stripes).map { try harness.tracker.capacity(of: harness.source, stripe: $0) }
        #expect(slots.reduce(0, +) == k1 * granted.data)
    }

    @Test("Parity is of one stripe at most, and of none of a single one")
    func parityOutOfRange() {
        var tracker = Tracker()
        for (parity, stripes) in [(1, 1), (2, 5), (-1, 5), (.max, 16)] {
            #expect(throws: TrackerError.parityOutOfRange(parity: parity, stripes: stripes)) {
                try tracker.createTree(isNative: true, stripes: stripes, parity: parity, at: .zero)
            }
        }
        #expect(tracker.treeCount == 0)
    }

    @Test(
        "With parity a viewer is let in that lacks a place in one stripe, and gets it from the next that brings slots"
    )
    func placeIsLacking() throws {
        var harness = try TrackerHarness(k: 2, k1: 4, stripes: 4, parity: 1)
        #expect(try harness.tracker.capacity(of: harness.source, stripe: 3) == 3)
        // Not attached yet, so that none of them can make room.
        let peers = try (0..<4).map { _ in try harness.joinOnly() }
        for peer in peers {
            let placed = try (0..<4).count { try harness.tracker.parent(of: peer, stripe: $0) != nil }
            #expect(placed >= 3)
        }
        for peer in peers { try harness.attach(peer) }
        try harness.attachAll()
        for peer in peers {
            #expect(try (0..<4).allSatisfy { try harness.tracker.parent(of: peer, stripe: $0) != nil })
        }
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
        // Without parity, whoever lacks a place cannot be served.
        var plain = try TrackerHarness(k: 2, k1: 4, stripes: 4)
        for _ in 0..<3 { _ = try plain.join(capacity: 0) }
        #expect(throws: TrackerError.treeFull) { try plain.join(capacity: 0) }
    }

    @Test("Inputs about unknown trees, peers, stripes and epochs are refused and change nothing")
    func refusals() throws {
        var harness = try TrackerHarness()
        let peer = try harness.join()
        let gone = try harness.join()
        try harness.handle(.leave(gone))
        #expect(throws: TrackerError.unknownPeer) { try harness.handle(.leave(gone)) }
        #expect(throws: TrackerError.unknownPeer) { try harness.tracker.rejoin(gone, at: .zero) }
        for stripe in [-1, 1, .max] {
            #expect(throws: TrackerError.unknownStripe) {
                try harness.handle(.attached(peer, stripe: stripe, epoch: 1))
            }
        }
        #expect(throws: TrackerError.unknownEpoch) { try harness.handle(.attached(peer, stripe: 0, epoch: .max)) }
        #expect(throws: TrackerError.unknownEpoch) {
            try harness.handle(.orphaned(peer, stripe: 0, epoch: 2, reason: .silent))
        }
        #expect(throws: TrackerError.sourceHasNoParent) { try harness.orphan(harness.source) }
        #expect(throws: TrackerError.sourceJoinsOwnTree) { try harness.tracker.rejoin(harness.source, at: .zero) }
        #expect(throws: TrackerError.notAChild) {
            try harness.handle(.childLost(peer, child: harness.source, stripe: 0))
        }
        let other = try harness.tracker.createTree(isNative: true, at: .zero)
        #expect(throws: TrackerError.notAChild) {
            try harness.handle(.childLost(harness.source, child: other, stripe: 0))
        }
        try harness.handle(.endTree(other.tree))
        #expect(throws: TrackerError.unknownTree) { try harness.tracker.join(other.tree, isNative: true, at: .zero) }
        #expect(try harness.tracker.viewerCount(of: harness.tree) == 1)
    }
}

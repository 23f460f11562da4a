import PeerTreeCore
import TestSupport
import Testing

/// What every peer of a tree knows of its own links, and a tracker without memory that is told it.
struct RestorationModel {
    struct Peer {
        var isNative: Bool
        var capacity: Int
        var interior: Int?
        var parents: [Int?]
        var children: [[Int]]
    }

    /// The source first.
    private(set) var peers: [Peer] = []
    var tracker: Tracker
    var now = Instant.zero
    private let layout: StripeLayout
    private var handles: [Int: PeerHandle] = [:]
    private var source: PeerHandle?
    private(set) var assignments: [AssignmentReason] = []

    /// Takes down who is where in `old`.
    init(of tree: TreeHandle, in old: Tracker) throws {
        tracker = Tracker(options: old.options)
        layout = try old.layout(of: tree)
        let stripes = layout.stripes
        var order: [PeerHandle] = []
        var legacy: Set<PeerHandle> = []
        try old.forEachPeer(of: tree) {
            order.append($0.peer)
            if !$0.isNative { legacy.insert($0.peer) }
        }
        let numbers = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        for peer in order {
            let interior = try old.interiorStripe(of: peer)
            peers.append(
                Peer(
                    isNative: !legacy.contains(peer),
                    capacity: try peer.isSource
                        ? old.wholeCapacity(of: peer) : interior.map { try old.capacity(of: peer, stripe: $0) } ?? 0,
                    interior: peer.isSource ? nil : interior,
                    parents: try (0..<stripes).map { try old.parent(of: peer, stripe: $0).flatMap { numbers[$0] } },
                    children: try (0..<stripes).map { stripe in
                        try old.children(of: peer, stripe: stripe).compactMap { numbers[$0] }
                    }
                )
            )
        }
    }

    /// A peer comes back and says where it is; links whose other end is back and agrees are restored.
    mutating func comeBack(_ number: Int) throws {
        let peer = peers[number]
        let source =
            try self.source
            ?? tracker.restoreTree(
                capacity: peers[0].capacity,
                stripes: layout.stripes,
                parity: layout.parity,
                at: now
            )
        self.source = source
        let places = peer.children.map { children in
            let wholes = layout.stripes > 1 ? children.count { !peers[$0].isNative } : 0
            return StripePlace(epoch: 7, children: children.count - wholes, wholes: wholes)
        }
        if number == 0 {
            try tracker.restoreSource(source, isNative: peer.isNative, places: places, at: now)
            handles[0] = source
        } else {
            handles[number] = try tracker.restore(
                source.tree,
                isNative: peer.isNative,
                capacity: peer.capacity,
                interior: peer.interior,
                places: places,
                at: now
            )
        }
        guard let handle = handles[number] else { return }
        for stripe in 0..<layout.stripes {
            if number != 0, peer.isNative || stripe == 0 {
                if let parent = peer.parents[stripe], let above = handles[parent] {
                    try tracker.reattach(handle, to: above, stripe: stripe, isAnnounced: false, at: now)
                } else if peer.parents[stripe] == nil {
                    try tracker.placeRestored(handle, stripe: stripe, isAnnounced: false, at: now)
                }
            }
            for child in peer.children[stripe] {
                guard let below = handles[child] else { continue }
                try tracker.reattach(below, to: handle, stripe: stripe, isAnnounced: true, at: now)
            }
        }
        drain()
    }

    mutating func wait(_ span: TimeSpan) throws {
        now = now + span
        try tracker.handle(.deadlineReached, at: now)
        drain()
    }

    /// Reports every link as open.
    mutating func attachAll() throws {
        for handle in handles.values where !handle.isSource && tracker.contains(handle) {
            for stripe in 0..<layout.stripes {
                let epoch = try tracker.assignment(of: handle, stripe: stripe).epoch
                try tracker.handle(.attached(handle, stripe: stripe, epoch: epoch), at: now)
            }
        }
        drain()
    }

    private mutating func drain() {
        while let output = tracker.nextOutput() {
            if case .assign(_, _, let reason) = output { assignments.append(reason) }
        }
    }

    /// The parent of every peer that came back, by number and stripe.
    var parents: [Int: [Int?]] {
        get throws {
            let numbers = Dictionary(uniqueKeysWithValues: handles.map { ($1, $0) })
            return try handles.mapValues { handle in
                try (0..<layout.stripes).map { try tracker.parent(of: handle, stripe: $0).flatMap { numbers[$0] } }
            }
        }
    }

    var depth: Int {
        get throws { try source.map { try tracker.maximumDepth(of: $0.tree) } ?? 0 }
    }

    var restoringCount: Int {
        get throws {
            try handles.values.count { handle in
                try (0..<layout.stripes).contains { try tracker.isRestoring(handle, stripe: $0) }
            }
        }
    }
}

@Suite("Rebuilding a tree that the tracker has forgotten", .timeLimit(.minutes(5)))
struct TrackerRestorationTests {
    /// A settled tree of random shape.
    ///
    /// - Parameter originals: Whether some of its viewers are original clients.
    private func makeTree(_ random: inout SeededGenerator, originals: Bool = false) throws -> TrackerHarness {
        let stripes = Int.random(in: 1...4, using: &random)
        let k = Int.random(in: 1...4, using: &random)
        var harness = try TrackerHarness(
            k: k,
            k1: Int.random(in: stripes...8, using: &random),
            stripes: stripes,
            parity: stripes > 1 ? Int.random(in: 0...1, using: &random) : 0
        )
        var viewers: [PeerHandle] = []
        for _ in 0..<Int.random(in: 1...120, using: &random) {
            let capacity = Int.random(in: 0...2, using: &random) == 0 ? Int.random(in: 1...6, using: &random) : nil
            let isNative = !originals || Int.random(in: 0...3, using: &random) > 0
            do {
                viewers.append(try harness.join(capacity: capacity, isNative: isNative))
            } catch TrackerError.treeFull {
                // With several stripes and few slots there can be one in which nobody has room.
                break
            }
            if viewers.count > 3, Int.random(in: 0...5, using: &random) == 0 {
                let leaver = viewers.remove(at: Int.random(in: viewers.indices, using: &random))
                try harness.handle(.leave(leaver))
                try harness.attachAll()
            }
        }
        try harness.attachAll()
        try harness.wait(.seconds(60))
        return harness
    }

    @Test("In whatever order the peers come back, each has the parent it had, and nobody is moved", arguments: 0..<60)
    func sameTree(seed: UInt64) throws {
        try rebuild(seed: seed, originals: false)
    }

    @Test("So has each where original clients are among them", arguments: 1_000..<1_060)
    func sameTreeOfOriginals(seed: UInt64) throws {
        try rebuild(seed: seed, originals: true)
    }

    private func rebuild(seed: UInt64, originals: Bool) throws {
        var random = SeededGenerator(seed: seed)
        let harness = try makeTree(&random, originals: originals)
        var model = try RestorationModel(of: harness.tree, in: harness.tracker)
        let before = model.peers.map(\.parents)
        for number in model.peers.indices.shuffled(using: &random) {
            try model.comeBack(number)
            if Int.random(in: 0...3, using: &random) == 0 { try model.wait(.milliseconds(50)) }
            #expect(TreeInvariants.violations(in: model.tracker).isEmpty, "seed \(seed)")
        }
        let depth = try harness.tracker.maximumDepth(of: harness.tree)
        #expect(try model.restoringCount == 0, "seed \(seed)")
        try model.wait(.seconds(60))
        let after = try model.parents
        #expect(before.indices.allSatisfy { after[$0] == before[$0] }, "seed \(seed)")
        #expect(try model.depth == depth, "seed \(seed)")
        #expect(model.assignments.allSatisfy { $0 == .restored }, "seed \(seed): \(model.assignments)")
    }

    @Test("Where some never come back, the others get new parents and keep those that did", arguments: 0..<60)
    func someAreGone(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed &+ 1_000)
        let harness = try makeTree(&random)
        var model = try RestorationModel(of: harness.tree, in: harness.tracker)
        let gone = Set(model.peers.indices.dropFirst().filter { _ in Int.random(in: 0...3, using: &random) == 0 })
        let back = model.peers.indices.filter { !gone.contains($0) }
        for number in back.shuffled(using: &random) {
            try model.comeBack(number)
            #expect(TreeInvariants.violations(in: model.tracker).isEmpty, "seed \(seed)")
        }
        let atOnce = try model.parents
        for number in back {
            for (stripe, parent) in model.peers[number].parents.enumerated() where parent.map(gone.contains) == false {
                #expect(atOnce[number]?[stripe] == parent, "seed \(seed)")
            }
        }
        try model.wait(.seconds(10))
        #expect(TreeInvariants.violations(in: model.tracker).isEmpty, "seed \(seed)")
        #expect(try model.restoringCount == 0, "seed \(seed)")
        try model.attachAll()
        for _ in 0..<20 { try model.attachAll() }
        // Whoever has no parent now waits because every slot is taken: the invariants say so.
        #expect(TreeInvariants.violations(in: model.tracker).isEmpty, "seed \(seed)")
        #expect(try model.tracker.viewerCount(of: harness.tree) == back.count - 1, "seed \(seed)")
    }

    @Test("A tree whose source does not come back in time is over")
    func sourceIsGone() throws {
        var tracker = Tracker()
        let source = try tracker.restoreTree(capacity: 10, stripes: 1, at: .zero)
        let viewer = try tracker.restore(source.tree, capacity: 4, interior: 0, places: [StripePlace()], at: .zero)
        try tracker.handle(.deadlineReached, at: .zero + .seconds(15))
        var outputs: [TrackerOutput] = []
        while let output = tracker.nextOutput() { outputs.append(output) }
        #expect(outputs.contains(.removed(peer: viewer, reason: .treeEnded(.sourceLost))))
        #expect(outputs.last == .treeEnded(tree: source.tree, reason: .sourceLost))
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
    }

    @Test("Two peers that claim to feed each other are not put in a circle")
    func circle() throws {
        var tracker = Tracker()
        let source = try tracker.restoreTree(capacity: 10, stripes: 1, at: .zero)
        try tracker.restoreSource(source, places: [StripePlace()], at: .zero)
        let place = [StripePlace(epoch: 1, children: 1)]
        let first = try tracker.restore(source.tree, capacity: 4, interior: 0, places: place, at: .zero)
        let second = try tracker.restore(source.tree, capacity: 4, interior: 0, places: place, at: .zero)
        try tracker.reattach(second, to: first, stripe: 0, isAnnounced: false, at: .zero)
        #expect(throws: TrackerError.notAChild) {
            try tracker.reattach(first, to: second, stripe: 0, isAnnounced: false, at: .zero)
        }
        #expect(throws: TrackerError.notAChild) {
            try tracker.reattach(first, to: first, stripe: 0, isAnnounced: false, at: .zero)
        }
        try tracker.handle(.deadlineReached, at: .zero + .seconds(10))
        #expect(try tracker.parent(of: first) == source)
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
    }

    @Test("A slot is kept for a child that is still to come, and given away when its time is over")
    func slotIsKept() throws {
        var options = TrackerOptions()
        options.childrenOfSource = 1
        var tracker = Tracker(options: options)
        let source = try tracker.restoreTree(capacity: 1, stripes: 1, at: .zero)
        try tracker.restoreSource(source, places: [StripePlace(children: 1)], at: .zero)
        let newcomer = try tracker.join(source.tree, isNative: true, at: .zero)
        #expect(try tracker.parent(of: newcomer) == nil)
        let child = try tracker.restore(source.tree, capacity: 4, interior: 0, places: [StripePlace()], at: .zero)
        try tracker.reattach(child, to: source, stripe: 0, isAnnounced: false, at: .zero)
        #expect(try tracker.parent(of: child) == source)
        #expect(try tracker.parent(of: newcomer) == child)
        #expect(TreeInvariants.violations(in: tracker).isEmpty)

        var other = Tracker(options: options)
        let second = try other.restoreTree(capacity: 1, stripes: 1, at: .zero)
        try other.restoreSource(second, places: [StripePlace(children: 1)], at: .zero)
        let waiting = try other.join(second.tree, isNative: true, at: .zero)
        try other.handle(.deadlineReached, at: .zero + .seconds(10))
        #expect(try other.parent(of: waiting) == second)
    }

    @Test("Original clients that are restored are gone with their sockets, and the tree with its source")
    func originals() throws {
        var tracker = Tracker()
        let source = try tracker.restoreTree(capacity: 10, stripes: 1, at: .zero)
        let native = try tracker.restore(source.tree, capacity: 4, interior: 0, places: [StripePlace()], at: .zero)
        try tracker.restoreSource(source, isNative: false, places: [StripePlace(children: 1)], at: .zero)
        let place = [StripePlace()]
        let viewer = try tracker.restore(
            source.tree,
            isNative: false,
            capacity: 4,
            interior: 0,
            places: place,
            at: .zero
        )
        try tracker.reattach(viewer, to: source, stripe: 0, isAnnounced: true, at: .zero)
        try tracker.placeRestored(native, stripe: 0, isAnnounced: true, at: .zero)
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
        try tracker.handle(.signallingLost(viewer), at: .zero)
        #expect(!tracker.contains(viewer))
        try tracker.handle(.signallingLost(source), at: .zero)
        #expect(!tracker.contains(native))
        #expect(tracker.treeCount == 0)
    }

    @Test("An original client takes the place it had for all stripes, and another one where that has no room any more")
    func wholes() throws {
        var options = TrackerOptions()
        options.childrenOfSource = 10
        var tracker = Tracker(options: options)
        let source = try tracker.restoreTree(capacity: 10, stripes: 5, parity: 1, at: .zero)
        var place = Array(repeating: StripePlace(), count: 5)
        try tracker.restoreSource(source, places: place, at: .zero)
        place[2].children = 2
        let parent = try tracker.restore(source.tree, capacity: 7, interior: 2, places: place, at: .zero)
        for stripe in 0..<5 { try tracker.placeRestored(parent, stripe: stripe, isAnnounced: true, at: .zero) }
        let nowhere = Array(repeating: StripePlace(), count: 5)
        let viewers = try (0..<2).map { _ in
            try tracker.restore(source.tree, isNative: false, capacity: 0, interior: nil, places: nowhere, at: .zero)
        }
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
        try tracker.reattach(viewers[0], to: parent, stripe: 0, isAnnounced: true, at: .zero)
        #expect(try tracker.parent(of: viewers[0], stripe: 4) == parent)
        #expect(try tracker.isAttached(viewers[0]))
        // Each of them is worth four slots of the seven.
        #expect(throws: TrackerError.treeFull) {
            try tracker.reattach(viewers[1], to: parent, stripe: 0, isAnnounced: true, at: .zero)
        }
        try tracker.placeRestored(viewers[1], stripe: 0, isAnnounced: true, at: .zero)
        #expect(try tracker.parent(of: viewers[1]) == source)
        try tracker.handle(.deadlineReached, at: .zero + .seconds(10))
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
    }

    @Test("A restored peer that discovers its tree waits no more for the parent it had", arguments: [true, false])
    func rediscovers(isNative: Bool) throws {
        for stripes in isNative ? [1] : [1, 5] {
            var tracker = Tracker()
            let source = try tracker.restoreTree(capacity: 10, stripes: stripes, at: .zero)
            let place = Array(repeating: StripePlace(), count: stripes)
            try tracker.restoreSource(source, places: place, at: .zero)
            let viewer = try tracker.restore(
                source.tree,
                isNative: isNative,
                capacity: 4,
                interior: 0,
                places: place,
                at: .zero
            )
            #expect(try tracker.parent(of: viewer) == nil)
            try tracker.rejoin(viewer, at: .zero)
            #expect(try tracker.parent(of: viewer) == source)
            #expect(TreeInvariants.violations(in: tracker).isEmpty)
        }
    }

    @Test("A restored peer that says its parent died gets another one at once")
    func parentDiedMeanwhile() throws {
        var tracker = Tracker()
        let source = try tracker.restoreTree(capacity: 10, stripes: 1, at: .zero)
        try tracker.restoreSource(source, places: [StripePlace()], at: .zero)
        let place = [StripePlace(epoch: 40)]
        let child = try tracker.restore(source.tree, capacity: 4, interior: 0, places: place, at: .zero)
        #expect(try tracker.isRestoring(child))
        try tracker.handle(.orphaned(child, stripe: 0, epoch: 40, reason: .silent), at: .zero)
        #expect(try tracker.parent(of: child) == source)
        #expect(try tracker.assignment(of: child).epoch == 41)
        #expect(TreeInvariants.violations(in: tracker).isEmpty)
    }
}

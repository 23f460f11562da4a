import TestSupport
import Testing

@testable import PeerTreeCore

/// A hundred thousand random operations, and what must hold after each of them.
@Suite("Tracker under random operations", .timeLimit(.minutes(5)))
struct TrackerPropertyTests {
    /// Most trees of one stripe, some of several, and some of those with parity.
    private static func layout(_ seed: UInt64) -> StripeLayout {
        switch seed {
        case 4, 44: StripeLayout(stripes: 3, parity: 0)
        case 13: StripeLayout(stripes: 2, parity: 0)
        case 5, 15: StripeLayout(stripes: 2, parity: 1)
        case 6, 16, 45: StripeLayout(stripes: 4, parity: 1)
        default: .single
        }
    }

    @Test(
        "No cycle, nobody over capacity, everyone reachable, nothing leaks",
        arguments: [1, 2, 3, 4, 5, 6] as [UInt64]
    )
    func randomOperations(seed: UInt64) throws {
        var run = RandomRun(seed: seed, Self.layout(seed))
        for step in 0..<25_000 {
            run.step()
            let problems = run.localProblems() + (step % 100 == 0 ? TreeInvariants.violations(in: run.tracker) : [])
            try #require(problems.isEmpty, "seed \(seed), step \(step), \(run.lastOperation): \(problems)")
        }
        run.finish()
        let problems = TreeInvariants.violations(in: run.tracker)
        #expect(problems.isEmpty, "seed \(seed), at the end: \(problems)")
        #expect(run.tracker.context.timers.count == 0, "seed \(seed): timers leak")
        #expect(run.tracker.treeCount == 0, "seed \(seed): trees leak")
    }

    @Test(
        "The same with peers that complain about everybody, in a tree that lasts",
        arguments: [41, 42, 43, 44, 45] as [UInt64]
    )
    func randomComplaints(seed: UInt64) throws {
        var run = RandomRun(seed: seed, Self.layout(seed), areComplaining: true)
        for step in 0..<32_000 {
            run.step()
            let problems = run.localProblems() + (step % 100 == 0 ? TreeInvariants.violations(in: run.tracker) : [])
            try #require(problems.isEmpty, "seed \(seed), step \(step), \(run.lastOperation): \(problems)")
        }
        // In stripes whose slots original clients take hardly anybody can be spared: there they are shunned.
        if Self.layout(seed) == .single {
            #expect(run.tracker.statistics.evictions > 20, "seed \(seed): the test tries too little")
        }
        #expect(run.tracker.statistics.shuns > 20, "seed \(seed): the test tries too little")
        run.finish()
        #expect(run.tracker.context.timers.count == 0, "seed \(seed): timers leak")
    }

    @Test("With every check after every operation", arguments: [11, 12, 13, 14, 15, 16] as [UInt64])
    func randomOperationsFullyChecked(seed: UInt64) throws {
        var run = RandomRun(seed: seed, Self.layout(seed), targetSize: 40, areComplaining: seed > 12)
        for step in 0..<1_500 {
            run.step()
            let problems = run.localProblems() + TreeInvariants.violations(in: run.tracker)
            try #require(problems.isEmpty, "seed \(seed), step \(step), \(run.lastOperation): \(problems)")
        }
    }

    /// Once moves are drained, no leaf that can be told to move is two or more levels below the shallowest free slot.
    /// With equal capacities and native peers every level above that slot is full, so the depth is within one level of
    /// the best any placement could do.
    @Test(
        "With equal capacities the depth is within one level of the optimum",
        arguments: [21, 22, 23, 24] as [UInt64]
    )
    func depthNearOptimum(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let k = Int.random(in: 2...4, using: &random)
        var harness = try TrackerHarness(k: k, k1: 3)
        var peers: [PeerHandle] = []
        for step in 0..<3_000 {
            let phase = step / 500
            if peers.isEmpty || Int.random(in: 0..<10, using: &random) < (phase.isMultiple(of: 2) ? 7 : 2) {
                peers.append(try harness.join())
            } else {
                let position = Int.random(in: 0..<peers.count, using: &random)
                let gone = peers.swapRemove(at: position)
                try harness.handle(.leave(gone))
            }
            try harness.attachAll()
            let depth = try harness.tracker.maximumDepth(of: harness.tree)
            let best = optimalDepth(viewers: peers.count, k: k, k1: 3)
            try #require(depth <= best + 1, "seed \(seed), step \(step): depth \(depth), optimum \(best)")
        }
    }

    /// Capacities differ: the optimum over all arrangements is out of reach for anyone who places arrivals as they
    /// come, so the claim is the local one, for every leaf that can be told to move.
    @Test("With any capacities no movable leaf is two levels below a free slot", arguments: [31, 32, 33] as [UInt64])
    func noLeafFarBelowFreeSlot(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var harness = try TrackerHarness(k: 2, k1: 3)
        var peers: [PeerHandle] = []
        for step in 0..<3_000 {
            if peers.count < 20 || Int.random(in: 0..<10, using: &random) < (step < 1_500 ? 6 : 4) {
                let isNative = Int.random(in: 0..<4, using: &random) > 0
                let capacity = Int.random(in: 1...6, using: &random)
                peers.append(try harness.join(capacity: capacity, isNative: isNative))
            } else {
                let gone = peers.swapRemove(at: Int.random(in: 0..<peers.count, using: &random))
                try harness.handle(.leave(gone))
            }
            try harness.attachAll()
            let tree = harness.tracker.trees[0].stripes[0]
            if let slot = tree.shallowestSlotDepth, let leaf = tree.deepestMovableLeafDepth {
                try #require(leaf < slot + 2, "seed \(seed), step \(step): leaf at \(leaf), slot at \(slot)")
            }
        }
    }

    @Test("Endless churn neither grows the tables nor leaves anything behind")
    func churnDoesNotGrow() throws {
        var harness = try TrackerHarness()
        var random = SeededGenerator(seed: 5)
        var peers = try harness.join(count: 200)
        for _ in 0..<2_000 {
            let position = Int.random(in: 0..<peers.count, using: &random)
            try harness.orphan(peers[position])
            try harness.handle(.leave(peers[position]))
            peers[position] = try harness.join()
            harness.now = harness.now + .milliseconds(20)
            try harness.attachAll()
            harness.outputs.removeAll()
        }
        let tree = harness.tracker.trees[0]
        #expect(tree.peers.count <= 202)
        #expect(tree.stripes[0].nodes.count <= 202)
        #expect(tree.exclusions.count <= 200)
        // Whoever newcomers were kept away from gets children again, and these attach, until all is quiet.
        for _ in 0..<4 {
            try harness.wait(.seconds(30))
            try harness.attachAll()
        }
        let blamed = harness.tracker.trees[0].blame.values.count { $0.eviction != nil }
        #expect(harness.tracker.context.timers.count == blamed)
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
    }

    @Test("The handle of an ended tree stays void when its place is used again")
    func treesAreReused() throws {
        var tracker = Tracker()
        var old: [PeerHandle] = []
        for _ in 0..<1_000 {
            let source = try tracker.createTree(isNative: true, at: .zero)
            #expect(!old.contains(source))
            old = [source, try tracker.join(source.tree, isNative: true, at: .zero)]
            try tracker.handle(.leave(source), at: .zero)
            while tracker.nextOutput() != nil {}
            for peer in old { #expect(!tracker.contains(peer)) }
        }
        #expect(tracker.trees.count == 1)
    }

    /// The least depth at which a source with `k1` and viewers with `k` slots each can serve `viewers`.
    private func optimalDepth(viewers: Int, k: Int, k1: Int) -> Int {
        var depth = 0
        var level = k1
        var room = 0
        while room < viewers {
            room += level
            level *= k
            depth += 1
        }
        return depth
    }
}

/// Random operations on one tracker, with the state a set of well- and ill-behaved peers would have.
struct RandomRun {
    var tracker: Tracker
    private(set) var lastOperation = "nothing"
    private var random: SeededGenerator
    /// Who turns to a standby.
    private var turns: SeededGenerator
    private var now = Instant.zero
    private var trees: [PeerHandle] = []
    private var viewers: [PeerHandle] = []
    private var epochs: [EpochKey: UInt32] = [:]
    /// The standby that each viewer knows, and the wards that were let in.
    private var standbys: [PeerHandle: PeerHandle] = [:]
    private var admitted: [PeerHandle: PeerHandle] = [:]
    private var problems: [String] = []
    private let layout: StripeLayout
    private let targetSize: Int
    private let areComplaining: Bool

    private struct EpochKey: Hashable {
        var peer: PeerHandle
        var stripe: Int
    }

    /// - Parameter areComplaining: Whether peers stay for long, and complain for most of the time.
    init(seed: UInt64, _ layout: StripeLayout, targetSize: Int = 300, areComplaining: Bool = false) {
        var options = TrackerOptions()
        options.childrenPerPeer = 3
        options.childrenOfSource = 4
        options.capacityBounds = 0...6
        tracker = Tracker(options: options)
        random = SeededGenerator(seed: seed)
        turns = SeededGenerator(seed: ~seed)
        self.layout = layout
        self.targetSize = targetSize
        self.areComplaining = areComplaining
    }

    mutating func step() {
        now = now + .milliseconds(UInt64.random(in: 0..<200, using: &random))
        if trees.count < 2 || Int.random(in: 0..<3_000, using: &random) == 0 { create() }
        if areComplaining, Int.random(in: 0..<3, using: &random) > 0 {
            if Bool.random(using: &random) { attached() } else { orphaned() }
            drain()
            return
        }
        let growth = viewers.count < targetSize ? 34 : 22
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<growth: join()
        case ..<50: withViewer("leave") { .leave($0) }
        case ..<54: withViewer("signalling lost") { .signallingLost($0) }
        case ..<56: withViewer("signalling unreachable") { .signallingUnreachable($0) }
        case ..<62: withViewer("signalling resumed") { .signallingResumed($0) }
        case ..<66: rejoin()
        case ..<74: orphaned()
        case ..<78: childLost()
        case ..<80: jump()
        case ..<81: sourceEvent()
        default: attached()
        }
        drain()
    }

    /// Ends everything.
    mutating func finish() {
        for source in trees where tracker.contains(source) { perform("end", .endTree(source.tree)) }
        drain()
    }

    /// What the last operation broke, as far as a cheap look can tell.
    mutating func localProblems() -> [String] {
        defer { problems = [] }
        guard let viewer = viewers.randomElement(using: &random), tracker.contains(viewer) else { return problems }
        let standby = (try? tracker.standby(of: viewer)) ?? nil
        if standbys[viewer] != standby { problems.append("\(viewer) was not told that its standby is another") }
        if admitted[viewer] != standby { problems.append("the standby of \(viewer) was not told, or not by now") }
        for stripe in 0..<layout.stripes {
            var current = viewer
            var steps = 0
            while let parent = try? tracker.parent(of: current, stripe: stripe), steps < 10_000 {
                if parent == viewer { problems.append("cycle through \(viewer)") }
                if let children = try? tracker.children(of: parent, stripe: stripe),
                    let capacity = try? tracker.capacity(of: parent, stripe: stripe)
                {
                    let isListed = children.contains(current) || isListed(current, by: parent)
                    if !isListed { problems.append("\(parent) does not list \(current)") }
                    if children.count > capacity { problems.append("\(parent) is over its capacity") }
                }
                current = parent
                steps += 1
            }
        }
        return problems
    }

    /// Whether a peer is among another one's children in any stripe, where it gets the whole stream from it.
    private func isListed(_ peer: PeerHandle, by parent: PeerHandle) -> Bool {
        (0..<layout.stripes).contains { stripe in
            let hasWhole = (try? tracker.parent(of: peer, stripe: 0)) == parent
            return hasWhole && (try? tracker.children(of: parent, stripe: stripe))?.contains(peer) == true
        }
    }

    private mutating func create() {
        lastOperation = "create"
        if let source = try? tracker.createTree(isNative: true, stripes: layout.stripes, parity: layout.parity, at: now)
        {
            trees.append(source)
        }
    }

    private mutating func join() {
        lastOperation = "join"
        guard let source = trees.randomElement(using: &random) else { return }
        let isNative = Int.random(in: 0..<4, using: &random) > 0
        let capacity = Int.random(in: 0...6, using: &random)
        if let peer = try? tracker.join(
            source.tree,
            isNative: isNative,
            capacity: capacity,
            origin: UInt64.random(in: 0..<40, using: &random),
            at: now
        ) {
            viewers.append(peer)
            drain()
            note(peer)
        }
    }

    private mutating func withViewer(_ name: String, _ input: (PeerHandle) -> Tracker.Input) {
        guard let viewer = viewers.randomElement(using: &random) else { return }
        perform(name, input(viewer))
    }

    private mutating func rejoin() {
        lastOperation = "rejoin"
        guard let viewer = viewers.randomElement(using: &random) else { return }
        let isAccepted = (try? tracker.rejoin(viewer, at: now)) != nil
        drain()
        if isAccepted { note(viewer) }
    }

    private mutating func orphaned() {
        guard let (viewer, stripe, epoch) = randomAssignment() else { return }
        // Now and then a report about an epoch that is over, or that never was.
        let off = Int.random(in: 0..<8, using: &random)
        let told = off == 0 ? epoch &- 1 : off == 1 ? epoch &+ 1 : epoch
        let reason = LossReason.allCases.randomElement(using: &random) ?? .silent
        guard let standby = (try? tracker.standby(of: viewer)) ?? viewers.randomElement(using: &turns),
            Int.random(in: 0..<4, using: &turns) == 0
        else { return perform("orphaned", .orphaned(viewer, stripe: stripe, epoch: told, reason: reason)) }
        perform(
            "promoted",
            .promoted(viewer, stripe: stripe, epoch: told, reason: reason, standby: standby)
        )
    }

    private mutating func childLost() {
        guard let (viewer, stripe, _) = randomAssignment(), let parent = try? tracker.parent(of: viewer, stripe: stripe)
        else { return }
        let speaker = Bool.random(using: &random) ? parent : viewers.randomElement(using: &random) ?? parent
        perform("child lost", .childLost(speaker, child: viewer, stripe: stripe))
    }

    private mutating func attached() {
        guard let (viewer, stripe, epoch) = randomAssignment() else { return }
        perform("attached", .attached(viewer, stripe: stripe, epoch: epoch))
    }

    /// A pause long enough for timers to fire.
    private mutating func jump() {
        now = now + .seconds(UInt64.random(in: 1...6, using: &random))
        perform("time", .deadlineReached)
    }

    private mutating func sourceEvent() {
        guard let source = trees.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<20, using: &random) {
        case 0: perform("source leaves", .leave(source))
        case ..<8: perform("source lost", .signallingLost(source))
        default: perform("source resumed", .signallingResumed(source))
        }
    }

    private mutating func randomAssignment() -> (PeerHandle, stripe: Int, epoch: UInt32)? {
        guard let viewer = viewers.randomElement(using: &random) else { return nil }
        let stripe = Int.random(in: 0..<layout.stripes, using: &random)
        guard let assignment = try? tracker.assignment(of: viewer, stripe: stripe) else { return nil }
        return (viewer, stripe, assignment.epoch)
    }

    private mutating func perform(_ name: String, _ input: Tracker.Input) {
        lastOperation = name
        try? tracker.handle(input, at: now)
    }

    private mutating func drain() {
        while let output = tracker.nextOutput() {
            switch output {
            case .removed(let peer, _):
                viewers.removeAll { $0 == peer }
                epochs = epochs.filter { $0.key.peer != peer }
                standbys[peer] = nil
                admitted[peer] = nil
            case .treeEnded(let tree, _):
                trees.removeAll { $0.tree == tree }
            case .assign(let peer, let assignment, _):
                note(peer, assignment)
                if let parent = assignment.parent, standbys[peer] == parent {
                    standbys[peer] = nil
                    admitted[peer] = nil
                }
            case .standby(let peer, let standby):
                if let standby, admitted[peer] != standby { problems.append("\(peer) knows of a standby too early") }
                standbys[peer] = standby
            case .admitWard(let standby, let ward):
                admitted[ward] = standby
            case .wardGone(let standby, let ward):
                if admitted[ward] != standby { problems.append("\(standby) never stood by for \(ward)") }
                admitted[ward] = nil
            case .childGone, .suspect, .probe, .restored, .admit, .capacityChanged, .sourceMissed:
                break
            }
        }
    }

    /// Remembers the epochs of a peer, and complains if one ran backwards.
    private mutating func note(_ peer: PeerHandle, _ told: Assignment? = nil) {
        for stripe in 0..<layout.stripes {
            guard let assignment = told ?? (try? tracker.assignment(of: peer, stripe: stripe)) else { continue }
            guard assignment.stripe == stripe else { continue }
            let key = EpochKey(peer: peer, stripe: stripe)
            if let known = epochs[key], assignment.epoch < known {
                problems.append("epoch of \(peer) went from \(known) to \(assignment.epoch)")
            }
            epochs[key] = assignment.epoch
        }
    }
}

extension Array {
    /// Removes an element without keeping the order.
    fileprivate mutating func swapRemove(at position: Int) -> Element {
        swapAt(position, count - 1)
        return removeLast()
    }
}

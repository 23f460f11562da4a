import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Original clients in trees of several stripes", .timeLimit(.minutes(5)))
struct TrackerWholeTests {
    /// The slots that are taken of a peer, by stripe.
    private func taken(_ peer: PeerHandle, _ harness: TrackerHarness) -> [Int] {
        harness.tracker.trees[0].stripes.map { stripe in
            let node = stripe.nodes[Int(peer.index)]
            return Int(node.childCount) + Int(node.heldSlots)
        }
    }

    @Test("The very first viewer may be one: it takes a slot of the source in every stripe, and gives them back")
    func first() throws {
        var harness = try TrackerHarness(stripes: 5, parity: 1)
        let viewer = try harness.join(isNative: false)
        for stripe in 0..<5 {
            #expect(try harness.tracker.parent(of: viewer, stripe: stripe) == harness.source)
            #expect(try harness.tracker.depth(of: viewer, stripe: stripe) == 1)
            #expect(try harness.tracker.isAttached(viewer, stripe: stripe))
        }
        #expect(taken(harness.source, harness) == [1, 1, 1, 1, 1])
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
        try harness.handle(.leave(viewer))
        #expect(taken(harness.source, harness) == [0, 0, 0, 0, 0])
    }

    @Test(
        "While half of the source is free it goes there, then below a viewer: there it costs the stripes without parity"
    )
    func places() throws {
        // The source has eight slots in each stripe.
        var harness = try TrackerHarness(k: 4, k1: 10, stripes: 5, parity: 1)
        let near = try (0..<3).map { _ in try harness.join(isNative: false) }
        #expect(try near.allSatisfy { try harness.parent($0) == harness.source })
        let native = try harness.join()
        let viewer = try harness.join(isNative: false)
        #expect(try harness.parent(viewer) == native)
        let interior = try #require(try harness.tracker.interiorStripe(of: native))
        #expect(taken(native, harness) == (0..<5).map { $0 == interior ? 4 : 0 })
        #expect(taken(harness.source, harness) == [4, 4, 4, 4, 4])
        try harness.handle(.leave(viewer))
        #expect(taken(native, harness) == [0, 0, 0, 0, 0])
    }

    @Test("Originals leave slots of every stripe to those who bring some, and are refused where nobody has enough")
    func full() throws {
        var harness = try TrackerHarness(k: 4, k1: 5, stripes: 5, parity: 1)
        let natives = try harness.join(count: 4)
        var originals: [PeerHandle] = []
        while let viewer = try? harness.join(isNative: false) { originals.append(viewer) }
        // Sixteen slots of each, of which three times four can be taken.
        #expect(originals.count == 12)
        #expect(throws: TrackerError.treeFull) { try harness.join(isNative: false) }
        for native in natives { #expect(taken(native, harness).reduce(0, +) == 12) }
        let next = try harness.join()
        #expect(try (0..<5).allSatisfy { try harness.tracker.parent(of: next, stripe: $0) != nil })
        let last = try harness.join(isNative: false)
        #expect(try harness.parent(last) == next)
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test("However many originals come first, natives are let in after them, one by one", arguments: 2...10, 2...5)
    func nativesAfterOriginals(k1: Int, stripes: Int) throws {
        for parity in 0...1 {
            var harness = try TrackerHarness(k: 4, k1: k1, stripes: stripes, parity: parity)
            let layout = try harness.tracker.layout(of: harness.tree)
            for _ in 0..<12 {
                while (try? harness.join(isNative: false)) != nil {}
                let native = try harness.join()
                let places = try (0..<layout.stripes).count {
                    try harness.tracker.parent(of: native, stripe: $0) != nil
                }
                #expect(places >= layout.data, "\(k1) children, \(layout)")
                try harness.attachAll()
            }
            #expect(TreeInvariants.violations(in: harness.tracker) == [])
        }
    }

    @Test("Whoever loses its parent is given another one by the time it asks, and counts against nobody meanwhile")
    func parentGoes() throws {
        var harness = try TrackerHarness(k: 4, k1: 5, stripes: 5, parity: 1)
        let natives = try harness.join(count: 4)
        let viewer = try harness.join(isNative: false)
        let parent = try #require(try harness.parent(viewer))
        #expect(natives.contains(parent))
        let outputs = try harness.handle(.leave(parent))
        let next = try #require(try harness.parent(viewer))
        #expect(next != parent)
        // The new parent lets it in before it comes.
        #expect(
            outputs.contains {
                if case .admit(next, viewer, _) = $0 { true } else { false }
            }
        )
        #expect(try !harness.tracker.isAttached(viewer))
        try harness.tracker.rejoin(viewer, at: harness.now)
        harness.drain()
        #expect(try harness.parent(viewer) == next)
        // One that it cannot reach is passed over once it has asked twice.
        try harness.tracker.rejoin(viewer, at: harness.now)
        harness.drain()
        #expect(try harness.parent(viewer) != next)
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test("A parent whose socket is gone is not that of an original client any more once that asks again")
    func suspect() throws {
        var harness = try TrackerHarness(k: 4, k1: 5, stripes: 4)
        _ = try harness.join(count: 5)
        let viewer = try harness.join(isNative: false)
        let parent = try #require(try harness.parent(viewer))
        #expect(parent != harness.source)
        try harness.handle(.signallingLost(parent))
        #expect(try harness.parent(viewer) == parent)
        try harness.tracker.rejoin(viewer, at: harness.now)
        harness.drain()
        let next = try #require(try harness.parent(viewer))
        #expect(next != parent)
        try harness.attach(viewer)
        #expect(taken(parent, harness).reduce(0, +) == 0)
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test("Who finds no place waits for one, and has the first that there is")
    func waits() throws {
        // The source has two slots in each stripe, the first viewer four in one, the second two in the other.
        var harness = try TrackerHarness(k1: 2, stripes: 2)
        let first = try harness.join(capacity: 2)
        let second = try harness.join(capacity: 1)
        let viewer = try harness.join(isNative: false)
        #expect(try harness.parent(viewer) == first)
        let leaf = try harness.join(capacity: 0)
        let outputs = try harness.handle(.leave(first))
        #expect(outputs.assignments.contains { $0.peer == viewer && $0.assignment.parent == nil })
        #expect(try harness.parent(viewer) == nil)
        try harness.attachAll()
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
        try harness.handle(.leave(leaf))
        #expect(try harness.parent(viewer) == second)
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test("One that is made a leaf for a while feeds no original client meanwhile")
    func eviction() throws {
        var harness = try TrackerHarness(k: 4, k1: 5, stripes: 4, parity: 1)
        let natives = try harness.join(count: 8)
        let viewer = try harness.join(isNative: false)
        try harness.attachAll()
        let parent = try #require(try harness.parent(viewer))
        try #require(natives.contains(parent))
        harness.tracker.trees[0].evict(Int32(parent.index), &harness.tracker.context)
        harness.tracker.trees[0].settle(&harness.tracker.context)
        let outputs = harness.drain()
        #expect(try harness.parent(viewer) != parent)
        #expect(
            outputs.contains {
                if case .childGone(parent, viewer, _) = $0 { true } else { false }
            }
        )
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test(
        "Where every tenth of ten thousand is an original client, nobody is farther from the source than without them"
    )
    func depth() throws {
        var harness = try TrackerHarness(stripes: 5, parity: 1)
        for number in 0..<10_000 {
            _ = try harness.join(isNative: number % 10 != 9)
            try harness.attachAll()
            harness.outputs.removeAll(keepingCapacity: true)
        }
        let tree = harness.tracker.trees[0]
        let feeders = tree.stripes.map { $0.deepestFeederDepth ?? 0 }
        #expect(feeders.max() == 3)
        #expect(try harness.tracker.maximumDepth(of: harness.tree) == 4)
        #expect(TreeInvariants.violations(in: harness.tracker) == [])
    }

    @Test("Whoever comes and goes, natives have all their parents, and originals one", arguments: UInt64(1)...12)
    func comings(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let stripes = Int.random(in: 2...5, using: &random)
        let parity = Int.random(in: 0...1, using: &random)
        var harness = try TrackerHarness(
            k: .random(in: 2...4, using: &random),
            k1: .random(in: stripes...10, using: &random),
            stripes: stripes,
            parity: parity
        )
        var natives: [PeerHandle] = []
        var originals: [PeerHandle] = []
        var joined = 0
        for step in 0..<400 {
            if natives.count < 12 || Int.random(in: 0..<100, using: &random) < 52 {
                if Int.random(in: 0..<5, using: &random) > 0 {
                    natives.append(try harness.join())
                } else if let original = try? harness.join(isNative: false) {
                    originals.append(original)
                    joined += 1
                }
            } else if originals.isEmpty || Int.random(in: 0..<5, using: &random) > 0 {
                try harness.handle(.leave(natives.remove(at: .random(in: 0..<natives.count, using: &random))))
            } else {
                try harness.handle(.leave(originals.remove(at: .random(in: 0..<originals.count, using: &random))))
            }
            try harness.attachAll()
            if step % 10 == 0 {
                try #require(TreeInvariants.violations(in: harness.tracker) == [], "seed \(seed), step \(step)")
            }
            for original in originals {
                try #require(try harness.parent(original) != nil, "seed \(seed), step \(step)")
            }
        }
        #expect(joined > 5, "seed \(seed)")
        for native in natives {
            for stripe in 0..<(try harness.tracker.stripeCount(of: harness.tree)) {
                #expect(try harness.tracker.parent(of: native, stripe: stripe) != nil, "seed \(seed)")
            }
        }
    }
}

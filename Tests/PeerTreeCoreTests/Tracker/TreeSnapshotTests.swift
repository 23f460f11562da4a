import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Trees that go to another tracker", .timeLimit(.minutes(5)))
struct TreeSnapshotTests {
    private static func layout(_ seed: UInt64) -> StripeLayout {
        switch seed % 4 {
        case 0: StripeLayout(stripes: 4, parity: 1)
        case 1: StripeLayout(stripes: 3, parity: 0)
        default: .single
        }
    }

    @Test("It is the same tree there, and goes on as it would have", arguments: 0..<24)
    func same(seed: UInt64) throws {
        var run = RandomRun(seed: seed, Self.layout(seed), targetSize: 60, areComplaining: seed % 3 == 0)
        var compared = 0
        for step in 0..<1_200 {
            run.step()
            guard step % 40 == 0 else { continue }
            let now = run.tracker.context.now
            for tree in run.tracker.trees where tree.state == .live {
                let (first, peers) = try #require(try run.tracker.snapshot(of: tree.handle, at: now))
                #expect(peers.count == first.peers.count)
                var other = Tracker(options: run.tracker.options)
                let index = try other.insert(first, at: now)
                let (second, adopted) = try #require(try other.snapshot(of: other.trees[index].handle, at: now))
                try #require(second == first, "seed \(seed), step \(step)")
                other.trees[index].settle(&other.context)
                while let output = other.nextOutput() {
                    if case .removed = output { Issue.record("seed \(seed), step \(step): \(output)") }
                }
                #expect(adopted.allSatisfy { other.contains($0) })
                let problems = TreeInvariants.violations(in: other)
                #expect(problems.isEmpty, "seed \(seed), step \(step): \(problems)")
                compared += first.peers.count
            }
        }
        #expect(compared > 150, "seed \(seed): the test tries too little")
    }

    @Test("A tracker that has given a tree away keeps nothing of it, and no timer")
    func dropped() throws {
        var run = RandomRun(seed: 7, .single, targetSize: 60, areComplaining: true)
        for _ in 0..<2_000 { run.step() }
        var tracker = run.tracker
        for tree in tracker.trees.filter({ $0.state == .live }) { try tracker.drop(tree.handle) }
        #expect(tracker.treeCount == 0)
        #expect(tracker.context.timers.count == 0)
        #expect(tracker.nextOutput() == nil)
        // Its places are used again, by others.
        let source = try tracker.createTree(isNative: true, at: .zero)
        #expect(!run.tracker.contains(source))
    }

    @Test("It goes on there: who joins gets a place, who is orphaned another one")
    func goesOn() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let peers = try harness.join(count: 9)
        try harness.attachAll()
        let (snapshot, order) = try #require(try harness.tracker.snapshot(of: harness.tree, at: harness.now))
        var other = Tracker(options: harness.tracker.options)
        let adopted = try other.adopt(snapshot, at: .zero)
        while other.nextOutput() != nil {}
        let newcomer = try other.join(adopted[0].tree, isNative: true, at: .zero)
        #expect(try other.parent(of: newcomer) != nil)
        let place = try #require(order.firstIndex(of: peers[8]))
        let epoch = try other.assignment(of: adopted[place]).epoch
        #expect(try epoch == harness.tracker.assignment(of: peers[8]).epoch)
        try other.handle(.orphaned(adopted[place], stripe: 0, epoch: epoch, reason: .closed), at: .zero)
        #expect(try other.assignment(of: adopted[place]).epoch == epoch + 1)
        // A source that has no socket any more has as long as ever to come back.
        try other.handle(.signallingLost(adopted[0]), at: .zero)
        let (again, _) = try #require(try other.snapshot(of: adopted[0].tree, at: .zero))
        var third = Tracker(options: harness.tracker.options)
        let source = try third.adopt(again, at: .zero)[0]
        try third.handle(.deadlineReached, at: .zero + .seconds(14))
        #expect(third.contains(source))
        try third.handle(.deadlineReached, at: .zero + .seconds(16))
        #expect(!third.contains(source))
    }

    private func peer(_ parent: Int?, capacity: UInt16 = 2, isNative: Bool = true) -> TreeSnapshot.Peer {
        TreeSnapshot.Peer(
            isNative: isNative,
            origin: nil,
            age: .zero,
            signalling: .connected,
            standby: nil,
            eviction: nil,
            places: [TreeSnapshot.Place(capacity: capacity, parent: parent, isAttached: true)]
        )
    }

    @Test("What cannot be a tree is refused, and changes nothing")
    func unsound() throws {
        let sound = TreeSnapshot(layout: .single, peers: [peer(nil), peer(0), peer(1)])
        var tracker = Tracker()
        _ = try tracker.adopt(sound, at: .zero)
        while tracker.nextOutput() != nil {}
        var wrong: [TreeSnapshot] = [TreeSnapshot(layout: .single, peers: [])]
        func spoil(_ change: (inout TreeSnapshot) -> Void) {
            var snapshot = sound
            change(&snapshot)
            wrong.append(snapshot)
        }
        spoil { $0.peers[0].places[0].parent = 1 }
        spoil { $0.peers[1].places[0].parent = 1 }
        spoil { $0.peers[1].places[0].parent = 2 }
        spoil { $0.peers[1].places[0].parent = 3 }
        spoil { $0.peers[1].places[0].parent = -1 }
        spoil { $0.peers[1].places[0].holder = 7 }
        spoil { $0.peers[0].places[0].holder = 1 }
        spoil { $0.peers[1].standby = 1 }
        spoil { $0.peers[1].standby = 3 }
        spoil { $0.peers[1].places[0].capacity = .max }
        spoil { $0.peers[1].places.append(TreeSnapshot.Place(capacity: 0)) }
        spoil { $0.peers[1].places = [] }
        spoil { $0.peers[1].eviction = TreeSnapshot.Eviction(stripe: 1, capacity: 1, rounds: 1) }
        spoil { $0.peers[1].eviction = TreeSnapshot.Eviction(stripe: 0, capacity: .max, rounds: 1) }
        spoil { $0.peers[1].eviction = TreeSnapshot.Eviction(stripe: 0, capacity: 1, rounds: 0) }
        for snapshot in wrong {
            #expect(throws: TrackerError.unsoundSnapshot) { _ = try tracker.adopt(snapshot, at: .zero) }
        }
        #expect(tracker.treeCount == 1)
        #expect(tracker.nextOutput() == nil)
    }
}

import Testing

@testable import PeerTreeCore
@testable import PeerTreeSimulator

/// What `ChurnTests` leave to chance, one by one.
@Suite("Peers come, go and die", .timeLimit(.minutes(5)))
struct DepartureTests {
    private static let drip = PublishingRhythm(every: .milliseconds(5), bytes: 1...1)

    private func tree(_ viewers: Int, k: Int = 2, _ change: (inout SimulationOptions) -> Void = { _ in }) throws
        -> Simulation
    {
        var options = SimulationOptions(k: k, k1: k)
        change(&options)
        let simulation = Simulation(seed: 4, options)
        simulation.conditions.delay = .milliseconds(2) ... .milliseconds(10)
        try simulation.run(for: .milliseconds(100))
        simulation.join(viewers, over: .seconds(1))
        try simulation.run(for: .seconds(4))
        return simulation
    }

    @Test("A silent parent is noticed in under a second and a quarter, and reported as silent")
    func silence() throws {
        let simulation = try tree(2, k: 1)
        simulation.kill(1)
        try simulation.run(for: .milliseconds(600))
        #expect(simulation.clients[2].orphanings.isEmpty)
        try simulation.run(for: .milliseconds(650))
        #expect(simulation.clients[2].orphanings == [.silent])
        #expect(simulation.clients[0].lostChildren == [.silent])
    }

    @Test("An idle tree keeps all of its links")
    func idle() throws {
        let simulation = try tree(6)
        try simulation.run(for: .seconds(30))
        #expect(simulation.clients.allSatisfy { $0.orphanings.isEmpty && $0.lostChildren.isEmpty })
    }

    @Test("A leaving peer feeds its children until they have new parents: nobody misses a message or waits")
    func gracefulLeave() throws {
        let simulation = try tree(6)
        let children = simulation.viewers.filter { simulation.parent(of: $0) == 1 }
        simulation.publish(Self.drip)
        try simulation.run(for: .milliseconds(50))
        simulation.leave(1)
        for _ in 0..<50 {
            try simulation.run(for: .milliseconds(10))
            for viewer in simulation.viewers { #expect(simulation.lag(of: viewer) < .milliseconds(100)) }
        }
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
        #expect(simulation.clients[1].life == .gone)
        #expect(!children.isEmpty)
        for child in children { #expect(simulation.clients[child].orphanings == [.closed]) }
    }

    @Test("Moving to another parent keeps the old one until the new one feeds: no gap, no pause")
    func makeBeforeBreak() throws {
        let simulation = try tree(4)
        let viewer = try #require(simulation.viewers.first { simulation.parent(of: $0) == 1 })
        simulation.publish(Self.drip)
        try simulation.run(for: .milliseconds(50))
        // The tracker gives it another parent; it has the former one all the while.
        simulation.complain(viewer, .silent)
        for _ in 0..<100 {
            try simulation.run(for: .milliseconds(5))
            #expect(simulation.lag(of: viewer) < .milliseconds(100))
        }
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
        #expect(simulation.clients[viewer].orphanings.isEmpty)
        #expect(simulation.parent(of: viewer) != 1)
        let membership = simulation.clients[1].client.membership
        for link in simulation.clients[1].peer?.links.values ?? [] where link.role == .child {
            let isFormer = membership.name(of: link.remote).number == viewer
            #expect(!isFormer || link.feeding.subscriptions.isEmpty)
        }
    }

    @Test("A parent that lacks what its child needs fetches it from its own parent")
    func recursiveRepair() throws {
        let simulation = try tree(1) { $0.tracker.assignsStandbys = false }
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        try simulation.run(for: .milliseconds(100))
        simulation.conditions.chunkLoss = 1
        for _ in 0..<2 { simulation.publish(bytes: 1) }
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        simulation.conditions.chunkLoss = 0
        let late = simulation.join()
        try simulation.run(for: .milliseconds(400))
        #expect(simulation.clients[1].record.sequences == [0])
        #expect(simulation.clients[late].record.sequences == [3])
        simulation.complain(1, .silent)
        try simulation.run(for: .seconds(2))
        #expect(simulation.parent(of: 1) == late)
        #expect(simulation.clients[1].record.sequences == [0, 1, 2, 3])
        #expect(simulation.clients[late].record.sequences == [3])
        try simulation.requireNoGap()
    }

    @Test("What nobody holds any more is reported as a gap, and the stream goes on behind it")
    func gap() throws {
        let simulation = try tree(1) {
            $0.policy = .paced
            $0.peer.replayBytes = 500
        }
        simulation.publish(bytes: 1)
        try simulation.run(for: .milliseconds(100))
        simulation.conditions.chunkLoss = 1
        for _ in 1..<100 { simulation.publish(bytes: 1) }
        simulation.conditions.chunkLoss = 0
        simulation.publish(bytes: 1)
        try simulation.run(for: .seconds(4))
        let record = simulation.clients[1].record
        #expect(record.sequences.first == 0)
        #expect(record.sequences.suffix(3) == [98, 99, 100])
        #expect(record.gaps.count == 1)
        #expect(record.gaps.first?.isSkip == false)
    }

    @Test("A viewer below one that moves learns how deep it is by its next report")
    func depth() throws {
        let simulation = try tree(14)
        simulation.leave(1)
        try simulation.run(for: .seconds(8))
        try simulation.requirePlacesAsTracked()
    }
}

import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSimulator

/// Streams of several stripes of which one is parity, in whole trees.
@Suite("Stripes with parity among peers", .timeLimit(.minutes(5)))
struct ParityTests {
    /// Video: a picture thirty times a second, a key frame a second. The pictures are small, since here they are hashed
    /// slowly.
    private static let video = PublishingRhythm(every: .milliseconds(33), bytes: 300...500, joinPointEvery: 30)

    private func tree(
        _ viewers: Int,
        parity: Bool = true,
        policy: StreamPolicy = .live,
        isSigned: Bool = false,
        seed: UInt64 = 7
    ) throws -> Simulation {
        var options = SimulationOptions(k: 3, k1: 5, policy: policy, stripes: 5)
        options.parity = parity
        options.isSigned = isSigned
        let simulation = Simulation(seed: seed, options)
        simulation.conditions.delay = .milliseconds(2) ... .milliseconds(10)
        try simulation.run(for: .milliseconds(200))
        simulation.publish(Self.video)
        simulation.join(viewers, over: .seconds(1))
        try simulation.run(for: .seconds(4))
        return simulation
    }

    /// The longest that anybody lagged behind the source within `span`.
    private func worstLag(_ simulation: Simulation, within span: TimeSpan) throws -> TimeSpan {
        var worst = TimeSpan.zero
        let end = simulation.now + span
        while simulation.now < end {
            try simulation.run(for: .milliseconds(10))
            for viewer in simulation.viewers { worst = max(worst, simulation.lag(of: viewer)) }
        }
        return worst
    }

    /// Somebody of whom many depend: of those that feed others, the one that feeds most.
    private func busiest(_ simulation: Simulation) -> Int? {
        simulation.viewers.max { one, other in
            (simulation.clients[one].peer?.childCount ?? 0) < (simulation.clients[other].peer?.childCount ?? 0)
        }
    }

    @Test("Whoever dies, nobody waits for its stripe, and nothing is lost", arguments: [false, true])
    func deaths(isSigned: Bool) throws {
        let simulation = try tree(20, isSigned: isSigned)
        var worst = TimeSpan.zero
        for _ in 0..<6 {
            guard let viewer = busiest(simulation) else { break }
            simulation.kill(viewer)
            simulation.join()
            worst = max(worst, try worstLag(simulation, within: .seconds(3)))
        }
        #expect(worst < .milliseconds(100))
        try simulation.requireWhole(within: .seconds(5))
        for viewer in simulation.viewers where viewer <= 20 {
            #expect(simulation.clients[viewer].record.gaps.isEmpty)
        }
    }

    @Test("Without parity the same deaths are pauses: the test above can fail")
    func deathsWithoutParity() throws {
        let simulation = try tree(20, parity: false)
        var worst = TimeSpan.zero
        for _ in 0..<2 {
            guard let viewer = busiest(simulation) else { break }
            simulation.kill(viewer)
            worst = max(worst, try worstLag(simulation, within: .seconds(3)))
        }
        #expect(worst > .milliseconds(300))
    }

    @Test(
        "Two parents that die at once cost a viewer no message, and no more than the time in which silence is noticed",
        arguments: UInt64(1)...4
    )
    func twoDeaths(seed: UInt64) throws {
        let simulation = try tree(20, seed: seed)
        var worst = TimeSpan.zero
        for _ in 0..<4 {
            for _ in 0..<2 { if let viewer = busiest(simulation) { simulation.kill(viewer) } }
            worst = max(worst, try worstLag(simulation, within: .seconds(3)))
            simulation.join(2, over: .milliseconds(100))
        }
        #expect(worst < .milliseconds(1_200), "seed \(seed)")
        try simulation.requireWhole(within: .seconds(5))
        for viewer in simulation.viewers where viewer <= 20 {
            #expect(simulation.clients[viewer].record.gaps.isEmpty, "seed \(seed)")
        }
    }

    @Test("Churn, broken links and a server that restarts: everything arrives, signed or not", arguments: UInt64(1)...6)
    func churn(seed: UInt64) throws {
        let simulation = try tree(12, policy: seed % 2 == 0 ? .paced : .live, isSigned: seed % 3 != 0, seed: seed)
        for round in 0..<4 {
            if let viewer = simulation.anyViewer() {
                if round % 2 == 0 { simulation.breakLinks(of: viewer) } else { simulation.kill(viewer) }
            }
            if round == 1 { simulation.restartServer(after: .seconds(1)) }
            simulation.join()
            try simulation.run(for: .seconds(3))
        }
        try simulation.requireWhole(within: .seconds(10))
    }

    @Test(
        "Every newcomer is told of what is retained, whichever of its parents answers first",
        arguments: UInt64(1)...4
    )
    func retained(seed: UInt64) throws {
        let simulation = try tree(0, seed: seed)
        simulation.publish(nil)
        simulation.publish(bytes: 40, MessageOptions(retainedKey: 3))
        simulation.publish(Self.video)
        try simulation.run(for: .seconds(2))
        simulation.join(20, over: .seconds(2))
        try simulation.run(for: .seconds(4))
        let retained = try #require(simulation.log.entries.last { $0.bytes.count == 40 })
        for viewer in simulation.viewers {
            let sequences = simulation.clients[viewer].record.sequences
            #expect(sequences.filter { $0 == retained.sequence }.count == 1, "seed \(seed), viewer \(viewer)")
        }
    }

    @Test("The end of the stream reaches everyone, whoever died before")
    func end() throws {
        let simulation = try tree(12)
        for _ in 0..<2 {
            if let viewer = busiest(simulation) { simulation.kill(viewer) }
            try simulation.run(for: .seconds(3))
        }
        simulation.finish()
        try simulation.run(for: .seconds(3))
        for viewer in simulation.viewers { #expect(simulation.clients[viewer].end == .complete) }
        // In one stripe one is above the other, in another one below: neither waits for the other.
        #expect(simulation.viewers.allSatisfy { simulation.clients[$0].peer?.isSubtreeComplete == true })
        #expect(simulation.clients[0].completions == 1)
    }

    /// One in twenty of those that come swallows what it should pass on, or forges it.
    private func joinAmongLiars(_ simulation: Simulation, _ number: Int) {
        let client = simulation.join()
        guard number % 20 == 7 else { return }
        var liar = Puppet()
        if number % 40 == 7 { liar.held = 1 } else { liar.isForging = true }
        simulation.clients[client].puppet = liar
    }

    @Test("Among many of whom some lie and some die, all others get everything, and nothing else")
    func liars() throws {
        var options = SimulationOptions(k: 4, k1: 10, policy: .live, stripes: 5)
        options.parity = true
        options.isSigned = true
        let simulation = Simulation(seed: 3, options)
        simulation.publish(PublishingRhythm(every: .milliseconds(500), bytes: 300...500, joinPointEvery: 4))
        for number in 0..<100 {
            simulation.after(.milliseconds(UInt64(20 * number))) { self.joinAmongLiars($0, number) }
        }
        try simulation.run(for: .seconds(5))
        for _ in 0..<10 {
            if let viewer = simulation.anyViewer() { simulation.kill(viewer) }
            try simulation.run(for: .milliseconds(200))
        }
        try simulation.requireWhole(within: .seconds(5))
        // The liars are still there.
        for viewer in simulation.viewers { simulation.clients[viewer].record.forget() }
        let first = simulation.log.entries.count
        try simulation.run(for: .seconds(3))
        try simulation.requireWhole(within: .seconds(2))
        for viewer in simulation.viewers {
            #expect(simulation.clients[viewer].record.unaccounted(in: simulation.log, from: first).isEmpty)
            #expect(simulation.clients[viewer].record.recentGaps.isEmpty)
        }
        #expect(simulation.viewers.count == 85)
    }
}

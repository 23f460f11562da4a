import PeerTreeCore
import PeerTreeSimulator
import TestSupport
import Testing

/// Signed streams in whole trees. That nobody is given a byte that the source did not write is checked at every message.
@Suite("Signed streams among peers", .timeLimit(.minutes(5)))
struct SignedTests {
    private func options(k: Int, policy: StreamPolicy = .lossless, stripes: Int = 1) -> SimulationOptions {
        var options = SimulationOptions(k: k, k1: k, policy: policy, stripes: stripes)
        options.isSigned = true
        return options
    }

    @Test("Messages of every size arrive whole and in order through five hops, and so does the end")
    func chain() throws {
        let simulation = Simulation(seed: 1, options(k: 1))
        try simulation.run(for: .seconds(1))
        simulation.join(5, over: .seconds(1))
        try simulation.run(for: .seconds(5))
        for size in [0, 1, 16_022, 16_023, 300_000, 1_500_000, 7] {
            simulation.publish(bytes: size)
            try simulation.run(for: .milliseconds(200))
        }
        simulation.finish()
        try simulation.run(for: .seconds(3))
        for viewer in 1...5 {
            #expect(simulation.clients[viewer].record.sequences.count == 7)
            #expect(simulation.clients[viewer].end == .complete)
        }
        try simulation.requireNoGap()
    }

    @Test("Latecomers, broken links, deaths and a server that restarts lose nothing", arguments: UInt64(1)...6)
    func churn(seed: UInt64) throws {
        let policy: StreamPolicy = seed % 2 == 0 ? .paced : .lossless
        let simulation = Simulation(seed: seed, options(k: 2, policy: policy, stripes: seed % 3 == 0 ? 2 : 1))
        simulation.publish(
            PublishingRhythm(every: .milliseconds(20), bytes: 0...40_000, joinPointEvery: 25, retainedEvery: 10)
        )
        simulation.join(8, over: .seconds(2))
        try simulation.run(for: .seconds(4))
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
}

import PeerTreeCore
import TestSupport

/// A broadcast of some seconds in which viewers come, leave, die, lose their signalling and get slow, and the server may
/// be restarted; then everything gets better, and everyone must be whole.
package struct ChurnScenario: Sendable {
    /// Everything follows from it.
    package let seed: UInt64
    /// Whether the stream has stripes with parity; else it may have stripes, and has none.
    package let hasParity: Bool
    package init(seed: UInt64, hasParity: Bool = false) {
        self.seed = seed
        self.hasParity = hasParity
    }

    /// How long nothing bad has happened when everyone must be whole: a server that was restarted waits for those that
    /// never come back, and a peer may have lost its place while its signalling was gone.
    private static let patience = TimeSpan.seconds(30)

    /// Runs it.
    ///
    /// - Parameter prepare: changes the simulation before anything happens.
    /// - Returns: how many events were carried out.
    /// - Throws: ``SimulationFailure``.
    @discardableResult
    package func run(_ prepare: (Simulation) -> Void = { _ in }) throws -> Int {
        var random = SeededGenerator(seed: seed)
        let simulation = Simulation(seed: seed, options(&random))
        prepare(simulation)
        simulation.conditions.delay = .milliseconds(1) ... .milliseconds(.random(in: 2...80, using: &random))
        simulation.publish(
            PublishingRhythm(
                every: .milliseconds(.random(in: 20...150, using: &random)),
                bytes: 1...(Int.random(in: 0..<4, using: &random) > 0 ? 1_000 : 40_000),
                joinPointEvery: Bool.random(using: &random) ? 10 : nil,
                retainedEvery: Bool.random(using: &random) ? 15 : nil
            )
        )
        simulation.join(.random(in: 2...24, using: &random), over: .seconds(2))
        try simulation.run(for: .seconds(3))
        for _ in 0..<Int.random(in: 1...16, using: &random) {
            happen(to: simulation, &random)
            try simulation.run(for: .milliseconds(.random(in: 0...1_500, using: &random)))
        }
        for viewer in simulation.viewers { simulation.limit(viewer, downlink: nil) }
        try simulation.run(for: .seconds(2))
        try simulation.requireWhole(within: Self.patience)
        if simulation.options.policy == .lossless { try simulation.requireNoGap() }
        return simulation.steps
    }

    private func options(_ random: inout SeededGenerator) -> SimulationOptions {
        let stripes = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 2...3, using: &random) : 1
        var options = SimulationOptions(
            k: .random(in: 1...4, using: &random),
            k1: .random(in: max(1, stripes)...6, using: &random),
            policy: [.lossless, .paced, .live].randomElement(using: &random) ?? .lossless,
            stripes: stripes
        )
        if hasParity { addParity(to: &options, &random) }
        options.command = "Scripts/fuzz webrtc --target churn --first \(seed) --inputs 1"
        return options
    }

    private func addParity(to options: inout SimulationOptions, _ random: inout SeededGenerator) {
        options.parity = true
        options.policy = Bool.random(using: &random) ? .paced : .live
        options.stripes = .random(in: 2...5, using: &random)
        options.tracker.childrenPerPeer = .random(in: 2...4, using: &random)
        options.tracker.childrenOfSource = .random(in: options.stripes...8, using: &random)
        options.isSigned = Int.random(in: 0..<3, using: &random) == 0
    }

    private func happen(to simulation: Simulation, _ random: inout SeededGenerator) {
        let chance = Int.random(in: 0..<100, using: &random)
        if chance < 15 { return simulation.join(.random(in: 1...4, using: &random), over: .milliseconds(300)) }
        if chance < 19 { return simulation.restartServer(after: .milliseconds(.random(in: 0...3_000, using: &random))) }
        guard let viewer = simulation.anyViewer() else { return }
        switch chance {
        case ..<40: simulation.leave(viewer)
        case ..<65: simulation.kill(viewer)
        case ..<85: simulation.blip(viewer, for: .milliseconds(.random(in: 100...6_000, using: &random)))
        default: simulation.limit(viewer, downlink: Double(Int.random(in: 20_000...400_000, using: &random)))
        }
    }
}

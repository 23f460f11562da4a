import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSimulator

/// Original clients among native ones, in trees of one stripe and of several.
@Suite("Original clients among peers", .timeLimit(.minutes(5)))
struct OriginalTests {
    private static let layouts: [StripeLayout] = [.single, .init(stripes: 3, parity: 0), .init(stripes: 5, parity: 1)]

    private func tree(_ layout: StripeLayout, policy: StreamPolicy, isSigned: Bool = false, seed: UInt64) -> Simulation
    {
        var options = SimulationOptions(k: 3, k1: 8, policy: policy, stripes: layout.stripes)
        options.parity = layout.parity > 0
        options.isSigned = isSigned
        let simulation = Simulation(seed: seed, options)
        simulation.conditions.delay = .milliseconds(2) ... .milliseconds(20)
        return simulation
    }

    /// On each of its links an original client got the messages of the source one after the other.
    private func requireInOrder(_ simulation: Simulation) throws {
        for client in simulation.originals {
            for run in simulation.clients[client].original?.runs ?? [] {
                try #require(
                    zip(run, run.dropFirst()).allSatisfy { $0 + 1 == $1 },
                    "seed \(simulation.seed), original \(client): \(run)"
                )
            }
        }
    }

    /// Waits until the newest message is with every original client.
    private func requireUpToDate(_ simulation: Simulation, within limit: TimeSpan = .seconds(30)) throws {
        simulation.publish(nil)
        let newest = simulation.log.entries.count - 1
        let isThere = try simulation.run(within: limit) { simulation in
            simulation.originals.allSatisfy { simulation.clients[$0].original?.messages.contains(newest) == true }
        }
        let lacking = simulation.originals.filter {
            simulation.clients[$0].original?.messages.contains(newest) != true
        }
        try #require(isThere, "seed \(simulation.seed): \(lacking) lack message \(newest)")
    }

    @Test("The very first viewer is one, and those that come later have parents of every kind", arguments: layouts)
    func first(layout: StripeLayout) throws {
        for isSigned in [false, true] {
            let simulation = tree(layout, policy: .live, isSigned: isSigned, seed: 3)
            try simulation.run(for: .milliseconds(200))
            let first = simulation.joinOriginal()
            simulation.publish(PublishingRhythm(every: .milliseconds(33), bytes: 300...3_000, joinPointEvery: 30))
            try simulation.run(for: .seconds(1))
            #expect(simulation.parent(ofOriginal: first) == 0)
            simulation.join(8, over: .seconds(1))
            try simulation.run(for: .seconds(2))
            for _ in 0..<4 { simulation.joinOriginal() }
            try simulation.run(for: .seconds(3))
            #expect(simulation.originals.contains { simulation.parent(ofOriginal: $0) != 0 })
            try requireUpToDate(simulation)
            try requireInOrder(simulation)
            #expect(simulation.clients[first].original?.messages.count == simulation.log.entries.count)
            try simulation.requireWhole(within: .seconds(5))
        }
    }

    @Test(
        "Whichever parents die, originals get another one, and of a lossless stream every message",
        arguments: layouts
    )
    func deaths(layout: StripeLayout) throws {
        guard layout.parity == 0 else { return }
        for seed in UInt64(1)...2 {
            let simulation = tree(layout, policy: .lossless, seed: seed)
            try simulation.run(for: .milliseconds(200))
            simulation.publish(PublishingRhythm(every: .milliseconds(50), bytes: 1...2_000))
            simulation.join(10, over: .seconds(1))
            try simulation.run(for: .seconds(2))
            for _ in 0..<5 { simulation.joinOriginal() }
            try simulation.run(for: .seconds(3))
            for _ in 0..<4 {
                let parents = simulation.originals.compactMap { simulation.parent(ofOriginal: $0) }.filter { $0 != 0 }
                if let parent = parents.randomElement(using: &simulation.random) { simulation.kill(parent) }
                simulation.join(2, over: .milliseconds(200))
                try simulation.run(for: .seconds(3))
            }
            try simulation.run(for: .seconds(10))
            try requireUpToDate(simulation)
            try requireInOrder(simulation)
            for client in simulation.originals {
                let messages = simulation.clients[client].original?.messages.count
                #expect(messages == simulation.log.entries.count, "seed \(seed), original \(client)")
            }
            try simulation.requireWhole(within: .seconds(10))
            try simulation.requireNoGap()
        }
    }

    @Test(
        "Of a live stream in 4 + 1 stripes an original misses what one stripe would cost it: the time until it notices"
    )
    func liveDeaths() throws {
        for layout in Self.layouts {
            for seed in UInt64(1)...2 {
                let isSigned = seed == 2 && layout.parity > 0
                let simulation = tree(layout, policy: .live, isSigned: isSigned, seed: seed)
                try simulation.run(for: .milliseconds(200))
                simulation.publish(PublishingRhythm(every: .milliseconds(33), bytes: 300...600, joinPointEvery: 30))
                simulation.join(10, over: .seconds(1))
                try simulation.run(for: .seconds(2))
                for _ in 0..<4 { simulation.joinOriginal() }
                try simulation.run(for: .seconds(3))
                for _ in 0..<2 {
                    let parents = simulation.originals.compactMap { simulation.parent(ofOriginal: $0) }
                    if let parent = parents.first(where: { $0 != 0 }) { simulation.kill(parent) }
                    try simulation.run(for: .seconds(9))
                }
                try requireUpToDate(simulation)
                try requireInOrder(simulation)
                for client in simulation.originals {
                    let runs = simulation.clients[client].original?.runs ?? []
                    for (run, next) in zip(runs, runs.dropFirst()) {
                        guard let last = run.last, let first = next.first else { continue }
                        // Six seconds of pictures until it notices that its parent is dead, and a moment.
                        #expect(first - last < 8 * 30, "seed \(seed), \(layout), original \(client)")
                    }
                }
                try simulation.requireWhole(within: .seconds(10))
            }
        }
    }

    @Test("Links that break, departures in order and a server that restarts", arguments: layouts)
    func churn(layout: StripeLayout) throws {
        for seed in UInt64(1)...2 {
            let simulation = tree(layout, policy: layout.parity > 0 ? .live : .paced, seed: seed)
            try simulation.run(for: .milliseconds(200))
            simulation.publish(PublishingRhythm(every: .milliseconds(40), bytes: 300...900, joinPointEvery: 20))
            simulation.join(10, over: .seconds(1))
            for _ in 0..<4 { simulation.joinOriginal() }
            try simulation.run(for: .seconds(4))
            for round in 0..<6 {
                if let viewer = simulation.anyViewer() {
                    if round % 2 == 0 { simulation.breakLinks(of: viewer) } else { simulation.leave(viewer) }
                }
                if round == 3 { simulation.restartServer(after: .seconds(1)) }
                if round == 4, let original = simulation.originals.first { simulation.kill(original) }
                simulation.join()
                simulation.joinOriginal()
                try simulation.run(for: .seconds(3))
            }
            try simulation.run(for: .seconds(15))
            try requireUpToDate(simulation)
            try requireInOrder(simulation)
            try simulation.requireWhole(within: .seconds(20))
        }
    }
}

import Testing

@testable import PeerTreeCore
@testable import PeerTreeSimulator

/// What a second parent in reach is good for, with the real tracker and real clients.
@Suite("A second parent in reach", .timeLimit(.minutes(5)))
struct StandbyTests {
    private static let pictures = PublishingRhythm(every: .milliseconds(33), bytes: 9_000...11_000, joinPointEvery: 30)

    private func options(k: Int, k1: Int) -> SimulationOptions {
        SimulationOptions(k: k, k1: k1, policy: .live)
    }

    /// A tree that has stood for some seconds, so that every link to a standby is open.
    private func settled(seed: UInt64, viewers: Int, k: Int, k1: Int) throws -> Simulation {
        let simulation = Simulation(seed: seed, options(k: k, k1: k1))
        simulation.conditions.delay = .milliseconds(1) ... .milliseconds(10)
        simulation.publish(Self.pictures)
        simulation.join(viewers, over: .seconds(2))
        try simulation.run(for: .seconds(6))
        return simulation
    }

    /// A viewer that feeds others, as near to the source as may be.
    private func topRelay(in simulation: Simulation) -> Int? {
        simulation.viewers.filter { (simulation.clients[$0].peer?.childCount ?? 0) > 0 }.min {
            (simulation.clients[$0].client.membership.depth ?? .max, $0)
                < (simulation.clients[$1].client.membership.depth ?? .max, $1)
        }
    }

    /// The longest time by which any viewer comes to be behind the source within `span`.
    private func worstLag(of simulation: Simulation, within span: TimeSpan) throws -> TimeSpan {
        var worst = TimeSpan.zero
        for _ in 0..<(span.nanoseconds / 10_000_000) {
            try simulation.run(for: .milliseconds(10))
            worst = max(worst, simulation.viewers.map { simulation.lag(of: $0) }.max() ?? .zero)
        }
        return worst
    }

    @Test("Every viewer keeps a link to its standby, over which next to nothing is sent")
    func warm() throws {
        let simulation = try settled(seed: 3, viewers: 30, k: 3, k1: 3)
        for viewer in simulation.viewers {
            #expect(simulation.clients[viewer].peer?.usableStandby != nil, "viewer \(viewer)")
        }
        #expect(simulation.viewers.allSatisfy { simulation.clients[$0].peer?.counters.duplicates == 0 })
        // Each end of a warm link counts; the links of the tree itself have as many ends below the source as it has viewers,
        // and as many above.
        let ends = (0...30).reduce(0) { $0 + simulation.openEnds(of: $1).count }
        #expect(ends == 2 * 30 + 2 * 30)
    }

    @Test(
        "The death of a parent costs nobody below it more than 250 ms, and not a message",
        arguments: [1, 2, 3, 4, 5] as [UInt64]
    )
    func death(seed: UInt64) throws {
        let simulation = try settled(seed: seed, viewers: 40, k: 3, k1: 3)
        let relay = try #require(topRelay(in: simulation))
        simulation.kill(relay)
        let lag = try worstLag(of: simulation, within: .seconds(4))
        #expect(lag <= .milliseconds(250), "seed \(seed): \(lag.nanoseconds / 1_000_000) ms")
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
        try simulation.run(for: .seconds(5))
        try simulation.requirePlacesAsTracked()
    }

    @Test("A parent that sends signs of life and no stream is left within two seconds; its children miss no picture")
    func blackHole() throws {
        let simulation = try settled(seed: 7, viewers: 12, k: 2, k1: 2)
        let relay = try #require(topRelay(in: simulation))
        let children = simulation.viewers.filter { simulation.parent(of: $0) == relay }
        simulation.clients[relay].puppet = Puppet()
        simulation.clients[relay].puppet?.held = 1
        let heartbeat = ControlFrame.heartbeat(timestamp: 1, echo: 0, held: 0).encoded()
        var worst = TimeSpan.zero
        for _ in 0..<20 {
            for end in simulation.openEnds(of: relay) {
                simulation.transmit(SimulatedBuffer(bytes: heartbeat), isText: false, from: end)
            }
            try simulation.run(for: .milliseconds(100))
            worst = max(worst, children.map { simulation.lag(of: $0) }.max() ?? .zero)
        }
        #expect(worst <= .milliseconds(300), "\(worst.nanoseconds / 1_000_000) ms")
        #expect(!children.isEmpty)
        for child in children {
            #expect(simulation.clients[child].peer?.counters.starvations == 1)
            #expect(simulation.clients[child].orphanings.last == .notForwarding)
            #expect(simulation.parent(of: child) != relay)
        }
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
    }

    /// What a relay does that is alive and does not forward.
    enum Deceit: CaseIterable {
        case heartbeatsOnly, pulsesOnly, newestChunkEverySecond, nothingButAnswers
    }

    @Test(
        "Who forwards next to nothing is left within three seconds, and nobody is behind for long",
        arguments: Deceit.allCases
    )
    func deceit(_ deceit: Deceit) throws {
        let simulation = try settled(seed: 11, viewers: 12, k: 2, k1: 2)
        let relay = try #require(topRelay(in: simulation))
        let children = simulation.viewers.filter { simulation.parent(of: $0) == relay }
        #expect(!children.isEmpty)
        var worst = TimeSpan.zero
        var clock: UInt64 = 0
        simulation.clients[relay].puppet = Puppet()
        for step in 0..<150 as Range<UInt64> {
            // Bits 0 and 15 are chunks and pulses.
            simulation.clients[relay].puppet?.held = 0b1000_0000_0000_0001
            if deceit == .newestChunkEverySecond, step % 50 >= 48 { simulation.clients[relay].puppet?.held = 0x8000 }
            if deceit == .pulsesOnly, step.isMultiple(of: 10) {
                clock += 1
                for end in simulation.openEnds(of: relay) where end.side == 1 {
                    let child = simulation.links[end.link].sides[0].client
                    let next = simulation.clients[child].peer?.position.frontier ?? 0
                    let frame = ControlFrame.pulse(next: next, clock: clock).encoded()
                    simulation.transmit(SimulatedBuffer(bytes: frame), isText: false, from: end)
                }
            }
            try simulation.run(for: .milliseconds(20))
            worst = max(worst, simulation.viewers.map { simulation.lag(of: $0) }.max() ?? .zero)
        }
        #expect(worst <= .milliseconds(400), "\(worst.nanoseconds / 1_000_000) ms")
        for child in children {
            #expect(simulation.clients[child].orphanings.contains(.notForwarding), "child \(child)")
            #expect(simulation.parent(of: child) != relay, "child \(child)")
        }
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
    }

    /// Who stands by for a viewer.
    private func standby(of viewer: Int, in simulation: Simulation) -> Int? {
        simulation.clients[viewer].peer?.backup.standby.flatMap {
            simulation.clients[viewer].client.membership.name(of: $0.remote).number
        }
    }

    @Test(
        "A standby that forwards nothing, or does not even answer, costs who turns to it three seconds at most",
        arguments: [1, 2, 3, 4, 5, 6] as [UInt64],
        [false, true]
    )
    func lyingStandby(seed: UInt64, answers: Bool) throws {
        let simulation = try settled(seed: seed, viewers: 40, k: 3, k1: 3)
        // The peer that stands by for most children of one parent, and that parent.
        var best: (liar: Int, parent: Int, wards: Int)?
        for liar in simulation.viewers {
            for parent in simulation.viewers where parent != liar {
                let wards = simulation.viewers.count {
                    simulation.parent(of: $0) == parent && standby(of: $0, in: simulation) == liar
                }
                if wards > best?.wards ?? 0 { best = (liar, parent, wards) }
            }
        }
        let (liar, parent, _) = try #require(best)
        simulation.clients[liar].puppet = Puppet()
        simulation.clients[liar].puppet?.held = answers ? 0x8001 : 0x8005
        simulation.kill(parent)
        let lag = try worstLag(of: simulation, within: .seconds(8))
        #expect(lag <= .seconds(3), "seed \(seed): \(lag.nanoseconds / 1_000_000) ms")
        try simulation.requireWhole(within: .seconds(1))
    }

    @Test("Two that stand by for each other, or parent and standby, may die at once: the others are whole within 3 s")
    func bothParents() throws {
        for seed in [21, 22, 23] as [UInt64] {
            let simulation = try settled(seed: seed, viewers: 40, k: 3, k1: 3)
            let child = try #require(
                simulation.viewers.first {
                    simulation.parent(of: $0).map { $0 != 0 } == true
                        && standby(of: $0, in: simulation).map { $0 != 0 } == true
                }
            )
            let parent = try #require(simulation.parent(of: child))
            let other = try #require(standby(of: child, in: simulation))
            simulation.kill(parent)
            simulation.kill(other)
            let lag = try worstLag(of: simulation, within: .seconds(5))
            #expect(lag <= .seconds(3), "seed \(seed): \(lag.nanoseconds / 1_000_000) ms")
            try simulation.requireWhole(within: .seconds(1))
            try simulation.requireNoGap()
        }
    }

    /// What 99 of 100 viewers are behind by at most after the only child of the source has died, with a thousand below it.
    private func lagAfterHighDeath(_ death: (Simulation, Int) -> Void) throws -> TimeSpan {
        let simulation = Simulation(seed: 24, options(k: 2, k1: 1))
        simulation.conditions.delay = .milliseconds(1) ... .milliseconds(10)
        simulation.publish(PublishingRhythm(every: .milliseconds(100), bytes: 100...1_000, joinPointEvery: 10))
        simulation.join(1_001, over: .seconds(3))
        try simulation.run(for: .seconds(7))
        let relay = try #require(topRelay(in: simulation))
        #expect(simulation.viewers.count { simulation.parent(of: $0) == 0 } == 1)
        #expect(simulation.parent(of: relay) == 0)
        death(simulation, relay)
        var worst = TimeSpan.zero
        for _ in 0..<30 {
            try simulation.run(for: .milliseconds(100))
            let lags = simulation.viewers.map { simulation.lag(of: $0) }.sorted()
            worst = max(worst, lags[lags.count * 99 / 100])
        }
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
        return worst
    }

    @Test("The death of the one peer above a thousand costs them less than a second, at ten messages a second")
    func highDeath() throws {
        // A message every 100 ms is missed after some 400.
        let lag = try lagAfterHighDeath { $0.kill($1) }
        #expect(lag <= .milliseconds(900), "\(lag.nanoseconds / 1_000_000) ms")
    }

    @Test("So does it if the server does not see its socket close")
    func highDeathUnseen() throws {
        let lag = try lagAfterHighDeath { $0.vanish($1) }
        #expect(lag <= .milliseconds(900), "\(lag.nanoseconds / 1_000_000) ms")
    }

    @Test("A relay whose machine lost power is out of the tree within 3 s, and whoever joins meanwhile is fed by then")
    func unseenDeath() throws {
        for seed in [31, 32, 33] as [UInt64] {
            let simulation = try settled(seed: seed, viewers: 20, k: 3, k1: 3)
            let relay = try #require(topRelay(in: simulation))
            simulation.vanish(relay)
            try simulation.run(for: .milliseconds(500))
            simulation.join(6, over: .milliseconds(500))
            try simulation.run(for: .milliseconds(2_500))
            #expect(simulation.server.handle(of: relay) == nil, "seed \(seed)")
            try simulation.run(for: .milliseconds(500))
            for viewer in simulation.viewers {
                #expect(simulation.clients[viewer].peer?.isFed == true, "seed \(seed), viewer \(viewer)")
            }
            try simulation.requireWhole(within: .seconds(1))
        }
    }

    @Test("Those that stand by for one another in a circle, and all lose their parent, do not wait for one another")
    func loop() throws {
        for seed in [41, 42, 43, 44] as [UInt64] {
            let simulation = try settled(seed: seed, viewers: 40, k: 3, k1: 3)
            let children = simulation.viewers.filter { simulation.parent(of: $0) == 0 }
            // Each child of the source has another one for a standby: following them leads into a circle.
            for child in children {
                #expect(standby(of: child, in: simulation).map { children.contains($0) } == true)
            }
            simulation.breakLinks(of: 0)
            let lag = try worstLag(of: simulation, within: .seconds(5))
            #expect(lag <= .seconds(3), "seed \(seed): \(lag.nanoseconds / 1_000_000) ms")
            try simulation.requireWhole(within: .seconds(1))
            try simulation.run(for: .seconds(5))
            try simulation.requirePlacesAsTracked()
        }
    }

    @Test("A pause of the encoder moves nobody")
    func pause() throws {
        let simulation = try settled(seed: 8, viewers: 20, k: 2, k1: 2)
        simulation.publish(nil)
        try simulation.run(for: .seconds(5))
        simulation.publish(Self.pictures)
        try simulation.run(for: .seconds(2))
        for viewer in simulation.viewers {
            let counters = simulation.clients[viewer].peer?.counters
            #expect(counters?.promotions == 0)
            // Each answer that the standby has nothing either doubles the wait.
            #expect(counters?.pulls ?? .max < 20)
        }
    }

    @Test("While the server is away, whoever turned to its standby stays there, and is placed when it is back")
    func serverAway() throws {
        let simulation = try settled(seed: 9, viewers: 14, k: 2, k1: 2)
        let relay = try #require(topRelay(in: simulation))
        simulation.restartServer(after: .seconds(6))
        simulation.kill(relay)
        let lag = try worstLag(of: simulation, within: .seconds(5))
        #expect(lag <= .milliseconds(300), "\(lag.nanoseconds / 1_000_000) ms")
        try simulation.run(for: .seconds(25))
        try simulation.requireWhole(within: .seconds(1))
        try simulation.requireNoGap()
    }

    @Test("Half of a thousand vanish at once: of the others 95 of 100 are whole again within 3 s")
    func half() throws {
        let simulation = Simulation(seed: 10, options(k: 4, k1: 10))
        simulation.publish(PublishingRhythm(every: .milliseconds(200), bytes: 100...1_000, joinPointEvery: 5))
        simulation.join(1_000, over: .seconds(3))
        try simulation.run(for: .seconds(7))
        for (number, viewer) in simulation.viewers.enumerated() where number.isMultiple(of: 2) {
            simulation.kill(viewer)
        }
        try simulation.run(for: .seconds(3))
        let lags = simulation.viewers.map { simulation.lag(of: $0) }.sorted()
        #expect(lags[lags.count * 95 / 100] <= .milliseconds(500))
        try simulation.requireWhole(within: .seconds(10))
    }
}

import PeerTreeCore
import PeerTreeSimulator
import Testing

@Suite("Slow children", .timeLimit(.minutes(5)))
struct FlowTests {
    private func tree(
        _ viewers: Int,
        k: Int = 2,
        _ policy: StreamPolicy = .lossless,
        _ change: (inout PeerConfiguration) -> Void
    ) throws -> Simulation {
        var options = SimulationOptions(k: k, k1: k, policy: policy)
        change(&options.peer)
        let simulation = Simulation(seed: 1, options)
        simulation.conditions.delay = .milliseconds(2) ... .milliseconds(10)
        try simulation.run(for: .milliseconds(100))
        simulation.join(viewers, over: .milliseconds(500))
        try simulation.run(for: .seconds(3))
        return simulation
    }

    /// Publishes as soon as that is possible.
    private func publish(bytes: Int, in simulation: Simulation) throws -> Bool {
        let isWaited = simulation.clients[0].client.writability == .blocked
        let isWritable = try simulation.run(within: .seconds(60)) { $0.clients[0].client.writability == .writable }
        #expect(isWritable)
        simulation.publish(bytes: bytes)
        return isWaited
    }

    @Test("A lossless stream waits for its slowest viewer, however deep, and loses nothing")
    func losslessWaits() throws {
        let simulation = try tree(3, k: 1) {
            $0.window = 32
            $0.highWater = 64 * 1024
        }
        simulation.limit(3, downlink: 2_000_000)
        var waits = 0
        for _ in 0..<400 {
            if try publish(bytes: 16_000, in: simulation) { waits += 1 }
            #expect(simulation.clients[0].peer?.occupancy.replayBytes ?? .max < 8 << 20)
        }
        simulation.finish()
        #expect(try simulation.run(within: .seconds(60)) { $0.clients[3].end == .complete })
        #expect(waits > 10)
        try simulation.requireNoGap()
        for viewer in 1...3 { #expect(simulation.clients[viewer].record.sequences.count == 400) }
        #expect(simulation.clients.allSatisfy { $0.lostChildren.isEmpty })
    }

    @Test("A child that takes nothing at all is detached after the patience is over; its sibling gets everything")
    func stuckChildIsDetached() throws {
        let simulation = try tree(2) {
            $0.window = 16
            $0.patience = .seconds(3)
            $0.silenceTimeout = .seconds(100)
        }
        simulation.limit(1, downlink: 0)
        let began = simulation.now
        for _ in 0..<100 { _ = try publish(bytes: 1_000, in: simulation) }
        #expect(simulation.now - began < .seconds(8))
        try simulation.run(for: .seconds(1))
        #expect(simulation.clients[0].lostChildren == [.slow])
        #expect(simulation.clients[2].record.sequences.count == 100)
    }

    @Test("In a chain the peer next to the culprit acts, and nobody further up is blamed")
    func chain() throws {
        let simulation = try tree(6, k: 1) {
            $0.window = 16
            $0.silenceTimeout = .seconds(1_000)
        }
        simulation.limit(6, downlink: 0)
        for _ in 0..<6_000 {
            if simulation.clients[0].client.writability == .writable { simulation.publish(bytes: 8_000) }
            try simulation.run(for: .milliseconds(5))
        }
        for client in 0..<5 { #expect(!simulation.clients[client].lostChildren.contains(.slow), "\(client)") }
        #expect(simulation.clients[5].lostChildren.contains(.slow))
    }

    @Test("A live stream never waits: a slow child skips to a join point, its sibling gets everything")
    func liveSkips() throws {
        let simulation = try tree(2, .live) { $0.highWater = 32 * 1024 }
        simulation.limit(1, downlink: 100_000)
        for picture in 0..<200 {
            #expect(simulation.clients[0].client.writability == .writable)
            simulation.publish(bytes: 10_000, MessageOptions(isJoinPoint: picture % 20 == 0))
            try simulation.run(for: .milliseconds(40))
        }
        try simulation.run(for: .seconds(2))
        #expect(simulation.clients[2].record.sequences.count == 200)
        #expect(simulation.clients[2].record.gaps.isEmpty)
        let slow = simulation.clients[1].record
        #expect(slow.gaps.count >= 2)
        #expect(slow.gaps.allSatisfy { $0.isSkip })
        #expect(slow.sequences.count > 20 && slow.sequences.count < 150)
        // A picture is one chunk.
        for (before, after) in zip(slow.sequences, slow.sequences.dropFirst()) where after != before + 1 {
            #expect(after % 20 == 0)
        }
    }

    @Test(
        "A slow viewer of live video is cut back when it is a second and a half behind, not later",
        arguments: [200_000, 250_000, 300_000] as [Double]
    )
    func cutBack(downlink: Double) throws {
        let simulation = try tree(1, .live) { _ in }
        // A stream with 0.4 MB/s and a join point every half second.
        simulation.limit(1, downlink: downlink)
        var worst: UInt64 = 0
        var seen = 0
        for picture in 0..<750 {
            simulation.publish(bytes: 16_000, MessageOptions(isJoinPoint: picture % 12 == 0))
            try simulation.run(for: .milliseconds(40))
            let record = simulation.clients[1].record
            guard record.sequences.count > seen, let newest = record.newest else { continue }
            seen = record.sequences.count
            worst = max(worst, simulation.unixMicroseconds - newest.timestamp)
        }
        #expect(simulation.clients[0].peer?.counters.skips ?? 0 >= 3)
        #expect(worst < 2_100_000)
        #expect(worst > 1_000_000)
    }

    @Test("A paced stream detaches a child that falls out of the replay buffer, and says so")
    func pacedDetaches() throws {
        let simulation = try tree(2, .paced) {
            $0.replayBytes = 200_000
            $0.highWater = 32 * 1024
            $0.silenceTimeout = .seconds(100)
        }
        simulation.limit(1, downlink: 0)
        for _ in 0..<100 {
            #expect(simulation.clients[0].client.writability == .writable)
            simulation.publish(bytes: 10_000)
            try simulation.run(for: .milliseconds(10))
        }
        try simulation.run(for: .seconds(1))
        // Every time it comes back it falls out again.
        #expect(simulation.clients[0].peer?.counters.slowChildren ?? 0 >= 1)
        #expect(simulation.clients[0].lostChildren.allSatisfy { $0 == .slow })
        #expect(simulation.clients[2].record.sequences.count == 100)
    }

    @Test("A message longer than the window of credit gets through")
    func longMessage() throws {
        let simulation = try tree(1) { $0.window = 8 }
        simulation.publish(bytes: 400_000)
        try simulation.run(for: .seconds(3))
        #expect(simulation.clients[1].record.sequences == [0])
    }
}

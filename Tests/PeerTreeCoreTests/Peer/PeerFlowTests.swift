import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Slow children", .timeLimit(.minutes(5)))
struct PeerFlowTests {
    @Test("A lossless stream waits for its slowest viewer, however deep, and loses nothing")
    func losslessWaits() {
        var configuration = PeerConfiguration()
        configuration.window = 32
        configuration.highWater = 64 * 1024
        let simulation = OverlaySimulation(seed: 1, capacity: 1, configuration: configuration)
        for _ in 0..<3 { simulation.join(configuration) }
        simulation.run(for: .seconds(1))
        simulation.downlink[3] = 2_000_000
        var written: [UInt8] = []
        var refusals = 0
        for _ in 0..<400 {
            let bytes = simulation.random.bytes(16_000)
            written += bytes
            simulation.publish(bytes)
            if !simulation.nodes[0].peer.isWritable {
                refusals += 1
                let before = simulation.nodes[0].writableCount
                #expect(simulation.run(until: { $0.nodes[0].writableCount > before }))
            }
            #expect(simulation.nodes[0].peer.stream.replay.byteCount < 8 << 20)
        }
        simulation.finish()
        _ = simulation.run(until: { $0.nodes[3].end == .complete })
        #expect(refusals > 10)
        #expect(simulation.nodes[1].received == written)
        #expect(simulation.nodes[3].received == written)
        #expect(simulation.nodes.allSatisfy { $0.lostChildren.isEmpty })
    }

    @Test("A child that takes nothing at all is detached after the patience is over; its sibling gets everything")
    func stuckChildIsDetached() {
        var configuration = PeerConfiguration()
        configuration.window = 16
        configuration.patience = .seconds(3)
        configuration.silenceTimeout = .seconds(100)
        let simulation = OverlaySimulation(seed: 2, capacity: 2, configuration: configuration)
        simulation.join(configuration)
        simulation.join(configuration)
        simulation.run(for: .seconds(1))
        simulation.stuck = [1]
        var written: [UInt8] = []
        let began = simulation.now
        for _ in 0..<100 {
            let bytes = simulation.random.bytes(1_000)
            written += bytes
            simulation.publish(bytes)
            _ = simulation.run(until: { $0.nodes[0].peer.isWritable })
        }
        #expect(simulation.now - began < .seconds(8))
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[0].lostChildren == [.slow])
        #expect(simulation.nodes[2].received == written)
    }

    @Test("A live stream never waits: a slow child skips to a join point, its sibling gets everything")
    func liveSkips() {
        var configuration = PeerConfiguration()
        configuration.policy = .live
        configuration.highWater = 32 * 1024
        let simulation = OverlaySimulation(seed: 3, capacity: 2, configuration: configuration)
        simulation.join(configuration)
        simulation.join(configuration)
        simulation.run(for: .seconds(1))
        simulation.downlink[1] = 100_000
        for frame in 0..<200 {
            simulation.publish(simulation.random.bytes(10_000), MessageOptions(isJoinPoint: frame % 20 == 0))
            #expect(simulation.nodes[0].peer.isWritable)
            simulation.run(for: .milliseconds(40))
        }
        simulation.run(for: .seconds(2))
        #expect(simulation.nodes[2].messages.count == 200)
        #expect(simulation.nodes[2].gaps.isEmpty)
        #expect(simulation.nodes[1].gaps.count >= 2)
        #expect(simulation.nodes[1].gaps.allSatisfy { $0.isSkip })
        let slow = simulation.nodes[1].messages
        #expect(slow.count > 20 && slow.count < 150)
        for (before, after) in zip(slow, slow.dropFirst()) where after.sequence != before.lastSequence + 1 {
            #expect(after.isJoinPoint)
        }
    }

    @Test("A paced stream detaches a child that falls out of the replay buffer, and says so")
    func pacedDetaches() {
        var configuration = PeerConfiguration()
        configuration.policy = .paced
        configuration.replayBytes = 200_000
        configuration.highWater = 32 * 1024
        configuration.silenceTimeout = .seconds(100)
        let simulation = OverlaySimulation(seed: 4, capacity: 2, configuration: configuration)
        simulation.join(configuration)
        simulation.join(configuration)
        simulation.run(for: .seconds(1))
        simulation.stuck = [1]
        for _ in 0..<100 {
            simulation.publish(simulation.random.bytes(10_000))
            #expect(simulation.nodes[0].peer.isWritable)
            simulation.run(for: .milliseconds(10))
        }
        simulation.run(for: .seconds(1))
        // Every time it comes back it falls out again.
        #expect(simulation.nodes[0].peer.counters.slowChildren >= 1)
        #expect(simulation.nodes[0].lostChildren.allSatisfy { $0 == .slow })
        #expect(simulation.nodes[2].messages.count == 100)
    }

    @Test("An application that does not read makes a lossless stream wait, in bounded memory")
    func unreadMessages() throws {
        var configuration = PeerConfiguration()
        configuration.window = 16
        var source = Peer<TestBuffer>.source(configuration, streamID: 1)
        var viewer = Peer<TestBuffer>.viewer(configuration, streamID: 2)
        let now = Instant(nanoseconds: 1)
        source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: now)
        viewer.handle(.assigned(RemoteID(0), stripe: 0, epoch: 1), at: now)
        viewer.handle(.linkOpened(LinkID(1), RemoteID(0), .parent, .native), at: now)
        func exchange() -> Int {
            var delivered = 0
            var isMoving = true
            while isMoving {
                isMoving = false
                while let output = viewer.nextOutput() {
                    if case .send(_, let frame) = output {
                        source.handle(.received(LinkID(1), frame, isText: false), at: now)
                        isMoving = true
                    }
                    if case .deliver = output { delivered += 1 }
                }
                while let output = source.nextOutput() {
                    if case .send(_, let frame) = output {
                        viewer.handle(.received(LinkID(1), frame, isText: false), at: now)
                        isMoving = true
                    }
                }
                source.handle(.drained(LinkID(1), buffered: 0), at: now)
            }
            return delivered
        }
        _ = exchange()
        var sent = 0
        while try source.publish(TestBuffer(bytes: [1]), timestamp: 0, at: now), sent < 1_000 { sent += 1 }
        let delivered = exchange()
        #expect(delivered <= 33)
        while try source.publish(TestBuffer(bytes: [1]), timestamp: 0, at: now), sent < 1_000 { sent += 1 }
        #expect(sent < 100)
        viewer.handle(.consumed(through: 31), at: now)
        #expect(exchange() > 0)
    }
}

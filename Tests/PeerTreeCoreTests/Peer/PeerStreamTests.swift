import PeerTreeCore
import TestSupport
import Testing

@Suite("A stream through a tree of peers", .timeLimit(.minutes(5)))
struct PeerStreamTests {
    @Test("Messages of every size arrive whole and in order through five hops")
    func chain() {
        let simulation = OverlaySimulation(seed: 1, capacity: 1)
        for _ in 0..<5 { simulation.join() }
        simulation.run(for: .seconds(1))
        var written: [[UInt8]] = []
        for size in [0, 1, 100, 16_351, 16_352, 16_353, 100_000, 0, 7] {
            let bytes = simulation.random.bytes(size)
            written.append(bytes)
            simulation.publish(bytes)
        }
        simulation.run(for: .seconds(1))
        for viewer in 1...5 {
            let messages = simulation.nodes[viewer].messages.map { $0.parts.flatMap { $0.bytes } }
            #expect(messages == written)
            #expect(simulation.nodes[viewer].gaps.isEmpty)
        }
    }

    @Test("Text stays text and timestamps travel")
    func marks() throws {
        let simulation = OverlaySimulation(seed: 2)
        simulation.join()
        simulation.run(for: .seconds(1))
        let timestamp = simulation.now.nanoseconds / 1000
        simulation.publish([104, 105], MessageOptions(isText: true, isJoinPoint: true))
        simulation.run(for: .seconds(1))
        let message = try #require(simulation.nodes[1].messages.first)
        #expect(message.isText && message.isJoinPoint && message.retainedKey == nil)
        #expect(message.timestamp == timestamp)
    }

    @Test("A newcomer gets the newest retained messages, then the stream from the newest join point")
    func newcomer() {
        let simulation = OverlaySimulation(seed: 3)
        simulation.publish([1], MessageOptions(retainedKey: 0))
        simulation.publish([2], MessageOptions(retainedKey: 7))
        simulation.publish([3], MessageOptions(retainedKey: 0))
        simulation.publish([4], MessageOptions(isJoinPoint: true))
        simulation.publish([5])
        simulation.publish([6], MessageOptions(isJoinPoint: true))
        simulation.publish([7])
        simulation.join()
        simulation.join(under: 1)
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[1].received == [2, 3, 6, 7])
        #expect(simulation.nodes[2].received == [2, 3, 6, 7])
        #expect(simulation.nodes[1].messages.prefix(2).map { $0.retainedKey } == [7, 0])
    }

    @Test("A newcomer that starts before the newest retained message gets the one before it first")
    func newcomerBeforeTheNewest() {
        let simulation = OverlaySimulation(seed: 3)
        simulation.publish([1], MessageOptions(retainedKey: 0))
        simulation.publish([2], MessageOptions(retainedKey: 0))
        simulation.publish([3], MessageOptions(isJoinPoint: true))
        simulation.join()
        simulation.run(for: .seconds(1))
        simulation.publish([4], MessageOptions(retainedKey: 0))
        simulation.publish([5], MessageOptions(retainedKey: 0))
        simulation.publish([6])
        simulation.run(for: .seconds(1))
        simulation.join()
        simulation.join(under: 1)
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[1].received == [2, 3, 4, 5, 6])
        #expect(simulation.nodes[2].received == [2, 3, 4, 5, 6])
        #expect(simulation.nodes[3].received == [2, 3, 4, 5, 6])
        simulation.publish([7], MessageOptions(isJoinPoint: true))
        simulation.run(for: .seconds(1))
        simulation.join()
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[4].received == [5, 7])
    }

    @Test("A newcomer to a stream without join points gets all of it while the replay buffer holds its start")
    func newcomerWithoutJoinPoints() {
        let simulation = OverlaySimulation(seed: 4)
        for byte in 0..<10 { simulation.publish([UInt8(byte)]) }
        simulation.join()
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[1].received == Array(0..<10))
    }

    @Test("A newcomer whose parent has no position yet is fed as soon as the parent is")
    func newcomerUnderNewcomer() {
        let simulation = OverlaySimulation(seed: 5, capacity: 1)
        for _ in 0..<6 { simulation.join() }
        simulation.publish([9])
        simulation.run(for: .seconds(2))
        #expect(simulation.nodes[6].received == [9])
    }

    @Test("The end of the stream reaches everyone, and is reported complete from the leaves up to the source")
    func completion() {
        let simulation = OverlaySimulation(seed: 6)
        for _ in 0..<14 { simulation.join() }
        simulation.run(for: .seconds(1))
        simulation.publish([1, 2, 3])
        simulation.finish()
        #expect(simulation.nodes[0].completeCount == 0)
        simulation.run(for: .seconds(1))
        for viewer in 1...14 {
            #expect(simulation.nodes[viewer].end == .complete)
            #expect(simulation.nodes[viewer].peer.isSubtreeComplete)
        }
        #expect(simulation.nodes[0].completeCount == 1)
    }

    @Test("A viewer that comes after the end still gets everything")
    func lateViewer() {
        let simulation = OverlaySimulation(seed: 7)
        simulation.publish([1, 2, 3])
        simulation.finish()
        simulation.join()
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[1].received == [1, 2, 3])
        #expect(simulation.nodes[1].end == .complete)
        #expect(simulation.nodes[0].peer.isSubtreeComplete)
    }

    @Test("When the tree is over before the stream is, the viewer is told that the source is lost")
    func sourceLost() {
        let simulation = OverlaySimulation(seed: 8)
        simulation.join()
        simulation.run(for: .seconds(1))
        simulation.publish([1])
        simulation.run(for: .milliseconds(100))
        simulation.kill(0)
        simulation.input(.treeEnded, to: 1)
        #expect(simulation.nodes[1].end == nil)
        simulation.run(for: .seconds(3))
        #expect(simulation.nodes[1].end == .sourceLost)
        #expect(simulation.nodes[1].received == [1])
    }

    @Test("Three stripes over different trees are put together in order", arguments: [UInt64(1), 2, 3])
    func stripes(seed: UInt64) {
        var configuration = PeerConfiguration()
        configuration.stripes = 3
        let simulation = OverlaySimulation(seed: seed, capacity: 3, configuration: configuration)
        for viewer in 1...9 {
            simulation.join()
            // Each stripe gets a tree of its own shape.
            for stripe in 0..<3 where viewer > 3 {
                simulation.assign(viewer, stripe, to: 1 + (viewer + stripe) % 3)
            }
        }
        simulation.run(for: .seconds(2))
        var written: [UInt8] = []
        for _ in 0..<50 {
            let bytes = simulation.random.bytes(Int.random(in: 0...40_000, using: &simulation.random))
            written += bytes
            simulation.publish(bytes)
            simulation.run(for: .milliseconds(20))
        }
        simulation.finish()
        simulation.run(for: .seconds(3))
        for viewer in 1...9 {
            #expect(simulation.nodes[viewer].received == written, "viewer \(viewer), seed \(seed)")
            #expect(simulation.nodes[viewer].end == .complete)
        }
    }
}

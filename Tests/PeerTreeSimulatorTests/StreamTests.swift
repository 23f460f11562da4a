import PeerTreeCore
import PeerTreeSimulator
import Testing

@Suite("A stream through a tree of peers", .timeLimit(.minutes(5)))
struct StreamTests {
    /// A source that is in its tree, and viewers below it, `k` under each.
    private func tree(_ viewers: Int = 0, k: Int = 2, stripes: Int = 1) throws -> Simulation {
        let simulation = Simulation(seed: 1, SimulationOptions(k: k, k1: k, stripes: stripes))
        try simulation.run(for: .seconds(1))
        if viewers > 0 { simulation.join(viewers, over: .seconds(1)) }
        try simulation.run(for: .seconds(3))
        return simulation
    }

    private func join(_ viewers: Int, _ simulation: Simulation) throws {
        for _ in 0..<viewers {
            simulation.join()
            try simulation.run(for: .seconds(2))
        }
    }

    @Test("Messages of every size arrive whole and in order through five hops")
    func chain() throws {
        let simulation = try tree(5, k: 1)
        for size in [0, 1, 100, 16_355, 16_356, 16_357, 100_000, 0, 7] { simulation.publish(bytes: size) }
        try simulation.run(for: .seconds(1))
        for viewer in 1...5 {
            #expect(simulation.clients[viewer].record.sequences == [0, 1, 2, 3, 4, 5, 7, 14, 15])
        }
        try simulation.requireNoGap()
    }

    @Test("Text stays text, and marks and timestamps travel")
    func marks() throws {
        let simulation = try tree(1)
        let timestamp = simulation.unixMicroseconds
        simulation.publish(bytes: 2, MessageOptions(isText: true, isJoinPoint: true))
        try simulation.run(for: .seconds(1))
        let message = try #require(simulation.clients[1].record.newest)
        #expect(message.isText && message.isJoinPoint && message.retainedKey == nil)
        // The clock is read in whole microseconds.
        #expect((timestamp - 1...timestamp).contains(message.timestamp))
    }

    @Test("A newcomer gets the newest retained messages, then the stream from the newest join point")
    func newcomer() throws {
        let simulation = try tree(k: 1)
        for key in [0, 7, 0] as [UInt16] { simulation.publish(bytes: 1, MessageOptions(retainedKey: key)) }
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        simulation.publish(bytes: 1)
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        simulation.publish(bytes: 1)
        try join(2, simulation)
        for viewer in 1...2 { #expect(simulation.clients[viewer].record.sequences == [1, 2, 5, 6]) }
    }

    @Test("A newcomer that starts before the newest retained message gets the one before it first")
    func newcomerBeforeTheNewest() throws {
        let simulation = try tree(k: 1)
        for _ in 0..<2 { simulation.publish(bytes: 1, MessageOptions(retainedKey: 0)) }
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        try join(1, simulation)
        for _ in 0..<2 { simulation.publish(bytes: 1, MessageOptions(retainedKey: 0)) }
        simulation.publish(bytes: 1)
        try simulation.run(for: .seconds(1))
        try join(2, simulation)
        for viewer in 1...3 { #expect(simulation.clients[viewer].record.sequences == [1, 2, 3, 4, 5]) }
        simulation.publish(bytes: 1, MessageOptions(isJoinPoint: true))
        try simulation.run(for: .seconds(1))
        try join(1, simulation)
        #expect(simulation.clients[4].record.sequences == [4, 6])
    }

    @Test("A newcomer to a stream without join points gets all of it while the replay buffer holds its start")
    func newcomerWithoutJoinPoints() throws {
        let simulation = try tree()
        for _ in 0..<10 { simulation.publish(bytes: 1) }
        try join(1, simulation)
        #expect(simulation.clients[1].record.sequences == Array(0..<10))
    }

    @Test("A newcomer whose parent has no position yet is fed as soon as the parent is")
    func newcomerUnderNewcomer() throws {
        let simulation = Simulation(seed: 5, SimulationOptions(k: 1, k1: 1))
        try simulation.run(for: .seconds(1))
        simulation.join(6, over: .milliseconds(6))
        simulation.publish(bytes: 1)
        try simulation.run(for: .seconds(4))
        try simulation.requireWhole(within: .zero)
        #expect(simulation.clients[6].record.sequences == [0])
    }

    @Test("The end of the stream reaches everyone, and is reported complete from the leaves up to the source")
    func completion() throws {
        let simulation = try tree(14)
        simulation.publish(bytes: 3)
        simulation.finish()
        #expect(simulation.clients[0].completions == 0)
        try simulation.run(for: .seconds(1))
        for viewer in 1...14 {
            #expect(simulation.clients[viewer].end == .complete)
            #expect(simulation.clients[viewer].peer?.isSubtreeComplete == true)
        }
        #expect(simulation.clients[0].completions == 1)
    }

    @Test("A viewer that comes after the end still gets everything")
    func lateViewer() throws {
        let simulation = try tree()
        simulation.publish(bytes: 3)
        simulation.finish()
        try join(1, simulation)
        #expect(simulation.clients[1].record.sequences == [0])
        #expect(simulation.clients[1].end == .complete)
        #expect(simulation.clients[0].peer?.isSubtreeComplete == true)
    }

    @Test("When the tree is over before the stream is, the viewer is told that the source is lost")
    func sourceLost() throws {
        let simulation = try tree(1)
        simulation.publish(bytes: 1)
        try simulation.run(for: .milliseconds(100))
        simulation.kill(0)
        try simulation.run(for: simulation.options.tracker.sourceResumeWindow)
        #expect(simulation.clients[1].end == nil)
        try simulation.run(for: .seconds(3))
        #expect(simulation.clients[1].end == .sourceLost)
        #expect(simulation.clients[1].record.sequences == [0])
    }

    @Test("Three stripes over different trees are put together in order")
    func stripes() throws {
        let simulation = try tree(9, k: 3, stripes: 3)
        simulation.publish(PublishingRhythm(every: .milliseconds(20), bytes: 0...40_000))
        try simulation.run(for: .seconds(1))
        simulation.finish()
        try simulation.run(for: .seconds(3))
        try simulation.requireNoGap()
        for viewer in 1...9 { #expect(simulation.clients[viewer].end == .complete) }
    }
}

import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Peers come, go and die", .timeLimit(.minutes(5)))
struct PeerChurnTests {
    @Test("When an interior peer is killed mid-stream, everyone below it still gets every byte")
    func interiorKilled() {
        let simulation = OverlaySimulation(seed: 1)
        for _ in 0..<14 { simulation.join() }
        simulation.run(for: .seconds(1))
        var written: [UInt8] = []
        for index in 0..<100 {
            let bytes = simulation.random.bytes(5_000)
            written += bytes
            simulation.publish(bytes)
            if index == 50 { simulation.kill(1) }
            simulation.run(for: .milliseconds(40))
        }
        simulation.finish()
        simulation.run(for: .seconds(2))
        for viewer in 2...14 {
            #expect(simulation.nodes[viewer].received == written, "viewer \(viewer)")
            #expect(simulation.nodes[viewer].gaps.isEmpty)
        }
    }

    @Test("A silent parent is noticed in under a second and a quarter, and reported as silent")
    func silence() {
        let simulation = OverlaySimulation(seed: 2, capacity: 1)
        simulation.join()
        simulation.join()
        simulation.run(for: .seconds(2))
        simulation.kill(1)
        simulation.run(for: .milliseconds(700))
        #expect(simulation.nodes[2].orphanedReasons.isEmpty)
        simulation.run(for: .milliseconds(550))
        #expect(simulation.nodes[2].orphanedReasons == [.silent])
        #expect(simulation.nodes[0].lostChildren == [.silent])
    }

    @Test("An idle tree keeps all of its links")
    func idle() {
        let simulation = OverlaySimulation(seed: 3)
        for _ in 0..<6 { simulation.join() }
        simulation.run(for: .seconds(30))
        #expect(simulation.nodes.allSatisfy { $0.orphanedReasons.isEmpty && $0.lostChildren.isEmpty })
    }

    @Test("A leaving peer feeds its children until they have new parents: nobody misses a message or waits")
    func gracefulLeave() {
        let simulation = OverlaySimulation(seed: 4)
        for _ in 0..<6 { simulation.join() }
        simulation.run(for: .seconds(1))
        for byte in 0..<20 {
            simulation.publish([UInt8(byte)])
            if byte == 10 { simulation.leave(1) }
            simulation.run(for: .milliseconds(5))
        }
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[1].hasLeft)
        for viewer in 2...6 { #expect(simulation.nodes[viewer].received == Array(0..<20), "viewer \(viewer)") }
        #expect(simulation.nodes[3].orphanedReasons == [.closed])
    }

    @Test("Moving to ansimulation parent keeps the old one until the new one feeds: no gap, no pause")
    func makeBeforeBreak() {
        let simulation = OverlaySimulation(seed: 5)
        for _ in 0..<3 { simulation.join() }
        simulation.run(for: .seconds(1))
        for byte in 0..<30 {
            simulation.publish([UInt8(byte)])
            if byte == 10 { simulation.assign(3, 0, to: 2) }
            simulation.run(for: .milliseconds(5))
        }
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[3].received == Array(0..<30))
        #expect(simulation.nodes[3].orphanedReasons.isEmpty)
        #expect(simulation.nodes[1].peer.childCount == 0)
        #expect(simulation.nodes[2].peer.childCount == 1)
    }

    @Test("A parent that lacks what an orphan needs fetches it from its own parent")
    func recursiveRepair() {
        let simulation = OverlaySimulation(seed: 6, capacity: 3)
        let early = simulation.join()
        simulation.run(for: .seconds(1))
        simulation.publish([1], MessageOptions(isJoinPoint: true))
        simulation.run(for: .milliseconds(100))
        // The early viewer misses what follows because its parent link is cut while nobody assigns a new one.
        simulation.stuck = [early]
        simulation.publish([2])
        simulation.publish([3])
        simulation.publish([4], MessageOptions(isJoinPoint: true))
        let late = simulation.join(under: 0)
        simulation.run(for: .milliseconds(100))
        #expect(simulation.nodes[late].received == [4])
        simulation.stuck = []
        simulation.assign(early, 0, to: late)
        simulation.run(for: .seconds(1))
        #expect(simulation.nodes[early].received == [1, 2, 3, 4])
        #expect(simulation.nodes[early].gaps.isEmpty)
        #expect(simulation.nodes[late].received == [4])
    }

    @Test("What nobody holds any more is reported as a gap, and the stream goes on behind it")
    func gap() {
        var small = PeerConfiguration()
        small.policy = .paced
        small.replayBytes = 500
        let simulation = OverlaySimulation(seed: 7, capacity: 2, configuration: small)
        let late = simulation.join()
        simulation.run(for: .seconds(1))
        simulation.publish([0])
        simulation.run(for: .milliseconds(100))
        simulation.stuck = [late]
        for byte in 1..<100 { simulation.publish([UInt8(byte)]) }
        simulation.run(for: .milliseconds(100))
        simulation.stuck = []
        simulation.assign(late, 0, to: 0)
        simulation.run(for: .milliseconds(1))
        simulation.input(.linkClosed(LinkID(1)), to: late)
        simulation.run(for: .seconds(3))
        let received = simulation.nodes[late].received
        #expect(received.first == 0)
        #expect(received.suffix(3) == [97, 98, 99])
        #expect(simulation.nodes[late].gaps.count == 1)
        #expect(simulation.nodes[late].gaps.first?.isSkip == false)
    }

    @Test("Under random deaths, moves and leaves every survivor gets every byte", arguments: UInt64(0)..<12)
    func randomChurn(seed: UInt64) {
        let simulation = OverlaySimulation(seed: seed, capacity: 2)
        for _ in 0..<30 { simulation.join() }
        simulation.run(for: .seconds(2))
        var written: [UInt8] = []
        var gone: Set<Int> = []
        for step in 0..<150 {
            let size = Int.random(in: 0...40_000, using: &simulation.random)
            let bytes = simulation.random.bytes(size)
            written += bytes
            simulation.publish(bytes)
            if step % 10 == 5 {
                let victim = Int.random(in: 1...30, using: &simulation.random)
                if gone.insert(victim).inserted {
                    if Bool.random(using: &simulation.random) {
                        simulation.kill(victim)
                    } else {
                        simulation.leave(victim)
                        simulation.after(.milliseconds(2_100)) { $0.kill(victim) }
                    }
                }
            }
            simulation.run(for: .milliseconds(UInt64.random(in: 1...150, using: &simulation.random)))
        }
        simulation.finish()
        let survivors = (1...30).filter { !gone.contains($0) }
        let done = simulation.run(until: { simulation in
            survivors.allSatisfy { simulation.nodes[$0].end == .complete }
        })
        #expect(done, "seed \(seed)")
        for viewer in survivors {
            #expect(simulation.nodes[viewer].received == written, "viewer \(viewer), seed \(seed)")
            #expect(simulation.nodes[viewer].gaps.isEmpty, "viewer \(viewer), seed \(seed)")
        }
    }

    @Test("With three stripes the death of any peer loses nothing either", arguments: UInt64(0)..<6)
    func stripedChurn(seed: UInt64) {
        var configuration = PeerConfiguration()
        configuration.stripes = 3
        let simulation = OverlaySimulation(seed: seed, capacity: 4, configuration: configuration)
        for _ in 0..<12 { simulation.join() }
        simulation.run(for: .seconds(2))
        var written: [UInt8] = []
        for step in 0..<100 {
            let bytes = simulation.random.bytes(Int.random(in: 0...40_000, using: &simulation.random))
            written += bytes
            simulation.publish(bytes)
            if step == 30 { simulation.kill(1) }
            if step == 60 { simulation.kill(2) }
            simulation.run(for: .milliseconds(50))
        }
        simulation.finish()
        _ = simulation.run(until: { simulation in (3...12).allSatisfy { simulation.nodes[$0].end == .complete } })
        for viewer in 3...12 {
            #expect(simulation.nodes[viewer].received == written, "viewer \(viewer), seed \(seed)")
        }
    }

    @Test("A viewer that has the end asks for another parent only if it stays: its parent goes because of the end, too")
    func parentGoesAtTheEnd() {
        let simulation = OverlaySimulation(seed: 9, capacity: 1)
        let viewer = simulation.join()
        simulation.run(for: .seconds(1))
        simulation.publish([1])
        simulation.finish()
        simulation.run(for: .milliseconds(100))
        #expect(simulation.nodes[viewer].end == .complete)
        simulation.leave(0)
        simulation.run(for: .milliseconds(800))
        #expect(simulation.nodes[viewer].orphanedReasons.isEmpty)
        simulation.run(for: .seconds(1))
        #expect(!simulation.nodes[viewer].orphanedReasons.isEmpty)
    }
}

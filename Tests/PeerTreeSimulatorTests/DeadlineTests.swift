import PeerTreeSimulator
import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Deadlines are exact", .timeLimit(.minutes(5)))
struct DeadlineTests {
    @Test("A call before the deadline changes nothing, whatever the state", arguments: UInt64(1)...6)
    func early(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try ChurnScenario(seed: seed).run { simulation in
            simulation.inspect = { client, now in
                guard Int.random(in: 0..<256, using: &random) == 0, let peer = client.peer else { return nil }
                let latest = min(peer.deadline, now + .seconds(5))
                guard now < latest else { return nil }
                let span = now.nanoseconds..<latest.nanoseconds
                return Self.change(in: peer, at: Instant(nanoseconds: .random(in: span, using: &random)))
            }
        }
    }

    private static func change(in peer: Peer<SimulatedBuffer>, at instant: Instant) -> String? {
        var called = peer
        called.handle(.tick, at: instant)
        if called.nextOutput() != nil { return "a call at \(instant), before \(peer.deadline), has outputs" }
        // That it was called, and that there was no output, is all that it may know.
        var expected = peer
        expected.lastCall = called.lastCall
        _ = expected.nextOutput()
        guard expected.occupancy == called.occupancy, expected.position == called.position else {
            return "a call at \(instant), before \(peer.deadline), changes the stream"
        }
        let (before, after) = (text(expected), text(called))
        guard before != after else { return nil }
        let lines = zip(before.split(separator: "\n"), after.split(separator: "\n")).first { $0 != $1 }
        return "a call at \(instant), before \(peer.deadline), changes \(lines?.0 ?? "") to \(lines?.1 ?? "")"
    }

    /// All that a peer holds but the stream.
    private static func text(_ peer: Peer<SimulatedBuffer>) -> String {
        var peer = peer
        peer.stream.replay = ReplayBuffer(maximumChunks: 1, maximumBytes: 1)
        peer.stream.retained.removeAll()
        peer.stream.reassembler.abandon()
        var text = ""
        dump(peer, to: &text)
        return text
    }

    @Test("A tree without a stream wakes up for signs of life and reports alone")
    func idle() throws {
        let simulation = Simulation(seed: 1, SimulationOptions(k: 1, k1: 1))
        simulation.join(6, over: .seconds(1))
        try simulation.run(for: .seconds(10))
        let before = simulation.wakeUps
        try simulation.run(for: .seconds(60))
        let each = Double(simulation.wakeUps - before) / 60 / Double(simulation.clients.count)
        // Once in 200 ms; once a second to ask the standby for what may have been missed; for a report every two seconds.
        #expect(each < 7, "\(each) a second")
    }
}

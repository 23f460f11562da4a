import NetworkEmulation
import TestSupport
import Testing

@Suite("Nodes in virtual time", .timeLimit(.minutes(5)))
struct VirtualNetworkTests {
    /// Asks the other again and again; answers at once.
    private struct Pinger: VirtualNode {
        enum Message { case ping(at: Duration), pong(of: Duration) }

        let peer: Int
        let interval: Duration?
        var deadline: Duration?
        var trips: [Duration] = []
        private var outbox: [Message] = []

        init(peer: Int, interval: Duration?) {
            self.peer = peer
            self.interval = interval
            self.deadline = interval == nil ? nil : .zero
        }

        mutating func receive(_ message: Message, from node: Int, at now: Duration) {
            switch message {
            case .ping(let at): self.outbox.append(.pong(of: at))
            case .pong(let of): self.trips.append(now - of)
            }
        }

        mutating func wake(at now: Duration) {
            guard let interval else { return }
            self.outbox.append(.ping(at: now))
            self.deadline = now + interval
        }

        mutating func nextDatagram() -> (datagram: Message, size: Int, to: Int)? {
            self.outbox.isEmpty ? nil : (self.outbox.removeFirst(), 972, self.peer)
        }
    }

    private func network(seed: UInt64, pairs: Int, _ conditions: PathConditions) -> VirtualNetwork<Pinger> {
        var nodes: [Pinger] = []
        for pair in 0..<pairs {
            nodes.append(Pinger(peer: 2 * pair + 1, interval: .milliseconds(10)))
            nodes.append(Pinger(peer: 2 * pair, interval: nil))
        }
        var network = VirtualNetwork(nodes: nodes)
        let forth = network.add(NetworkPath(conditions, random: SeededGenerator(seed: seed)))
        let back = network.add(
            NetworkPath(PathConditions(delay: .milliseconds(20)), random: SeededGenerator(seed: seed))
        )
        for pair in 0..<pairs {
            network.connect(2 * pair, to: 2 * pair + 1, by: forth)
            network.connect(2 * pair + 1, to: 2 * pair, by: back)
        }
        return network
    }

    @Test("Time goes from event to event: round trips are exact, and ten minutes take a moment")
    func roundTrips() {
        var network = self.network(seed: 1, pairs: 1, PathConditions(delay: .milliseconds(30)))
        network.run(until: .seconds(600))
        #expect(network.now == .seconds(600))
        #expect(network.nodes[0].trips.count == 59_996)
        #expect(network.nodes[0].trips.allSatisfy { $0 == .milliseconds(50) })
    }

    @Test("Flows that share a bottleneck wait for each other")
    func sharedBottleneck() {
        // Four flows of 100 datagrams a second of 1,000 bytes need 3.2 Mbit/s: at 8 they wait for those before them, at
        // 1.6 half is dropped.
        let wide = PathConditions(delay: .milliseconds(30), bottleneck: .init(rate: 8_000_000, queue: 100_000))
        var network = self.network(seed: 2, pairs: 4, wide)
        network.run(until: .seconds(10))
        let trips = (0..<4).map { network.nodes[2 * $0].trips }
        #expect((0..<4).allSatisfy { flow in trips[flow].allSatisfy { $0 == .milliseconds(51 + flow) } })
        let narrow = PathConditions(delay: .milliseconds(30), bottleneck: .init(rate: 1_600_000, queue: 20_000))
        network = self.network(seed: 2, pairs: 4, narrow)
        network.run(until: .seconds(10))
        let statistics = network.paths[0].statistics
        #expect((1_950...2_050).contains(statistics.delivered))
        #expect((1_900...2_050).contains(statistics.overflowed))
    }

    @Test("It stops as soon as the condition holds, and goes on from there")
    func condition() {
        var network = self.network(seed: 3, pairs: 1, PathConditions(delay: .milliseconds(30)))
        #expect(network.run(until: .seconds(60)) { $0.nodes[0].trips.count == 3 })
        #expect(network.now == .milliseconds(70))
        #expect(!network.run(until: .milliseconds(75)) { $0.nodes[0].trips.count == 5 })
        #expect(network.now == .milliseconds(75))
        #expect(network.run(until: .seconds(60)) { $0.nodes[0].trips.count == 5 })
    }
}

import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// Two or more agents joined by a simulated network, in simulated time.
private final class ICESimulation {
    struct Packet {
        var at: NIODeadline
        var order: Int
        var bytes: [UInt8]
        var from: TransportAddress
        var to: TransportAddress
    }

    var agents: [ICEAgent]
    /// What each agent sends from, and by which address a NAT shows it to the others.
    var addresses: [TransportAddress]
    var translated: [TransportAddress?] = [nil, nil]
    /// Remote addresses that no packet reaches.
    var unreachable: Set<TransportAddress> = []
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var loss = 0.0
    var latency = TimeAmount.milliseconds(10)
    var random: SeededGenerator
    var inFlight: [Packet] = []
    var states: [[ICEConnectionState]] = [[], []]
    var sent = 0
    private var order = 0

    init(seed: UInt64, roles: [ICEAgent.Role] = [.controlling, .controlled], configuration: ICEConfiguration = .init())
    {
        self.random = SeededGenerator(seed: seed)
        self.addresses = [1, 2].map { TransportAddress(ipv4: 0x0A00_0000 + $0, port: 1000 + UInt16($0)) }
        self.agents = roles.enumerated().map { index, role in
            ICEAgent(
                role: role,
                connection: UInt32(index),
                configuration: configuration,
                random: SeededGenerator(seed: seed &* 2 &+ UInt64(index))
            )
        }
    }

    static func candidate(_ address: TransportAddress, preference: UInt16 = .max) -> ICECandidate {
        ICECandidate(
            foundation: "1",
            priority: ICECandidate.priority(type: .host, localPreference: preference),
            address: address,
            type: .host
        )
    }

    func gather() {
        for index in self.agents.indices {
            self.feed(index, .localCandidate(Self.candidate(self.addresses[index]), base: 0))
        }
    }

    /// Gives one agent what the other would signal.
    func signal(to index: Int, candidates: Bool = true) {
        let other = self.agents[1 - index]
        self.feed(index, .remoteCredentials(other.local))
        if candidates { self.feed(index, .remoteCandidate(Self.candidate(self.addresses[1 - index]))) }
        self.feed(index, .endOfRemoteCandidates)
    }

    func feed(_ index: Int, _ input: ICEAgent.Input) {
        self.agents[index].handle(input, at: self.now)
        while let output = self.agents[index].nextOutput() {
            switch output {
            case .send(let bytes, let to, _): self.send(bytes, from: index, to: to)
            case .state(let state): self.states[index].append(state)
            case .use, .authenticated, .discarded: break
            }
        }
    }

    private func send(_ bytes: [UInt8], from index: Int, to: TransportAddress) {
        self.sent += 1
        guard !self.unreachable.contains(to), Double.random(in: 0..<1, using: &self.random) >= self.loss else { return }
        self.order += 1
        let from = self.translated[index] ?? self.addresses[index]
        self.inFlight.append(Packet(at: self.now + self.latency, order: self.order, bytes: bytes, from: from, to: to))
    }

    /// Runs until the condition holds; false when the time is over first.
    func run(for duration: TimeAmount, until condition: (ICESimulation) -> Bool = { _ in false }) -> Bool {
        let end = self.now + duration
        while !condition(self) {
            let next = self.inFlight.min { ($0.at, $0.order) < ($1.at, $1.order) }
            let due = (self.agents.compactMap(\.deadline) + (next.map { [$0.at] } ?? [])).min()
            guard let due, due <= end else {
                self.now = end
                return condition(self)
            }
            self.now = max(self.now, due)
            if let next, next.at <= self.now {
                self.inFlight.removeAll { $0.order == next.order }
                self.deliver(next)
            }
            for index in self.agents.indices where self.agents[index].deadline.map({ $0 <= self.now }) ?? false {
                self.feed(index, .timeout)
            }
        }
        return true
    }

    private func deliver(_ packet: Packet) {
        let target = self.agents.indices.first {
            self.addresses[$0] == packet.to || self.translated[$0] == packet.to
        }
        guard let target, let decoder = try? STUNDecoder(packet.bytes) else { return }
        self.feed(target, .message(decoder, from: packet.from, base: 0))
    }

    var isNominated: Bool { self.agents.allSatisfy { $0.selected?.isNominated == true } }
}

@Suite("ICE agent")
struct ICEAgentTests {
    @Test("Two agents agree on a pair within two round trips")
    func connects() {
        let network = ICESimulation(seed: 1)
        network.gather()
        network.signal(to: 1)
        network.signal(to: 0)
        let start = network.now
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        #expect(network.now - start <= .milliseconds(60))
        #expect(network.agents.map(\.state) == [.connected, .connected])
        #expect(network.agents[0].selected?.remote.address == network.addresses[1])
        #expect(network.agents[0].selected?.roundTripTime == .milliseconds(20))
    }

    @Test("They agree over a link that loses every third packet", arguments: 1...200)
    func lossy(seed: Int) {
        let network = ICESimulation(seed: UInt64(seed))
        network.loss = 0.33
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(14)) { $0.isNominated }, "seed \(seed)")
    }

    @Test("Checks that come before the answer are answered, and followed up when it is there")
    func checksBeforeAnswer() {
        let network = ICESimulation(seed: 2)
        network.gather()
        network.signal(to: 1)
        #expect(!network.run(for: .milliseconds(100)))
        #expect(network.agents[1].state == .connected, "our response makes the pair usable for the answerer")
        #expect(network.agents[0].state == .new)
        network.signal(to: 0, candidates: false)
        #expect(network.run(for: .milliseconds(100)) { $0.isNominated })
        #expect(network.agents[0].selected?.remote.type == .peerReflexive)
    }

    @Test("A peer behind a NAT is met at the address its checks come from")
    func peerReflexive() {
        let network = ICESimulation(seed: 3)
        let seen = TransportAddress(ipv4: 0xC633_6401, port: 40_000)
        network.translated[1] = seen
        network.unreachable = [network.addresses[1]]
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        #expect(network.agents[0].selected?.remote.address == seen)
        #expect(network.agents[0].selected?.remote.type == .peerReflexive)
    }

    @Test("Two agents of the same role settle who controls", arguments: [ICEAgent.Role.controlling, .controlled])
    func roleConflict(role: ICEAgent.Role) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let network = ICESimulation(seed: seed, roles: [role, role])
            network.gather()
            network.signal(to: 0)
            network.signal(to: 1)
            #expect(network.run(for: .seconds(5)) { $0.isNominated }, "seed \(seed)")
            #expect(network.agents[0].role != network.agents[1].role, "seed \(seed)")
        }
    }

    @Test("An unreachable candidate of higher priority does not keep a lower one from being used")
    func fallsBack() {
        let network = ICESimulation(seed: 4)
        let dead = TransportAddress(ipv4: 0x0A00_0063, port: 99)
        network.unreachable = [dead]
        network.gather()
        network.feed(0, .remoteCandidate(ICESimulation.candidate(dead)))
        network.feed(0, .remoteCredentials(network.agents[1].local))
        network.feed(0, .remoteCandidate(ICESimulation.candidate(network.addresses[1], preference: 1)))
        network.signal(to: 1)
        let start = network.now
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        #expect(network.now - start <= .milliseconds(150))
    }

    @Test("Consent keeps a silent connection up; when the peer vanishes it is disconnected, then failed")
    func consent() {
        var configuration = ICEConfiguration()
        configuration.consentInterval = .seconds(1)
        configuration.disconnectedTimeout = .seconds(3)
        configuration.consentTimeout = .seconds(8)
        let network = ICESimulation(seed: 5, configuration: configuration)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        #expect(!network.run(for: .seconds(60)) { $0.agents[0].state != .connected })
        network.unreachable = [network.addresses[1]]
        let vanished = network.now
        #expect(network.run(for: .seconds(10)) { $0.agents[0].state == .disconnected })
        #expect(network.run(for: .seconds(10)) { $0.agents[0].state == .failed })
        #expect(network.now - vanished <= .seconds(8) + .milliseconds(100))
        #expect(network.agents[0].deadline == nil)
        #expect(network.states[0] == [.checking, .connected, .disconnected, .failed])
    }

    @Test("A host that slept asks before it gives the peer up")
    func sleep() {
        let network = ICESimulation(seed: 10)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        network.now = network.now + .hours(1)
        #expect(!network.run(for: .seconds(60)) { $0.agents.contains { $0.state == .failed } })
        #expect(network.agents.map(\.state) == [.connected, .connected])
    }

    @Test("A connection that was disconnected for a moment recovers")
    func recovers() {
        var configuration = ICEConfiguration()
        configuration.consentInterval = .seconds(1)
        configuration.disconnectedTimeout = .seconds(3)
        let network = ICESimulation(seed: 6, configuration: configuration)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        network.unreachable = [network.addresses[1]]
        #expect(network.run(for: .seconds(10)) { $0.agents[0].state == .disconnected })
        network.unreachable = []
        #expect(network.run(for: .seconds(3)) { $0.agents[0].state == .connected })
    }

    @Test("Without a path the agent fails, and stops sending")
    func fails() {
        let network = ICESimulation(seed: 7)
        network.unreachable = Set(network.addresses)
        network.gather()
        network.signal(to: 0)
        #expect(network.run(for: .seconds(20)) { $0.agents[0].state == .failed })
        let sent = network.sent
        #expect(sent <= ICEConfiguration().attempts)
        #expect(!network.run(for: .seconds(60)))
        #expect(network.sent == sent)
    }

    @Test("Forged requests and responses change nothing")
    func forged() {
        let network = ICESimulation(seed: 8)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        let before = network.agents[0].selected?.remote.address
        let attacker = TransportAddress(ipv4: 0x0A0A_0A0A, port: 666)
        for number in 0..<1000 as Range<UInt64> {
            var message = STUNMessage(
                messageClass: number % 2 == 0 ? .request : .success,
                transactionID: STUNTransactionID(connection: 0, nonce: number)
            )
            message.username = network.agents[0].local.usernameFragment + ":" + network.agents[1].local.usernameFragment
            message.useCandidate = true
            message.controlled = 1
            guard let decoder = try? STUNDecoder(message.encoded(password: "guessed password \(number)")) else {
                Issue.record("the forged message is not even well-formed")
                return
            }
            let sent = network.sent
            network.feed(0, .message(decoder, from: attacker, base: 0))
            #expect(network.sent == sent, "an unauthentic message must not be answered")
        }
        #expect(network.agents[0].selected?.remote.address == before)
        #expect(network.agents[0].pairs.count == 1)
    }

    @Test("However many candidates a peer sends, the checklist stays bounded")
    func bounded() {
        let network = ICESimulation(seed: 9)
        network.gather()
        network.feed(0, .remoteCredentials(network.agents[1].local))
        for number in 0..<10_000 as Range<UInt32> {
            let address = TransportAddress(ipv4: 0x0B00_0000 + number, port: 1)
            network.feed(0, .remoteCandidate(ICESimulation.candidate(address)))
        }
        #expect(network.agents[0].pairs.count == ICEConfiguration().maximumRemoteCandidates)
    }
}

import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("ICE agent", .timeLimit(.minutes(5)))
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
        #expect(network.agents[0].checklist.pairs.count == 1)
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
        #expect(network.agents[0].checklist.pairs.count == ICEConfiguration().maximumRemoteCandidates)
    }
}

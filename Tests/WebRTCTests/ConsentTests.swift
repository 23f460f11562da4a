import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// Consent to send (RFC 7675) against a path that is dead in one direction, and against peers that mean to have data
/// sent to somebody else.
@Suite("Consent to send", .timeLimit(.minutes(5)))
struct ConsentTests {
    private static let configuration: ICEConfiguration = {
        var configuration = ICEConfiguration()
        configuration.consentInterval = .seconds(1)
        configuration.disconnectedTimeout = .seconds(3)
        configuration.consentTimeout = .seconds(8)
        return configuration
    }()

    /// Agent 0 controls, agent 1 is asked for its consent.
    private static func connected(seed: UInt64) -> ICESimulation {
        let network = ICESimulation(seed: seed, configuration: Self.configuration)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        // Past the time in which nominations are still of the first negotiation.
        #expect(!network.run(for: .seconds(5)) { $0.agents.contains { $0.state != .connected } })
        return network
    }

    /// What agent 0 could send at any time, from any address: a request with valid integrity.
    private static func request(from network: ICESimulation, number: UInt64, nominates: Bool) throws -> STUNDecoder {
        let (sender, receiver) = (network.agents[0], network.agents[1])
        var message = STUNMessage(
            messageClass: .request,
            transactionID: STUNTransactionID(connection: 77, nonce: number)
        )
        message.username = receiver.local.usernameFragment + ":" + sender.local.usernameFragment
        message.priority = 1
        message.useCandidate = nominates
        message.controlling = sender.tieBreaker
        return try STUNDecoder(message.encoded(password: receiver.local.password))
    }

    @Test("With one direction cut, the peer's nominations do not stand in for its answers", arguments: [false, true])
    func oneDirectionCut(nominates: Bool) throws {
        let network = Self.connected(seed: 21)
        // What agent 1 sends is lost; what agent 0 sends, ten times a second, arrives.
        network.unreachable = [network.addresses[0]]
        let cut = network.now
        var number: UInt64 = 0
        while network.agents[1].state != .failed, network.now - cut < .seconds(20) {
            number += 1
            let request = try Self.request(from: network, number: number, nominates: nominates)
            network.feed(1, .message(request, from: network.addresses[0], base: 0))
            _ = network.run(for: .milliseconds(100))
        }
        #expect(network.agents[1].state == .failed)
        #expect(network.now - cut <= .seconds(9))
        #expect(network.states[1].suffix(2) == [.disconnected, .failed], "and never connected in between")
    }

    @Test("Answers from one address are no consent to send to another")
    func answersFromElsewhere() throws {
        let network = Self.connected(seed: 22)
        let victim = network.addresses[0]
        // The peer moves away; what goes to its old address reaches somebody who does not answer.
        let elsewhere = TransportAddress(ipv4: 0x0A00_0042, port: 4_242)
        network.translated[0] = elsewhere
        network.addresses[0] = elsewhere
        network.unreachable = [victim]
        let moved = network.now
        var number: UInt64 = 0
        var lastSelected = moved
        while network.now - moved < .seconds(30) {
            number += 1
            // It asks in the old address's name, with a nomination each time, and now and then from the new one.
            let nomination = try Self.request(from: network, number: number, nominates: true)
            network.feed(1, .message(nomination, from: victim, base: 0))
            if number % 7 == 0 {
                let request = try Self.request(from: network, number: 1_000_000 + number, nominates: false)
                network.feed(1, .message(request, from: elsewhere, base: 0))
            }
            _ = network.run(for: .milliseconds(100))
            if network.agents[1].selected?.remote.address == victim, network.agents[1].state != .failed {
                lastSelected = network.now
            }
        }
        #expect(lastSelected - moved <= .seconds(9), "data went to an address that did not answer for too long")
    }

    @Test("A path that was disconnected counts as connected again when it answers, not when it is nominated")
    func nominationIsNoSignOfLife() throws {
        let network = Self.connected(seed: 23)
        network.unreachable = Set(network.addresses)
        #expect(network.run(for: .seconds(6)) { $0.agents[1].state == .disconnected })
        let request = try Self.request(from: network, number: 1, nominates: true)
        network.feed(1, .message(request, from: network.addresses[0], base: 0))
        #expect(network.agents[1].state == .disconnected)
        network.unreachable = []
        #expect(network.run(for: .seconds(3)) { $0.agents[1].state == .connected })
    }
}

import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("ICE across NATs and moves", .timeLimit(.minutes(5)))
struct ICENetworkTests {
    private static let stun = TransportAddress(ipv4: 0xCB00_7164, port: 3478)

    private static func nat(_ kind: ICESimulation.NAT.Kind?, _ index: Int) -> ICESimulation.NAT? {
        let external = TransportAddress(ipv4: 0xCB00_7100 + UInt32(index) + 1, port: 0)
        return kind.map { ICESimulation.NAT($0, external: external) }
    }

    /// Candidates as a host behind this NAT gathers them: its own, what a STUN server sees, a relay.
    private static func candidates(_ network: ICESimulation, _ index: Int) -> [(candidate: ICECandidate, base: Int)] {
        let own = network.addresses[index]
        var found = [(candidate: ICESimulation.candidate(own), base: 0)]
        if let mapped = network.nats[index]?.translate(own, to: Self.stun) {
            let priority = ICECandidate.priority(type: .serverReflexive, localPreference: 1)
            let candidate = ICECandidate(foundation: "s", priority: priority, address: mapped, type: .serverReflexive)
            found.append((candidate, 0))
        }
        if let relay = network.relays[index] {
            let priority = ICECandidate.priority(type: .relayed, localPreference: 1)
            found.append((ICECandidate(foundation: "r", priority: priority, address: relay, type: .relayed), 1))
        }
        return found
    }

    /// Connects two agents behind these NATs; candidates trickle in, each after a random while.
    private static func connect(
        _ kinds: [ICESimulation.NAT.Kind?],
        seed: UInt64,
        loss: Double = 0,
        relays: Bool = true
    ) -> ICESimulation {
        let network = ICESimulation(seed: seed)
        network.loss = loss
        for index in 0..<2 {
            network.nats[index] = Self.nat(kinds[index], index)
            if relays { network.relays[index] = TransportAddress(ipv4: 0xCB00_71C8 + UInt32(index), port: 60_000) }
        }
        network.feed(1, .remoteCredentials(network.agents[0].local))
        network.feed(0, .remoteCredentials(network.agents[1].local))
        for index in 0..<2 {
            for (candidate, base) in Self.candidates(network, index) {
                network.feed(index, .localCandidate(candidate, base: base))
                _ = network.run(for: .milliseconds(.random(in: 0...150, using: &network.random)))
                network.feed(1 - index, .remoteCandidate(candidate))
            }
            network.feed(index, .endOfLocalCandidates)
            network.feed(1 - index, .endOfRemoteCandidates)
        }
        return network
    }

    /// Between these, no packet gets through without a relay.
    private static func needsRelay(_ kinds: [ICESimulation.NAT.Kind?]) -> Bool {
        kinds.contains(.symmetric) && !kinds.contains(nil)
    }

    private static let pairs: [[ICESimulation.NAT.Kind?]] = {
        let kinds: [ICESimulation.NAT.Kind?] = [nil, .portPreserving, .symmetric]
        return kinds.flatMap { first in kinds.map { [first, $0] } }
    }()

    @Test("Whatever NATs are between, a path is found, a direct one where there is one", arguments: 0..<9)
    func nats(number: Int) {
        let kinds = Self.pairs[number]
        for seed in 1...20 as ClosedRange<UInt64> {
            let network = Self.connect(kinds, seed: seed)
            #expect(network.run(for: .seconds(6)) { $0.isNominated && $0.isAgreed }, "\(kinds) seed \(seed)")
            let isRelayed = network.agents.map { agent in
                agent.selected?.valid?.type == .relayed || agent.selected?.remote.type == .relayed
            }
            #expect(isRelayed == Array(repeating: Self.needsRelay(kinds), count: 2), "\(kinds) seed \(seed)")
        }
    }

    @Test("The same with loss: a path is found, and both use the same one", arguments: 0..<9)
    func lossyNATs(number: Int) {
        let kinds = Self.pairs[number]
        for seed in 1...20 as ClosedRange<UInt64> {
            let network = Self.connect(kinds, seed: seed &+ 1_000, loss: 0.2)
            #expect(network.run(for: .seconds(15)) { $0.isNominated && $0.isAgreed }, "\(kinds) seed \(seed)")
        }
    }

    @Test("Without a relay, symmetric NATs on both sides cannot be crossed, and that is said within the time allowed")
    func hopeless() {
        let network = Self.connect([.symmetric, .symmetric], seed: 1, relays: false)
        #expect(network.run(for: .seconds(16)) { $0.agents.allSatisfy { $0.state == .failed } })
    }

    @Test("A peer that changes its address is followed within half a second, whoever controls", arguments: [0, 1])
    func moves(mover: Int) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let network = ICESimulation(seed: seed)
            network.gather()
            network.signal(to: 0)
            network.signal(to: 1)
            #expect(network.run(for: .seconds(5)) { $0.isNominated })
            _ = network.run(for: .seconds(10))
            let old = network.addresses[mover]
            let new = TransportAddress(ipv4: 0x0A00_0064, port: old.port)
            network.addresses[mover] = new
            network.unreachable = [old]
            network.feed(mover, .localCandidate(ICESimulation.candidate(new), base: 0))
            network.feed(mover, .networkChanged)
            let left = network.now
            #expect(network.run(for: .seconds(2)) { $0.agents[1 - mover].selected?.remote.address == new }, "\(seed)")
            #expect(network.now - left <= .milliseconds(500), "seed \(seed)")
            _ = network.run(for: .seconds(60))
            #expect(network.agents.map(\.state) == [.connected, .connected], "seed \(seed)")
            #expect(network.isNominated && network.isAgreed, "seed \(seed)")
            #expect(network.states.allSatisfy { $0 == [.checking, .connected] }, "nobody was disconnected meanwhile")
        }
    }

    @Test("A NAT that forgets its mapping is noticed at the next check of consent", arguments: [0, 1])
    func rebinding(mover: Int) {
        let network = ICESimulation(seed: 3)
        network.translated[mover] = TransportAddress(ipv4: 0xC633_6401, port: 40_000)
        network.gather()
        network.signal(to: 0)
        network.signal(to: 1)
        #expect(network.run(for: .seconds(5)) { $0.isNominated })
        _ = network.run(for: .seconds(10))
        let new = TransportAddress(ipv4: 0xC633_6401, port: 40_007)
        network.unreachable = network.translated[mover].map { [$0] } ?? []
        network.translated[mover] = new
        #expect(network.run(for: .seconds(7)) { $0.agents[1 - mover].selected?.remote.address == new })
        _ = network.run(for: .seconds(60))
        #expect(network.agents.map(\.state) == [.connected, .connected])
    }

    @Test("When a relay is lost its pair is given up at once, and a new relay takes over")
    func relayLost() {
        let network = Self.connect([.symmetric, .symmetric], seed: 4)
        #expect(network.run(for: .seconds(6)) { $0.isNominated })
        _ = network.run(for: .seconds(3))
        let other = TransportAddress(ipv4: 0xCB00_71C8, port: 61_000)
        network.relays[0] = other
        network.feed(0, .removeBase(1))
        let candidate = ICECandidate(
            foundation: "r2",
            priority: ICECandidate.priority(type: .relayed, localPreference: 1),
            address: other,
            type: .relayed
        )
        network.feed(0, .localCandidate(candidate, base: 1))
        network.feed(1, .remoteCandidate(candidate))
        #expect(network.run(for: .seconds(3)) { $0.isAgreed && $0.agents.allSatisfy { $0.state == .connected } })
    }

    @Test(
        "A new relay is found through the peer's NAT, and two new relays find each other, once their candidates are told",
        arguments: [[.symmetric, .portPreserving], [.symmetric, .symmetric]] as [[ICESimulation.NAT.Kind]]
    )
    func relaysLost(kinds: [ICESimulation.NAT.Kind]) {
        for seed in UInt64(1)...10 {
            let network = Self.connect(kinds, seed: seed)
            #expect(network.run(for: .seconds(6)) { $0.isNominated })
            _ = network.run(for: .seconds(3))
            let lost = [0, 1].filter { network.relays[$0] != nil }
            for index in lost {
                network.relays[index] = nil
                network.feed(index, .removeBase(1))
            }
            _ = network.run(for: .seconds(1))
            for index in lost {
                let other = TransportAddress(ipv4: 0xCB00_71C8, port: 61_000 + UInt16(index))
                network.relays[index] = other
                let candidate = ICECandidate(
                    foundation: "r2",
                    priority: ICECandidate.priority(type: .relayed, localPreference: 1),
                    address: other,
                    type: .relayed
                )
                network.feed(index, .localCandidate(candidate, base: 1))
                network.feed(1 - index, .remoteCandidate(candidate))
                _ = network.run(for: .milliseconds(300))
            }
            let isMended = network.run(for: .seconds(3)) {
                $0.isAgreed && $0.isNominated && $0.agents.allSatisfy { $0.state == .connected }
            }
            #expect(isMended, "seed \(seed)")
        }
    }

    @Test("A request to a socket that the connection does not use gets no answer")
    func unusedBase() throws {
        let network = ICESimulation(seed: 5)
        network.feed(0, .localCandidate(ICESimulation.candidate(network.addresses[0]), base: 1))
        var request = STUNMessage(messageClass: .request, transactionID: .init(connection: 9, nonce: 9))
        request.username = network.agents[0].local.usernameFragment + ":other"
        request.controlled = 1
        let decoder = try STUNDecoder(request.encoded(password: network.agents[0].local.password))
        network.feed(0, .message(decoder, from: network.addresses[1], base: 0))
        #expect(network.sent == 0)
        network.feed(0, .message(decoder, from: network.addresses[1], base: 1))
        #expect(network.sent == 1)
    }

    @Test("No answer is larger than the question, so that nobody can be flooded through this host")
    func noAmplification() throws {
        for family in ["10.0.0.9", "2001:db8::9"] {
            let network = ICESimulation(seed: 6)
            network.gather()
            var largest = 0
            for unknown in [0, 1, 16] {
                var request = STUNMessage(messageClass: .request, transactionID: .init(connection: 9, nonce: 9))
                request.username = network.agents[0].local.usernameFragment + ":abcd"
                request.priority = 1
                request.controlled = 1
                var bytes = request.encoded(password: network.agents[0].local.password)
                if unknown > 0 { bytes = Self.adding(unknown, to: request, network.agents[0].local.password) }
                let source = try #require(TransportAddress(ip: family, port: 9))
                network.agents[0].handle(.message(try STUNDecoder(bytes), from: source, base: 0), at: network.now)
                while let output = network.agents[0].nextOutput() {
                    guard case .send(let answer, _, _) = output else { continue }
                    largest = max(largest, answer.count)
                    #expect(answer.count <= bytes.count, "\(unknown) unknown attributes from \(family)")
                }
            }
            #expect(largest > 0)
        }
    }

    /// A request with attributes that the receiver must know and does not.
    private static func adding(_ count: Int, to request: STUNMessage, _ password: String) -> [UInt8] {
        var bytes = request.encoded(key: nil)
        bytes.removeLast(8)
        for number in 0..<count { bytes.append(attribute: 0x7000 + UInt16(number), []) }
        bytes.setUInt16(UInt16(bytes.count - 20 + 24), at: 2)
        bytes.append(attribute: STUNAttribute.messageIntegrity, HMACSHA1.code(for: bytes, key: Array(password.utf8)))
        return bytes
    }
}

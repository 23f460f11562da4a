import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// Seeded garbage, and damaged good input, into everything that parses a byte from outside. Nothing may trap.
@Suite("Garbage")
struct FuzzTests {
    private static let rounds = 100_000

    /// Random bytes, or a good input with a few bytes changed, removed, doubled.
    private static func mutate(_ good: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        if Int.random(in: 0..<5, using: &random) == 0 {
            let count = Int.random(in: 0...128, using: &random)
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        }
        var bytes = good
        for _ in 0..<Int.random(in: 1...8, using: &random) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes.removeSubrange(position..<min(bytes.count, position + 4))
            case 2: bytes.insert(contentsOf: bytes[position..<min(bytes.count, position + 9)], at: position)
            default: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
        }
        return bytes
    }

    @Test("STUN: no input traps, and what is accepted can be encoded again", arguments: [1, 2] as [UInt64])
    func stun(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let samples = [STUNTests.request, STUNTests.responseIPv4, STUNTests.responseIPv6]
        for round in 0..<Self.rounds {
            var bytes = Self.mutate(samples[round % 3], &random)
            if bytes.count >= 20, round % 2 == 0 {
                // Past the length check, where the attributes are.
                bytes.removeLast(bytes.count % 4)
                bytes.setUInt16(UInt16(bytes.count - 20), at: 2)
            }
            guard let decoder = try? STUNDecoder(bytes) else { continue }
            _ = decoder.isAuthentic(password: STUNTests.password)
            _ = decoder.message.encoded(password: "p")
        }
    }

    @Test("SDP: no input traps, and what is accepted survives being written and read", arguments: [3] as [UInt64])
    func sdp(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let samples = SampleOffers.all.map { Array($0.utf8) }
        var accepted = 0
        for round in 0..<(Self.rounds / 10) {
            let bytes = Self.mutate(samples[round % samples.count], &random)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let description = try? DataSessionDescription(parsing: text) else { continue }
            accepted += 1
            let again = try? DataSessionDescription(parsing: description.written(sessionID: 1))
            #expect(again?.usernameFragment == description.usernameFragment, "seed \(seed) round \(round)")
        }
        #expect(accepted > 0)
    }

    @Test("Candidates: no input traps, and what is accepted is read back the same", arguments: [4] as [UInt64])
    func candidates(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let line = "candidate:842163049 1 udp 1677729535 198.51.100.9 51472 typ srflx raddr 192.0.2.7 rport 51472"
        for round in 0..<Self.rounds {
            let text = String(decoding: Self.mutate(Array(line.utf8), &random), as: UTF8.self)
            guard let candidate = try? ICECandidate(parsing: text) else { continue }
            #expect((try? ICECandidate(parsing: candidate.description)) == candidate, "seed \(seed) round \(round)")
        }
    }

    @Test("DCEP: no input traps", arguments: [5] as [UInt64])
    func dcep(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let good: [UInt8] = [3, 0x81, 1, 0, 0, 0, 0, 7, 0, 2, 0, 1, 0x61, 0x62, 0x63]
        for _ in 0..<Self.rounds { _ = try? DCEPMessage(ByteBuffer(bytes: Self.mutate(good, &random))) }
    }

    @Test("An ICE agent fed garbage neither traps nor grows", arguments: [6] as [UInt64])
    func agent(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var agent = ICEAgent(role: .controlled, connection: 1, configuration: .init(), random: random)
        let local = TransportAddress(ipv4: 0x0A00_0001, port: 1)
        let candidate = ICECandidate(foundation: "1", priority: 1, address: local, type: .host)
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        agent.handle(.localCandidate(candidate, base: 0), at: start)
        agent.handle(.remoteCredentials(.init(usernameFragment: "abcd", password: "secret")), at: start)
        for round in 0..<20_000 {
            var request = STUNMessage(
                messageClass: [.request, .success, .error, .indication][round % 4],
                transactionID: STUNTransactionID(connection: 1, nonce: random.next())
            )
            // Even a peer that knows the password cannot make it grow.
            request.username = agent.local.usernameFragment + ":abcd"
            request.priority = UInt32.random(in: .min ... .max, using: &random)
            request.useCandidate = round % 3 == 0
            request.controlling = random.next()
            request.errorCode = round % 8 == 2 ? 487 : nil
            let password = round % 2 == 0 ? agent.local.password : "secret"
            guard let decoder = try? STUNDecoder(request.encoded(password: password)) else { continue }
            let source = TransportAddress(ipv4: UInt32.random(in: .min ... .max, using: &random), port: 9)
            agent.handle(.message(decoder, from: source, base: 0), at: start + .milliseconds(Int64(round)))
            while agent.nextOutput() != nil {}
        }
        #expect(agent.pairs.count <= ICEConfiguration().maximumRemoteCandidates * 2)
        #expect(agent.transactions.count <= 512)
    }
}

import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("The handshake", .timeLimit(.minutes(5)))
struct HandshakeTests {
    @Test("RFC 9260 section 5.1: one side begins, the other answers, messages go both ways")
    func oneSide() throws {
        let pair = Pair()
        pair.a.association.connect(at: pair.now)
        pair.run(for: .seconds(1))
        #expect(pair.a.association.state == .established && pair.b.association.state == .established)
        try pair.a.association.send(OutgoingMessage(0, [1, 2, 3]))
        try pair.b.association.send(OutgoingMessage(7, [4, 5]))
        pair.run(for: .seconds(1))
        #expect(pair.b.messages.map(\.payload) == [[1, 2, 3]])
        #expect(pair.a.messages.map(\.payload) == [[4, 5]])
    }

    @Test("RFC 9260 section 5.2.1: both sides begin at once, as WebRTC has it")
    func collision() throws {
        for seed: UInt64 in 1...50 {
            let pair = Pair.connected(PathConditions(delay: .milliseconds(20), jitter: .milliseconds(30)), seed: seed)
            #expect(pair.a.association.state == .established, "seed \(seed)")
            try pair.a.association.send(OutgoingMessage(0, [1]))
            try pair.b.association.send(OutgoingMessage(0, [2]))
            pair.run(for: .seconds(2))
            #expect(pair.a.messages.map(\.payload) == [[2]] && pair.b.messages.map(\.payload) == [[1]], "seed \(seed)")
        }
    }

    @Test("The handshake ends however packets are lost, doubled and overtaken")
    func lossy() {
        for seed: UInt64 in 1...100 {
            var conditions = PathConditions(delay: .milliseconds(20), jitter: .milliseconds(100))
            conditions.loss = 0.3
            conditions.duplication = 0.2
            var configuration = Pair.configuration()
            configuration.maximumTimeouts = nil
            let pair = Pair.connected(conditions, seed: seed, a: configuration, b: configuration)
            #expect(pair.a.isConnected && pair.b.isConnected, "seed \(seed)")
        }
    }
}

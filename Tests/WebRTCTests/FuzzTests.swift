import Foundation
import Fuzzing
import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// A short seeded run of every fuzz target, which begins with the whole corpus as it is: what fuzzing once found stays
/// mended. `make fuzz` runs longer ones.
@Suite("Hostile input", .timeLimit(.minutes(5)))
struct FuzzTests {
    private static let corpus = Corpus(
        folder: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Corpus")
    )

    @Test("No input of the corpus, and none made from it, does harm", arguments: FuzzTargetName.allCases)
    func run(target: FuzzTargetName) async throws {
        let inputs: UInt64 =
            switch target {
            case .stun, .candidate, .dcep, .frames, .blocks: 40_000
            case .webm, .media: 2_000
            case .sdp, .sctp, .datagram, .checks: 5_000
            case .association: 10_000
            case .turn: 20_000
            case .handshake: 1_000
            case .paths: 20
            case .churn: 2
            case .adversary: 1_000
            }
        let run = FuzzRun(target: target, seed: 1, inputs: inputs, corpus: Self.corpus)
        let accepted = try await run.run { _, _ in }
        #expect(accepted > 0, "a run in which nothing is accepted proves little")
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
        #expect(agent.checklist.pairs.count <= ICEConfiguration().maximumRemoteCandidates * 2)
        #expect(agent.transactions.count <= 512)
    }
}

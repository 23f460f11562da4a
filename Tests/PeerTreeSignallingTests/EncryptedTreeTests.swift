import JSON
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("Trees whose source encrypts", .timeLimit(.minutes(5)))
struct EncryptedTreeTests {
    private func refusal(of id: String, _ tree: String, _ harness: inout SignallingHarness) -> String? {
        harness.connect(id)
        let reply = harness.emit(id, "simple-signal[discover]", ["treeID": .string(tree)])
        return reply.last?.payload["discoveryData"]?["err"]?.stringValue
    }

    @Test("An original client is refused with a sentence, before and after the server was started again")
    func originals() throws {
        var harness = SignallingHarness(seed: 1)
        let tree = try harness.createTree("S", ["encrypted": true])
        try harness.join("V", tree)
        #expect(refusal(of: "original", tree, &harness)?.contains("is encrypted") == true)
        let token = try #require(harness.resumeToken("V"))
        var restarted = SignallingHarness(seed: 2)
        restarted.connect("V again")
        restarted.emit("V again", "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
        #expect(refusal(of: "original", tree, &restarted)?.contains("is encrypted") == true)
    }

    @Test("Only true and false say whether a tree is encrypted, and other trees take original clients")
    func field() throws {
        var harness = SignallingHarness(seed: 3)
        harness.connect("S")
        let create: JSONValue = ["createNew": true, "peerTree": ["v": 2, "encrypted": "yes"]]
        let reply = harness.emit("S", "simple-signal[discover]", create)
        let error = reply.last?.payload["discoveryData"]?["err"]?.stringValue
        #expect(error?.contains("encrypted must be true or false") == true)
        let tree = try harness.createTree("T", ["encrypted": false])
        try harness.joinLegacy("original", tree)
    }
}

import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("Trees of a source's key", .timeLimit(.minutes(5)))
struct SignedTreeTests {
    private func refusal(_ socket: String, _ claim: JSONObject, _ harness: inout SignallingHarness) -> String? {
        harness.connect(socket)
        var native = claim
        native["v"] = 2
        let reply = harness.emit(socket, "simple-signal[discover]", ["createNew": true, "peerTree": .object(native)])
        return reply.last?.payload["discoveryData"]?["code"]?.stringValue
    }

    @Test("The owner of a key has its tree, and viewers are given the key")
    func creates() throws {
        let owner = TreeOwner()
        var harness = SignallingHarness()
        let tree = try harness.createTree("S", owner.proof("S"))
        #expect(tree == owner.tree)
        #expect(try harness.join("V", tree) == "S")
        let told = harness.payloads("V", "simple-signal[discover]").last?["discoveryData"]?["peerTree"]?["key"]
        #expect(told == owner.hexadecimal)
    }

    @Test("Nobody has it without a proof, by that of another socket, of another key, or for another host")
    func refused() throws {
        let (owner, other) = (TreeOwner(), TreeOwner())
        var harness = SignallingHarness { $0.hosts = ["Tree.example"] }
        #expect(refusal("a", ["key": owner.hexadecimal], &harness) == "unproven")
        #expect(refusal("b", try owner.proof("S"), &harness) == "unproven")
        #expect(refusal("c", try owner.proof("c", host: "elsewhere"), &harness) == "unproven")
        var mixed = try other.proof("d")
        mixed["key"] = owner.hexadecimal
        #expect(refusal("d", mixed, &harness) == "unproven")
        var changed = try owner.proof("e")
        changed["host"] = "TREE.example"
        #expect(refusal("e", changed, &harness) == "unproven")
        #expect(harness.service.trees.isEmpty)
        #expect(refusal("f", try owner.proof("f"), &harness) == nil)
    }

    @Test("A proof takes a tree that is there over, from the socket that had it")
    func takesOver() throws {
        let owner = TreeOwner()
        var harness = SignallingHarness()
        let tree = try harness.createTree("S", owner.proof("S"))
        try harness.join("V", tree)
        #expect(try harness.createTree("S2", owner.proof("S2")) == tree)
        #expect(harness.service.trees.count == 1)
        #expect(harness.payloads("S", "peer-tree[error]").last?["code"] == "resumed-elsewhere")
        #expect(try harness.join("W", tree) == "S2")
        // With another count of stripes it would be another tree.
        var claim = try owner.proof("S3")
        claim["stripes"] = 2
        #expect(refusal("S3", claim, &harness) == "other-stripes")
        var impossible = try owner.proof("S4")
        impossible["parity"] = 1
        #expect(refusal("S4", impossible, &harness) == "bad-field")
        // Asked again by the same socket it stays what it is.
        harness.emit("S2", "simple-signal[discover]", ["createNew": true, "peerTree": .object(try owner.proof("S2"))])
        #expect(harness.service.trees.count == 1)
    }

    @Test("After a restart a viewer that comes back brings the key; a new run of the source takes its place")
    func restart() throws {
        let owner = TreeOwner()
        var harness = SignallingHarness(seed: 1)
        let tree = try harness.createTree("S", owner.proof("S"))
        try harness.join("V", tree)
        let token = try #require(harness.resumeToken("V"))
        var restarted = SignallingHarness(seed: 2)
        restarted.connect("V2")
        let back: JSONValue = ["peerTree": ["v": 2, "resume": .string(token), "key": owner.hexadecimal]]
        restarted.emit("V2", "simple-signal[discover]", back)
        let entry = try #require(restarted.service.trees.values.first)
        #expect(entry.key == owner.source)
        // Another's key for it is passed over.
        var deceived = SignallingHarness(seed: 3)
        deceived.connect("V3")
        let lie: JSONValue = ["peerTree": ["v": 2, "resume": .string(token), "key": TreeOwner().hexadecimal]]
        deceived.emit("V3", "simple-signal[discover]", lie)
        #expect(deceived.service.trees.values.first?.key == nil)
        #expect(try restarted.createTree("S2", owner.proof("S2")) == tree)
        #expect(restarted.service.trees.count == 1)
    }

    @Test("Original clients are leaves there, as nobody could believe what they pass on")
    func originals() throws {
        let owner = TreeOwner()
        var harness = SignallingHarness { options in
            options.tracker.childrenOfSource = 2
            options.tracker.childrenPerPeer = 2
        }
        let tree = try harness.createTree("S", owner.proof("S"))
        #expect(try harness.joinLegacy("original", tree) == "S")
        #expect(try harness.join("V", tree) == "S")
        for viewer in ["W", "X"] { #expect(try harness.join(viewer, tree) == "V") }
    }
}

import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("What clients say, on its way to another node", .timeLimit(.minutes(5)))
struct WrittenFormTests {
    /// A tree of S with A in it, another one of T, and X in none.
    private func makeHarness() throws -> (ChannelHarness, tree: String, other: String) {
        var harness = ChannelHarness(seed: 1)
        var trees: [String] = []
        for id in ["S", "T"] {
            harness.connect(id)
            harness.emit(id, HostileInput.discover, ["createNew": true, "peerTree": ["v": 2]])
            harness.settle()
            trees.append(try #require(harness.discoveries(id).last?["treeID"]?.stringValue))
        }
        for id in ["A", "B", "L"] {
            harness.connect(id)
            var request: JSONObject = ["treeID": .string(trees[0])]
            if id != "L" { request["peerTree"] = ["v": 2] }
            harness.emit(id, HostileInput.discover, .object(request))
        }
        harness.connect("X")
        harness.settle()
        return (harness, trees[0], trees[1])
    }

    /// What no client can say in JSON is left out: a number that is none.
    private static let inputs = HostileInput.all.filter { $0.name != "status, lag NaN" }

    @Test(
        "No client makes its gateway write what a tree service refuses, whatever it says",
        arguments: inputs
    )
    func hostile(input: HostileInput) throws {
        var (harness, tree, other) = try makeHarness()
        let arguments = input.arguments.map { $0.replacing(tree: tree, other: other) }
        harness.handle(.event(id: input.sender.rawValue, name: input.event, arguments: arguments))
        harness.settle()
        #expect(!harness.take(input.sender.rawValue).isEmpty)
    }

    @Test("An event beyond what a message may hold is refused where it came in")
    func large() throws {
        var (harness, _, _) = try makeHarness()
        let most = SignallingOptions().maximumPayloadBytes
        let member: JSONObject = ["rate": 1, "unknown": ""]
        let counted = 2 + (4 + 4 + 8) + (7 + 4 + 2)
        for (excess, isTaken) in [(0, true), (1, false)] {
            var payload = member
            payload["unknown"] = .string(String(repeating: "\u{1}", count: most - counted + excess))
            _ = harness.take("A")
            harness.emit("A", "peer-tree[status]", .object(payload))
            harness.settle()
            let errors = harness.take("A").filter { $0.event == "peer-tree[error]" }
            #expect(errors.isEmpty == isTaken)
            #expect(errors.allSatisfy { $0.payload["code"] == "bad-field" })
        }
    }
}

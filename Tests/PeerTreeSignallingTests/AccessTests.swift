import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

@Suite("Who may create and who may join", .timeLimit(.minutes(5)))
struct AccessTests {
    private let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]

    /// Tokens are words, and what is not among them allows what no token does.
    private static func harness(
        _ tokens: [String: Access],
        withoutToken: Access = Access(mayCreate: false, mayJoin: false)
    ) -> SignallingHarness {
        SignallingHarness(security: .test(access: { $0.flatMap { tokens[$0] } ?? withoutToken }))
    }

    private func discover(
        _ request: JSONValue,
        token: String?,
        _ harness: inout SignallingHarness
    ) -> JSONValue? {
        let id = "client \(harness.service.clientCount)"
        harness.handle(.connected(id: id, token: token))
        return harness.emit(id, "simple-signal[discover]", request).last?.payload["discoveryData"]
    }

    @Test("A token says who may create, who may join which tree, and how long")
    func tokens() throws {
        var creator = Access(mayCreate: true, mayJoin: false)
        creator.expiry = 100
        var early = Access()
        early.beginning = 200
        var other = Access(mayCreate: false)
        other.tree = "another"
        var harness = Self.harness([
            "creator": creator, "early": early, "joiner": Access(mayCreate: false), "other": other,
        ])
        #expect(discover(create, token: nil, &harness)?["code"] == "forbidden")
        #expect(discover(create, token: "nonsense", &harness)?["code"] == "forbidden")
        #expect(discover(create, token: "joiner", &harness)?["code"] == "forbidden")
        let tree = try #require(discover(create, token: "creator", &harness)?["treeID"]?.stringValue)
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        #expect(discover(join, token: nil, &harness)?["code"] == "forbidden")
        #expect(discover(join, token: "creator", &harness)?["code"] == "forbidden")
        #expect(discover(join, token: "joiner", &harness)?["treeID"] != nil)
        #expect(discover(join, token: "other", &harness)?["code"] == "forbidden")
        harness.now = harness.now + .seconds(100)
        #expect(discover(create, token: "creator", &harness)?["code"] == "forbidden")
        #expect(discover(create, token: "early", &harness)?["code"] == "forbidden")
        #expect(harness.service.refusals["forbidden"] == 8)
    }

    @Test("A token for one tree is good for that")
    func boundToken() throws {
        let tree = try Self.harness([:], withoutToken: Access()).firstTree()
        var bound = Access(mayCreate: false)
        bound.tree = tree
        var harness = Self.harness(["bound": bound], withoutToken: Access())
        #expect(try harness.createTree("S") == tree, "the same seed makes the same id")
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        #expect(discover(join, token: "bound", &harness)?["treeID"] != nil)
    }

    @Test("A legacy client is refused in the original's words")
    func legacy() throws {
        var harness = Self.harness([:])
        let refusal = try #require(discover(["createNew": true], token: nil, &harness))
        #expect(refusal["code"] == nil)
        #expect(refusal["err"]?.stringValue?.contains("token") == true)
    }
}

extension SignallingHarness {
    /// The id of the first tree that is made.
    fileprivate func firstTree() throws -> String {
        var copy = self
        return try copy.createTree("S")
    }
}

import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

@Suite("Limits: each is told to the client, counted, and hurts nobody else", .timeLimit(.minutes(5)))
struct LimitTests {
    private let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]

    private func code(_ reply: [SignallingHarness.Message]) -> JSONValue? {
        reply.last?.payload["discoveryData"]?["code"]
    }

    private func connect(_ id: String, from address: UInt64, _ harness: inout SignallingHarness) {
        harness.handle(.connected(id: id, address: address))
    }

    @Test("A socket creates no more trees than it may")
    func treesPerSocket() {
        var harness = SignallingHarness { $0.maximumTreesPerSocket = 3 }
        harness.connect("S")
        for _ in 0..<3 {
            #expect(code(harness.emit("S", "simple-signal[discover]", create)) == nil)
            harness.emit("S", "peer-tree[leave]", [:])
        }
        #expect(code(harness.emit("S", "simple-signal[discover]", create)) == "too-many-trees")
        #expect(harness.service.refusals["too-many-trees"] == 1)
        harness.connect("T")
        #expect(code(harness.emit("T", "simple-signal[discover]", create)) == nil)
    }

    @Test("An address has no more trees than it may, and gets room when one is over")
    func treesPerAddress() {
        var harness = SignallingHarness { $0.maximumTreesPerAddress = 2 }
        for id in ["A", "B", "C"] { connect(id, from: 1, &harness) }
        connect("D", from: 2, &harness)
        #expect(code(harness.emit("A", "simple-signal[discover]", create)) == nil)
        #expect(code(harness.emit("B", "simple-signal[discover]", create)) == nil)
        #expect(code(harness.emit("C", "simple-signal[discover]", create)) == "too-many-trees")
        #expect(code(harness.emit("D", "simple-signal[discover]", create)) == nil)
        harness.emit("A", "peer-tree[leave]", [:])
        #expect(code(harness.emit("C", "simple-signal[discover]", create)) == nil)
    }

    @Test("An address has no more sockets than it may; the one too many is told and cut off")
    func socketsPerAddress() {
        var harness = SignallingHarness { $0.maximumSocketsPerAddress = 2 }
        for id in ["A", "B", "C"] { connect(id, from: 1, &harness) }
        #expect(harness.disconnected == ["C"])
        #expect(harness.payloads("C", "peer-tree[error]").map { $0["code"] } == ["too-many-sockets"])
        #expect(harness.service.clientCount == 2)
        connect("D", from: 2, &harness)
        #expect(harness.disconnected == ["C"])
        // The socket that was never let in takes nothing with it when it goes.
        harness.handle(.disconnected(id: "C"))
        connect("E", from: 1, &harness)
        #expect(harness.disconnected == ["C", "E"])
        harness.handle(.disconnected(id: "A"))
        connect("F", from: 1, &harness)
        #expect(harness.disconnected == ["C", "E"])
    }

    @Test("An address joins no faster than it may, however often it connects; another one is not held up")
    func joinsPerAddress() throws {
        var harness = SignallingHarness {
            $0.joinsPerSecondPerAddress = 1
            $0.joinBurstPerAddress = 2
        }
        let tree = try harness.createTree("S")
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        for number in 0..<2 {
            connect("A\(number)", from: 1, &harness)
            #expect(code(harness.emit("A\(number)", "simple-signal[discover]", join)) == nil)
            harness.handle(.disconnected(id: "A\(number)"))
        }
        connect("A2", from: 1, &harness)
        #expect(code(harness.emit("A2", "simple-signal[discover]", join)) == "too-many-joins")
        connect("B", from: 2, &harness)
        #expect(code(harness.emit("B", "simple-signal[discover]", join)) == nil)
        harness.wait(.seconds(1))
        #expect(code(harness.emit("A2", "simple-signal[discover]", join)) == nil)
    }

    @Test("The table of addresses does not grow with addresses that came and went")
    func addressesAreForgotten() {
        var harness = SignallingHarness()
        for number in 0..<20_000 {
            let id = "A\(number)"
            connect(id, from: UInt64(number), &harness)
            harness.handle(.disconnected(id: id))
        }
        #expect((1...2_048).contains(harness.service.addresses.count))
    }

    @Test("All trees together have no more peers than they may")
    func peers() throws {
        var harness = SignallingHarness { $0.maximumPeers = 2 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        harness.connect("B")
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        #expect(code(harness.emit("B", "simple-signal[discover]", join)) == "server-full")
        #expect(code(harness.emit("B", "simple-signal[discover]", create)) == "server-full")
    }

    @Test("What other nodes have counts, too; whoever comes back is let in all the same")
    func elsewhere() throws {
        var harness = SignallingHarness {
            $0.maximumPeers = 5
            $0.tracker.maximumTrees = 3
        }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        let entry = "simple-signal[discover]"
        harness.handle(.elsewhere(LoadElsewhere(trees: 1, peers: 3)))
        harness.connect("B", "T")
        #expect(code(harness.emit("B", entry, join)) == "server-full")
        #expect(code(harness.emit("T", entry, create)) == "server-full")
        let token = try #require(harness.resumeToken("A"))
        harness.handle(.disconnected(id: "A"))
        harness.connect("A2")
        let back: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2, "resume": .string(token)]]
        #expect(code(harness.emit("A2", entry, back)) == nil)
        // Room for a peer, and none for a tree.
        harness.handle(.elsewhere(LoadElsewhere(trees: 2, peers: 2)))
        #expect(code(harness.emit("T", entry, create)) == "server-full")
        #expect(code(harness.emit("B", entry, join)) == nil)
        // As much as other nodes can say.
        harness.handle(.elsewhere(LoadElsewhere(trees: .max, peers: .max)))
        harness.connect("C")
        #expect(code(harness.emit("C", entry, join)) == "server-full")
        harness.handle(.elsewhere(.none))
        #expect(code(harness.emit("C", entry, join)) == nil)
        #expect(code(harness.emit("T", entry, create)) == nil)
    }

    @Test("Events are counted by their names, and made-up names do not make the table grow")
    func eventNames() {
        var harness = SignallingHarness()
        harness.connect("A")
        for number in 0..<100 { harness.emit("A", "made-up \(number)", [:]) }
        #expect(harness.service.events == ["other": 100])
        #expect(harness.service.refusals == ["unknown-event": 100])
    }

    @Test("Before the server stops, native peers are told, and legacy ones are not")
    func goingAway() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        try harness.joinLegacy("L", tree)
        harness.clearInboxes()
        harness.handle(.goingAway)
        #expect(harness.take("S").map(\.event) == ["peer-tree[going-away]"])
        #expect(harness.take("A").map(\.event) == ["peer-tree[going-away]"])
        #expect(harness.take("L").isEmpty)
    }
}

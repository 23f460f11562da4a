import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("Hostile input", .timeLimit(.minutes(5)))
struct HostileInputTests {
    /// A tree S -> (A, L), A -> B with a session "open" between A and S; another tree of T; X is in no tree.
    private func makeHarness() throws -> (SignallingHarness, tree: String, other: String) {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 2 }
        let tree = try harness.createTree("S")
        let other = try harness.createTree("T")
        try harness.join("A", tree)
        harness.offer("A", to: "S", session: "open")
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        try harness.joinLegacy("L", tree)
        #expect(try harness.join("B", tree) == "A")
        harness.emit("B", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        harness.connect("X")
        harness.wait(.seconds(5))
        harness.clearInboxes()
        return (harness, tree, other)
    }

    @Test("is answered to the sender alone and changes nothing", arguments: HostileInput.all)
    func refused(input: HostileInput) throws {
        var (harness, tree, other) = try makeHarness()
        let before = harness.fingerprint
        let arguments = input.arguments.map { $0.replacing(tree: tree, other: other) }
        let answers = harness.emit(input.sender.rawValue, input.event, arguments: arguments)
        try #require(answers.count == 1)
        if answers[0].event == HostileInput.discover {
            let data = try #require(answers[0].payload["discoveryData"])
            #expect(data["code"] == .string(input.code) || data["err"] == .string(input.code))
            #expect(data["err"]?.stringValue?.isEmpty == false)
        } else {
            #expect(answers[0].event == "peer-tree[error]")
            #expect(answers[0].payload["code"] == .string(input.code))
            #expect(answers[0].payload["message"]?.stringValue?.isEmpty == false)
        }
        #expect(answers[0].frame.utf8.count < 1_000, "the answer echoes without bound")
        _ = harness.take(input.sender.rawValue)
        harness.wait(.milliseconds(1))
        #expect(harness.inboxes.isEmpty, "somebody else noticed")
        #expect(harness.fingerprint == before)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("Everything refused at once, ten times over, leaves the server as it was")
    func allTogether() throws {
        var (harness, tree, other) = try makeHarness()
        let before = harness.fingerprint
        for _ in 0..<10 {
            for input in HostileInput.all {
                let arguments = input.arguments.map { $0.replacing(tree: tree, other: other) }
                harness.emit(input.sender.rawValue, input.event, arguments: arguments)
                harness.clearInboxes()
                harness.now = harness.now + .milliseconds(5)
            }
        }
        #expect(harness.fingerprint == before)
    }

    @Test("Discovering one's own tree a thousand times makes no duplicates, ghosts or cycles")
    func rediscovery() throws {
        var (harness, tree, _) = try makeHarness()
        for _ in 0..<1_000 {
            for (id, payload) in [
                ("A", ["treeID": .string(tree), "peerTree": ["v": 2]] as JSONValue), ("L", ["treeID": .string(tree)]),
            ] {
                let answers = harness.emit(id, HostileInput.discover, payload)
                #expect(answers.last?.payload["discoveryData"]?["peers"]?.arrayValue?.count == 1)
            }
            harness.clearInboxes()
            harness.now = harness.now + .milliseconds(9)
            harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        #expect(harness.service.peerCount == 5)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A client that sends too much is told so once, and only it is held back")
    func flood() throws {
        var (harness, _, _) = try makeHarness()
        for _ in 0..<5_000 { harness.emit("A", "peer-tree[status]", ["lag": 1]) }
        #expect(harness.payloads("A", "peer-tree[error]").map { $0["code"] } == ["too-fast"])
        #expect(harness.emit("B", "peer-tree[status]", ["rate": -1]).count == 1)
        harness.wait(.seconds(2))
        _ = harness.take("A")
        #expect(harness.emit("A", "peer-tree[status]", ["rate": -1]).first?.payload["code"] == "bad-field")
    }

    @Test("Random events of random clients keep the tables consistent", arguments: [1, 2, 3] as [UInt64])
    func randomEvents(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var harness = SignallingHarness(seed: seed) {
            $0.tracker.childrenOfSource = 2
            $0.tracker.childrenPerPeer = 2
            $0.maximumSessionsBegun = 3
        }
        var run = RandomClients(seed: seed)
        for step in 0..<6_000 {
            harness.now = harness.now + .milliseconds(UInt64.random(in: 0..<300, using: &random))
            run.act(on: &harness)
            if step % 20 == 0 {
                let found = harness.inconsistencies
                try #require(found.isEmpty, "seed \(seed), step \(step): \(found)")
            }
            harness.clearInboxes()
        }
        for id in harness.service.clients.keys { harness.handle(.disconnected(id: id)) }
        harness.wait(.seconds(60))
        #expect(harness.fingerprint == ["0 0 0"], "seed \(seed): something is left")
        #expect(harness.service.deadline == nil, "seed \(seed): a timer is left")
    }
}

import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

/// The exchange of original clients with an original server, replayed frame by frame.
@Suite("Legacy signalling", .timeLimit(.minutes(5)))
struct LegacyExchangeTests {
    @Test("The recorded exchange comes out byte for byte")
    func recordedExchange() throws {
        var harness = SignallingHarness()
        harness.connect("SRC", "AAA", "BBB")
        try expect(
            &harness,
            from: "SRC",
            #"42["simple-signal[discover]",{"createNew":true}]"#,
            reaches: "SRC",
            #"42["simple-signal[discover]",{"id":"SRC","discoveryData":{"peers":[],"treeID":"TREE"}}]"#
        )
        try expect(
            &harness,
            from: "AAA",
            #"42["simple-signal[discover]",{"treeID":"TREE"}]"#,
            reaches: "AAA",
            #"42["simple-signal[discover]",{"id":"AAA","discoveryData":{"peers":["SRC"],"treeID":"TREE"}}]"#
        )
        try expect(
            &harness,
            from: "AAA",
            #"42["simple-signal[offer]",{"signal":{"type":"offer","sdp":"v=0\r\n"},"metadata":null,"sessionId":"X","target":"SRC"}]"#,
            reaches: "SRC",
            #"42["simple-signal[offer]",{"initiator":"AAA","sessionId":"X","signal":{"type":"offer","sdp":"v=0\r\n"},"metadata":null}]"#
        )
        try expect(
            &harness,
            from: "SRC",
            #"42["simple-signal[signal]",{"signal":{"type":"answer","sdp":"v=0"},"metadata":null,"sessionId":"X","target":"AAA"}]"#,
            reaches: "AAA",
            #"42["simple-signal[signal]",{"sessionId":"X","signal":{"type":"answer","sdp":"v=0"},"metadata":null}]"#
        )
        try expect(
            &harness,
            from: "AAA",
            #"42["simple-signal[signal]",{"signal":{"candidate":{"candidate":"candidate:1 1 udp 2113937151 10.0.0.1 5000 typ host","sdpMLineIndex":0,"sdpMid":"0"}},"sessionId":"X","target":"SRC"}]"#,
            reaches: "SRC",
            #"42["simple-signal[signal]",{"sessionId":"X","signal":{"candidate":{"candidate":"candidate:1 1 udp 2113937151 10.0.0.1 5000 typ host","sdpMLineIndex":0,"sdpMid":"0"}}}]"#
        )
        try expect(
            &harness,
            from: "SRC",
            #"42["simple-signal[reject]",{"metadata":{"why":"full"},"sessionId":"X","target":"AAA","extra":1}]"#,
            reaches: "AAA",
            #"42["simple-signal[reject]",{"sessionId":"X","metadata":{"why":"full"}}]"#
        )
        try expect(
            &harness,
            from: "BBB",
            #"42["simple-signal[discover]",{"treeID":"nope"}]"#,
            reaches: "BBB",
            #"42["simple-signal[discover]",{"id":"BBB","discoveryData":{"err":"Tree does not exist."}}]"#
        )
        for data in [#"42["simple-signal[discover]",null]"#, #"42["simple-signal[discover]"]"#] {
            try expect(
                &harness,
                from: "BBB",
                data,
                reaches: "BBB",
                #"42["simple-signal[discover]",{"id":null,"discoveryData":{"err":"no discoveryData"}}]"#
            )
        }
    }

    @Test("Extra keys of an offer are dropped and absent metadata stays absent")
    func dropsExtraKeys() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.joinLegacy("A", tree)
        _ = harness.take("S")
        harness.emit(
            "A",
            "simple-signal[offer]",
            ["zzz": 1, "signal": ["type": "offer"], "sessionId": "X", "target": "S", "initiator": "forged"]
        )
        #expect(
            harness.take("S").map(\.frame) == [
                #"42["simple-signal[offer]",{"initiator":"A","sessionId":"X","signal":{"type":"offer"}}]"#
            ]
        )
    }

    @Test("A legacy peer is sent nothing of ours, whatever happens around it")
    func nothingOfOurs() throws {
        var harness = SignallingHarness {
            $0.tracker.childrenOfSource = 1
            $0.tracker.childrenPerPeer = 2
        }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        try harness.joinLegacy("L", tree)
        try harness.join("B", tree)
        _ = harness.take("L")
        harness.handle(.disconnected(id: "B"))
        harness.emit("A", "peer-tree[leave]", [:])
        harness.wait(.seconds(20))
        #expect(harness.take("L").isEmpty)
        let reply = harness.emit("L", "simple-signal[discover]", ["treeID": .string(tree)])
        #expect(
            reply.map(\.frame) == [
                #"42["simple-signal[discover]",{"id":"L","discoveryData":{"peers":["S"],"treeID":"\#(tree)"}}]"#
            ]
        )
    }

    @Test("A legacy joiner counts as attached once its parent has answered")
    func attachedByAnswer() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.joinLegacy("L", tree)
        let peer = try #require(harness.service.memberIDs["L"])
        harness.offer("L", to: "S", session: "X")
        #expect(try !harness.service.tracker.assignment(of: peer).isAttached)
        harness.emit(
            "S",
            "simple-signal[signal]",
            ["signal": ["type": "answer", "sdp": ""], "sessionId": "X", "target": "L"]
        )
        #expect(try harness.service.tracker.assignment(of: peer).isAttached)
    }

    @Test("A legacy peer whose socket goes is gone at once, and its children are told")
    func vanishes() throws {
        var harness = SignallingHarness {
            $0.tracker.childrenOfSource = 1
        }
        let tree = try harness.createTree("S")
        try harness.joinLegacy("L", tree)
        #expect(try harness.join("A", tree) == "L")
        harness.handle(.disconnected(id: "L"))
        let assign = try #require(harness.payloads("A", "peer-tree[assign]").first)
        #expect(assign["parent"] == "S")
        #expect(assign["reason"] == "parent-lost")
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("In a tree of several stripes a legacy viewer has one parent for all, which is told once", arguments: [0, 1])
    func stripes(parity: Int) throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 5 }
        let tree = try harness.createTree("S", ["stripes": 5, "parity": JSONValue(parity)])
        for viewer in ["A", "B", "C", "D"] { try harness.join(viewer, tree) }
        harness.clearInboxes()
        let parent = try harness.joinLegacy("L", tree)
        #expect(parent != "S")
        let reply =
            #"42["simple-signal[discover]",{"id":"L","discoveryData":{"peers":["\#(parent)"],"treeID":"\#(tree)"}}]"#
        #expect(harness.take("L").map(\.frame) == [reply])
        #expect(harness.payloads(parent, "peer-tree[admit]").map { $0["id"] } == ["L"])
        let peer = try #require(harness.service.memberIDs["L"])
        // It offers to that one alone, and counts as attached once it has the answer.
        #expect(harness.offer("L", to: "S", session: "Y").last?.payload["code"] == "not-your-parent")
        harness.offer("L", to: parent, session: "X")
        #expect(try !harness.service.tracker.isAttached(peer))
        let answer: JSONValue = ["signal": ["type": "answer", "sdp": ""], "sessionId": "X", "target": "L"]
        harness.emit(parent, "simple-signal[signal]", answer)
        #expect(try harness.service.tracker.isAttached(peer))
        let shape = try #require(harness.shape(of: tree)?.peers.first { !$0.isNative })
        #expect(Set(shape.parents).count == 1 && shape.parents.count == 5 && shape.parents[0] != nil)
        _ = harness.take("L")
        // Its parent lost it, or is gone: it is told nothing, and named another one when it asks.
        harness.emit(parent, "peer-tree[child-lost]", ["id": "L"])
        let second = harness.emit("L", "simple-signal[discover]", ["treeID": .string(tree)])
        let next = try #require(second.last?.payload["discoveryData"]?["peers"]?[0]?.stringValue)
        #expect(next != parent)
        harness.clearInboxes()
        harness.emit(next, "peer-tree[leave]", [:])
        #expect(harness.take("L").isEmpty)
        let third = harness.emit("L", "simple-signal[discover]", ["treeID": .string(tree)])
        let last = try #require(third.last?.payload["discoveryData"]?["peers"]?[0]?.stringValue)
        #expect(last != next)
        #expect(third.last?.payload["discoveryData"]?["peers"]?.arrayValue?.count == 1)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("Tree ids look like the original's and do not repeat")
    func treeIDs() throws {
        var random = SystemRandomNumberGenerator()
        var seen: Set<String> = []
        for _ in 0..<1_000 {
            let id = Credentials.treeID(using: &random)
            #expect(id.count == 25 && id.first == "c")
            #expect(id.allSatisfy { $0.isASCII && ($0.isNumber || $0.isLowercase) })
            #expect(seen.insert(id).inserted)
        }
    }

    /// Sends a frame and expects exactly one to come out; the id of the only tree stands as TREE in both.
    private func expect(
        _ harness: inout SignallingHarness,
        from sender: String,
        _ sent: String,
        reaches receiver: String,
        _ expected: String
    ) throws {
        let known = harness.service.trees.values.first?.id
        let elements = try #require(
            try JSONValue(parsing: sent.dropFirst(2).replacing("TREE", with: known ?? "TREE")).arrayValue
        )
        harness.clearInboxes()
        harness.emit(sender, try #require(elements[0].stringValue), arguments: Array(elements.dropFirst()))
        let tree = harness.service.trees.values.first?.id ?? "TREE"
        #expect(harness.take(receiver).map(\.frame) == [expected.replacing("TREE", with: tree)])
        #expect(harness.inboxes.isEmpty, "somebody else was sent something")
    }
}

import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

@Suite("Native signalling", .timeLimit(.minutes(5)))
struct NativeSignallingTests {
    @Test("A native source and viewer are told capacity, parents and a resume token")
    func discovery() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 2 }
        let tree = try harness.createTree("S", ["stripes": 1, "capacity": 2])
        let token = try #require(harness.resumeToken("S"))
        #expect(
            harness.take("S").map(\.frame) == [
                #"42["simple-signal[discover]",{"id":"S","discoveryData":{"peers":[],"treeID":"\#(tree)","#
                    + #""peerTree":{"v":2,"resume":"\#(token)","stripes":1,"capacity":2,"parents":[]}}}]"#
            ]
        )
        try harness.join("A", tree)
        try harness.join("B", tree, ["capacity": 3])
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        harness.emit("B", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        try harness.join("C", tree, ["capacity": 3])
        let resume = try #require(harness.resumeToken("C"))
        #expect(resume.utf8.count > 100)
        #expect(
            harness.take("C").map(\.frame) == [
                #"42["simple-signal[discover]",{"id":"C","discoveryData":{"peers":["A"],"treeID":"\#(tree)","#
                    + #""peerTree":{"v":2,"resume":"\#(resume)","stripes":1,"capacity":3,"#
                    + #""parents":[{"stripe":0,"id":"A","epoch":1,"depth":2}]}}}]"#
            ]
        )
    }

    @Test("A leave reassigns the children, tells the parent, and keeps the socket usable")
    func leave() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        #expect(try harness.join("B", tree) == "A")
        harness.clearInboxes()
        #expect(harness.emit("A", "peer-tree[leave]", [:]).isEmpty)
        #expect(
            harness.take("S").map(\.frame) == [
                #"42["peer-tree[child-gone]",{"id":"A","stripe":0}]"#,
                #"42["peer-tree[admit]",{"id":"B","stripe":0}]"#,
            ]
        )
        #expect(
            harness.take("B").map(\.frame) == [
                #"42["peer-tree[assign]",{"treeID":"\#(tree)","stripe":0,"parent":"S","epoch":2,"depth":1,"#
                    + #""reason":"parent-left"}]"#
            ]
        )
        #expect(try harness.join("A", tree) == "B")
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("Discovering another tree leaves the first; a viewer may become a source")
    func otherTree() throws {
        var harness = SignallingHarness()
        let first = try harness.createTree("S")
        let second = try harness.createTree("T")
        try harness.join("A", first)
        #expect(try harness.join("A", second) == "T")
        #expect(harness.service.peerCount == 3)
        _ = try harness.createTree("A")
        #expect(harness.service.treeCount == 3)
        #expect(harness.service.peerCount == 3)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A viewer whose socket comes back under another id keeps its place and its children")
    func resume() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        harness.offer("A", to: "S", session: "a")
        let token = try #require(harness.resumeToken("A"))
        try harness.join("B", tree)
        harness.offer("B", to: "A", session: "b")
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        harness.emit("B", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        harness.clearInboxes()
        harness.handle(.disconnected(id: "A"))
        #expect(harness.payloads("S", "peer-tree[suspect]") == [["id": "A"]])
        #expect(harness.payloads("B", "peer-tree[suspect]") == [["id": "A"]])
        harness.now = harness.now + .seconds(5)
        harness.connect("A2")
        let request: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2, "resume": .string(token)]]
        let reply = try #require(harness.emit("A2", "simple-signal[discover]", request).last)
        let data = try #require(reply.payload["discoveryData"]?["peerTree"])
        #expect(reply.payload["id"] == "A2")
        #expect(data["resume"]?.stringValue?.isEmpty == false)
        #expect(data["parents"] == [["stripe": 0, "id": "S", "epoch": 1, "depth": 1]])
        harness.wait(.seconds(100))
        #expect(harness.service.peerCount == 3)
        // Neighbours that know it by its old id still reach it, and are told of it by that id.
        harness.clearInboxes()
        let candidate: JSONValue = ["signal": ["candidate": [:]], "sessionId": "b", "target": "A"]
        #expect(harness.emit("B", "simple-signal[signal]", candidate).isEmpty)
        #expect(harness.take("A2").count == 1)
        harness.emit("A2", "peer-tree[leave]", [:])
        #expect(harness.payloads("S", "peer-tree[child-gone]") == [["id": "A", "stripe": 0]])
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A source that comes back in time keeps its tree; else its viewers are told that it is over")
    func sourceResume() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        let token = try #require(harness.resumeToken("S"))
        try harness.join("A", tree)
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        harness.handle(.disconnected(id: "S"))
        harness.wait(.seconds(10))
        harness.connect("S2")
        harness.emit("S2", "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
        harness.wait(.seconds(10))
        #expect(harness.service.treeCount == 1)
        harness.handle(.disconnected(id: "S2"))
        harness.clearInboxes()
        harness.wait(.seconds(15))
        #expect(
            harness.take("A").map(\.frame) == [#"42["peer-tree[end]",{"treeID":"\#(tree)","reason":"source-lost"}]"#]
        )
        #expect(harness.service.treeCount == 0)
        #expect(harness.service.peerCount == 0)
    }

    @Test("A token is good while the old socket still seems to live, which then loses the place")
    func takeover() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        let token = try #require(harness.resumeToken("A"))
        harness.connect("A2")
        harness.clearInboxes()
        harness.emit("A2", "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
        #expect(harness.payloads("A", "peer-tree[error]").map { $0["code"] } == ["resumed-elsewhere"])
        #expect(harness.emit("A", "peer-tree[leave]", [:]).first?.payload["code"] == "not-a-member")
        harness.handle(.disconnected(id: "A"))
        harness.wait(.seconds(5))
        #expect(harness.service.memberIDs["A2"] != nil)
        #expect(harness.service.peerCount == 2)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A token with any character changed is refused")
    func tokenGuesses() throws {
        var harness = SignallingHarness()
        _ = try harness.createTree("S")
        let token = Array(try #require(harness.resumeToken("S")))
        harness.connect("X")
        for position in token.indices {
            var guess = token
            guess[position] = guess[position] == "A" ? "B" : "A"
            let request: JSONValue = ["peerTree": ["v": 2, "resume": .string(String(guess))]]
            let reply = harness.emit("X", "simple-signal[discover]", request)
            #expect(reply.first?.payload["discoveryData"]?["code"] == "unknown-resume")
        }
    }

    /// S feeds A, B and C; D hangs below A, and is not attached yet.
    private func wideTree() throws -> SignallingHarness {
        var harness = SignallingHarness {
            $0.tracker.childrenOfSource = 3
        }
        let tree = try harness.createTree("S")
        for id in ["A", "B", "C"] {
            try harness.join(id, tree)
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        #expect(try harness.join("D", tree) == "A")
        return harness
    }

    @Test("An orphan is given another parent and may offer to it and to its standby, and to no one else")
    func orphaned() throws {
        var harness = try wideTree()
        #expect(harness.offer("D", to: "A", session: "1").isEmpty)
        harness.emit("D", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        let standby = try #require(harness.payloads("D", "peer-tree[standby]").last?["id"]?.stringValue)
        #expect(harness.payloads(standby, "peer-tree[admit]").last == ["id": "D", "kind": "standby"])
        harness.clearInboxes()
        let orphan: JSONValue = ["stripe": 0, "epoch": 1, "reason": "silent"]
        let assign = try #require(harness.emit("D", "peer-tree[orphaned]", orphan).first?.payload)
        let parent = try #require(assign["parent"]?.stringValue)
        #expect(assign["epoch"] == 2)
        #expect(parent != "A")
        #expect(harness.payloads("A", "peer-tree[child-gone]") == [["id": "D", "stripe": 0]])
        #expect(harness.offer("D", to: parent, session: "2").isEmpty)
        #expect(harness.offer("D", to: standby, session: "3").isEmpty)
        for (number, id) in ["S", "A", "B", "C"].enumerated() where id != parent && id != standby {
            let answer = harness.offer("D", to: id, session: "x\(number)")
            #expect(answer.first?.payload["code"] == "not-your-parent")
        }
    }

    @Test("Who turned to its standby is confirmed there; the standby lets it in as a child, and stays connected to it")
    func promoted() throws {
        var harness = try wideTree()
        harness.emit("D", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        let standby = try #require(harness.payloads("D", "peer-tree[standby]").last?["id"]?.stringValue)
        harness.offer("D", to: standby, session: "1")
        harness.clearInboxes()
        let promoted: JSONValue = ["stripe": 0, "epoch": 1, "reason": "silent", "standby": .string(standby)]
        let assign = try #require(harness.emit("D", "peer-tree[promoted]", promoted).first?.payload)
        #expect(assign["parent"]?.stringValue == standby)
        #expect(assign["epoch"] == 2)
        #expect(harness.payloads(standby, "peer-tree[admit]") == [["id": "D", "stripe": 0]])
        #expect(harness.payloads(standby, "peer-tree[child-gone]").isEmpty)
        let bad: JSONValue = ["stripe": 0, "epoch": 2, "reason": "silent"]
        #expect(harness.emit("D", "peer-tree[promoted]", bad).first?.payload["code"] == "bad-field")
    }

    @Test("A neighbour's word that the link to a peer without a socket is dead removes it at once")
    func childLost() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        try harness.join("B", tree)
        harness.handle(.disconnected(id: "A"))
        harness.clearInboxes()
        harness.emit("S", "peer-tree[child-lost]", ["id": "A", "reason": "silence"])
        #expect(harness.payloads("B", "peer-tree[assign]").first?["parent"] == "S")
        #expect(harness.service.peerCount == 2)
    }

    @Test("A native viewer that never attaches is told that it lost its place")
    func attachTimeout() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        harness.wait(.seconds(10))
        #expect(harness.payloads("A", "peer-tree[error]").map { $0["code"] } == ["attach-timeout"])
        #expect(harness.service.peerCount == 1)
        #expect(try harness.join("A", tree) == "S")
    }

    @Test("The end of a tree is told to its native viewers, and their sockets may join another")
    func treeEnds() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        for id in ["A", "B"] { try harness.join(id, tree) }
        try harness.joinLegacy("L", tree)
        harness.clearInboxes()
        #expect(harness.emit("S", "peer-tree[leave]", [:]).isEmpty)
        for id in ["A", "B"] {
            #expect(
                harness.take(id).map(\.frame) == [#"42["peer-tree[end]",{"treeID":"\#(tree)","reason":"source-left"}]"#]
            )
        }
        #expect(harness.inboxes.isEmpty)
        #expect(harness.service.peerCount == 0)
        _ = try harness.createTree("A")
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("The source gets at most one summary a second, and none while nothing changes")
    func summaries() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        for step in 0..<50 {
            try harness.join("V\(step)", tree)
            harness.emit("V\(step)", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
            harness.wait(.milliseconds(100))
        }
        harness.emit("V0", "peer-tree[status]", ["lag": 12.5, "rate": 1000, "children": 2])
        #expect((4...5).contains(harness.payloads("S", "peer-tree[tree]").count))
        harness.wait(.seconds(2))
        let last = try #require(harness.payloads("S", "peer-tree[tree]").last)
        #expect(last["viewers"] == 50)
        #expect(last["depth"] == 2)
        let first = try #require(last["peers"]?[0])
        #expect(first == ["id": "V0", "parent": "S", "depth": 1, "native": true, "attached": true, "lag": 12.5])
        let count = harness.payloads("S", "peer-tree[tree]").count
        for _ in 0..<10 { harness.wait(.seconds(1)) }
        #expect(harness.payloads("S", "peer-tree[tree]").count == count)
        #expect(harness.service.deadline == nil)
    }

    @Test("A summary of many viewers gives only their number and depth")
    func largeSummary() throws {
        var harness = SignallingHarness { $0.maximumPeersInSummary = 3 }
        let tree = try harness.createTree("S")
        for step in 0..<4 { try harness.join("V\(step)", tree) }
        harness.wait(.seconds(1))
        let last = try #require(harness.payloads("S", "peer-tree[tree]").last)
        #expect(last == ["treeID": .string(tree), "viewers": 4, "depth": 1])
    }

    @Test(
        "In a large tree a peer that reports is told to report less often, once, and more often when it is small again"
    )
    func statusPace() throws {
        var harness = SignallingHarness { $0.statusReportsPerSecond = 10 }
        let tree = try harness.createTree("S")
        for step in 0..<60 { try harness.join("V\(step)", tree) }
        let report: JSONValue = ["lag": 1, "rate": 1, "children": 0]
        let reply = harness.emit("V0", "peer-tree[status]", report)
        #expect(reply == [.init(event: "peer-tree[status]", payload: ["interval": 6])])
        #expect(harness.emit("V0", "peer-tree[status]", report).isEmpty)
        for step in 1..<60 { harness.emit("V\(step)", "peer-tree[leave]", [:]) }
        #expect(harness.emit("V0", "peer-tree[status]", report).last?.payload == ["interval": 2])
        #expect(harness.emit("V0", "peer-tree[status]", report).filter { $0.event == "peer-tree[status]" }.isEmpty)
    }

    @Test("In a tree of several stripes a viewer has a parent in each")
    func stripes() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S", ["stripes": 3])
        try harness.join("A", tree)
        let data = harness.payloads("A", "simple-signal[discover]").last?["discoveryData"]
        #expect(data?["peers"] == ["S"])
        #expect(data?["peerTree"]?["parents"]?.arrayValue?.map { $0["stripe"] } == [0, 1, 2])
        #expect(data?["peerTree"]?["capacity"] == 4)
    }

    @Test("Who asks for stripes with parity is told what it gets, and so are viewers and whoever comes back")
    func parity() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S", ["stripes": 5, "parity": 1])
        try harness.join("A", tree)
        for (id, capacity) in [("S", 10), ("A", 4)] {
            let native = harness.payloads(id, "simple-signal[discover]").last?["discoveryData"]?["peerTree"]
            #expect(native?["stripes"] == 5)
            #expect(native?["parity"] == 1)
            #expect(native?["capacity"] == JSONValue(capacity))
            let text = try #require(harness.resumeToken(id))
            let token = try #require(ResumeToken(text, security: .test()))
            #expect(token.layout == StripeLayout(stripes: 5, parity: 1))
            #expect(token.capacity == (id == "S" ? 10 : 16))
            #expect(token.sourceCapacity == 10)
        }
        let shape = try #require(harness.shape(of: tree))
        #expect(shape.stripes == 5 && shape.parity == 1)
    }

    @Test("A source that serves fewer children than it wants stripes is granted fewer")
    func fewerStripes() throws {
        var harness = SignallingHarness()
        _ = try harness.createTree("S", ["stripes": 5, "parity": 1, "capacity": 3])
        let native = harness.payloads("S", "simple-signal[discover]").last?["discoveryData"]?["peerTree"]
        #expect(native?["stripes"] == 3)
        #expect(native?["parity"] == 1)
        #expect(native?["capacity"] == 3)
    }

    @Test("Endless coming and going leaves nothing behind")
    func churn() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        for step in 0..<3_000 {
            let id = "V\(step)"
            let parent = try step.isMultiple(of: 3) ? harness.joinLegacy(id, tree) : harness.join(id, tree)
            harness.offer(id, to: parent, session: "s")
            harness.offer(id, to: parent, session: "t\(step)")
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
            if step >= 30 { harness.handle(.disconnected(id: "V\(step - 30)")) }
            harness.now = harness.now + .milliseconds(100)
            harness.clearInboxes()
        }
        #expect(harness.service.clients.count == 31)
        #expect(harness.service.members.count < 31 + 160)
        #expect(harness.inconsistencies.isEmpty)
        let sessions = harness.service.members.values.reduce(0) { $0 + $1.sessions.count }
        #expect(sessions <= harness.service.members.count * 4)
    }
}

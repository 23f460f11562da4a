import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

@Suite("Admission: a parent is told who may come", .timeLimit(.minutes(5)))
struct AdmissionTests {
    /// Whom a peer was told to admit as children.
    private func admissions(_ id: String, _ harness: SignallingHarness) -> [JSONValue] {
        harness.payloads(id, "peer-tree[admit]").filter { $0["kind"] == nil }
    }

    @Test("A native parent hears of a child, native or not, before the child's offer; an original one hears nothing")
    func beforeTheOffer() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 2 }
        let tree = try harness.createTree("S")
        harness.clearInboxes()
        try harness.join("A", tree)
        harness.offer("A", to: "S", session: "a")
        try harness.joinLegacy("L", tree)
        #expect(harness.take("S").map(\.event) == ["peer-tree[admit]", "simple-signal[offer]", "peer-tree[admit]"])
        harness.emit("A", "peer-tree[leave]", [:])
        for id in ["B", "C", "D"] { try harness.join(id, tree) }
        #expect(!harness.payloads("L", "simple-signal[discover]").isEmpty)
        #expect(admissions("L", harness).isEmpty)
    }

    @Test("Who is called silent is asked over its socket, if it has one")
    func probe() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        for id in ["A", "B"] {
            try harness.join(id, tree)
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        harness.emit("B", "peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "silent"])
        #expect(harness.probed == ["A"])
    }

    @Test("Every stripe is named")
    func stripes() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S", ["stripes": 3])
        try harness.join("A", tree)
        #expect(
            admissions("S", harness) == [
                ["id": "A", "stripe": 0], ["id": "A", "stripe": 1], ["id": "A", "stripe": 2],
            ]
        )
    }

    @Test("Who was moved is admitted at its new parent and released by the old one")
    func moved() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 2 }
        let tree = try harness.createTree("S")
        for id in ["A", "B", "C"] {
            try harness.join(id, tree)
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        #expect(admissions("A", harness) == [["id": "C", "stripe": 0]])
        harness.clearInboxes()
        harness.emit("C", "peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "closed"])
        #expect(harness.payloads("A", "peer-tree[child-gone]") == [["id": "C", "stripe": 0]])
        #expect(admissions("B", harness) == [["id": "C", "stripe": 0]])
        #expect(harness.offer("C", to: "A", session: "c").first?.payload["code"] == "not-your-parent")
    }

    @Test("A parent that comes back is told once more whom to admit: it may have missed it")
    func parentResumes() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        let token = try #require(harness.resumeToken("S"))
        try harness.join("A", tree)
        harness.handle(.disconnected(id: "S"))
        harness.connect("S2")
        harness.emit("S2", "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
        #expect(admissions("S2", harness) == [["id": "A", "stripe": 0]])
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        try harness.join("B", tree)
        #expect(admissions("A", harness) == [["id": "B", "stripe": 0]])
    }

    @Test("A child that comes back under another id is admitted by that one, unless a link is known by the old one")
    func childResumes() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        for (id, hasLink) in [("A", true), ("B", false)] {
            try harness.join(id, tree)
            if hasLink { harness.offer(id, to: "S", session: id) }
            let token = try #require(harness.resumeToken(id))
            harness.handle(.disconnected(id: id))
            harness.clearInboxes()
            let new = id + "2"
            harness.connect(new)
            harness.emit(new, "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
            let gone: [JSONValue] = hasLink ? [] : [["id": .string(id), "stripe": 0]]
            #expect(harness.payloads("S", "peer-tree[child-gone]") == gone)
            #expect(admissions("S", harness) == [["id": .string(hasLink ? id : new), "stripe": 0]])
            harness.offer(new, to: "S", session: new)
            #expect(
                harness.payloads("S", "simple-signal[offer]").last?["initiator"]?.stringValue == (hasLink ? id : new)
            )
        }
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A child keeps two sessions with its parent, however often it offers, and fills no parent")
    func sessions() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        for number in 0..<500 { harness.offer("A", to: "S", session: "s\(number)") }
        let source = try #require(harness.service.memberIDs["S"])
        #expect(harness.service.members[source]?.sessions.keys.sorted() == ["s498", "s499"])
        try harness.join("B", tree)
        #expect(harness.offer("B", to: "S", session: "b").isEmpty)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A source may have any number of children")
    func manyChildren() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 600 }
        let tree = try harness.createTree("S")
        for number in 0..<600 {
            try harness.join("V\(number)", tree)
            #expect(harness.offer("V\(number)", to: "S", session: "s\(number)").isEmpty)
        }
    }

    @Test(
        "Another version is refused with a sentence that says what to do",
        arguments: [(1, "Update your client"), (3, "Update the server")]
    )
    func versions(version: Int, remedy: String) throws {
        var harness = SignallingHarness()
        harness.connect("A")
        let request: JSONValue = ["createNew": true, "peerTree": ["v": JSONValue(version)]]
        let data = try #require(harness.emit("A", "simple-signal[discover]", request).first?.payload["discoveryData"])
        #expect(data["code"] == "unknown-version")
        #expect(data["err"]?.stringValue?.contains(remedy) ?? false)
        #expect(harness.service.peerCount == 0)
    }

    @Test("A client whose discovery timed out may create: the tree that nobody came to makes way")
    func createAgain() throws {
        var harness = SignallingHarness()
        let first = try harness.createTree("S")
        let second = try harness.createTree("S")
        #expect(first != second)
        #expect(harness.service.treeCount == 1)
        try harness.join("A", second)
        let again = harness.emit("S", "simple-signal[discover]", ["createNew": true, "peerTree": ["v": 2]])
        #expect(again.first?.payload["discoveryData"]?["code"] == "already-source")
        #expect(harness.service.treeCount == 1)
        #expect(harness.inconsistencies.isEmpty)
    }

    @Test("A viewer whose clock is behind is heard, and one bad field does not silence the others")
    func clockBehind() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        #expect(harness.emit("A", "peer-tree[status]", ["lag": -250.5, "rate": 7, "depth": 1]).isEmpty)
        let member = try #require(harness.service.memberIDs["A"].flatMap { harness.service.members[$0] })
        #expect(member.report.lag == 0)
        #expect(member.report.rate == 7)
        let reply = harness.emit("A", "peer-tree[status]", ["lag": "x", "rate": 9, "depth": 5])
        #expect(reply.map(\.event) == ["peer-tree[place]", "peer-tree[error]"])
        #expect(reply.last?.payload["code"] == "bad-field")
        #expect(harness.service.memberIDs["A"].flatMap { harness.service.members[$0] }?.report.rate == 9)
    }

    @Test("Who is made a leaf is given tokens that say so, and others when it is over")
    func tokensOfLeaves() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("S")
        try harness.join("A", tree)
        for id in ["B", "C", "D"] { try harness.join(id, tree) }
        for id in ["A", "B", "C", "D"] { harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1]) }
        harness.wait(.seconds(10))
        harness.clearInboxes()
        for id in ["B", "C"] {
            harness.emit(id, "peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "not-forwarding"])
        }
        func capacity() throws -> UInt16? {
            let text = try #require(harness.payloads("A", "peer-tree[resume]").last?["resume"]?.stringValue)
            return ResumeToken(text, security: .test())?.capacity
        }
        #expect(try capacity() == 0)
        // It attaches to where it was told to go.
        let epoch = try #require(harness.payloads("A", "peer-tree[assign]").last?["epoch"])
        harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": epoch])
        for id in ["B", "C", "D"] {
            let epoch = try #require(harness.payloads(id, "peer-tree[assign]").last?["epoch"])
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": epoch])
        }
        harness.wait(.seconds(30))
        #expect(try capacity() == 4)
        #expect(harness.payloads("A", "peer-tree[resume]").count == 2)
    }

    @Test("A spent vote stays at the address that its voter came from")
    func votesOfAddresses() throws {
        for other in [1, 2] as [UInt64] {
            var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
            let tree = try harness.createTree("S")
            try harness.join("A", tree)
            harness.emit("A", "peer-tree[attached]", ["stripe": 0, "epoch": 1])
            harness.wait(.seconds(5))
            for (id, address) in [("B", 1), ("C", other)] {
                harness.handle(.connected(id: id, address: address))
                harness.emit(
                    id,
                    "simple-signal[discover]",
                    ["treeID": .string(tree), "peerTree": ["v": 2, "capacity": 0]]
                )
                harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
                harness.wait(.seconds(10))
                harness.emit(id, "peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "silent"])
                harness.emit(id, "peer-tree[leave]", [:])
            }
            #expect(harness.service.trackerStatistics.votes == (other == 1 ? 1 : 2))
            // A is the only one with slots, so it is not made a leaf, but the last choice.
            #expect(harness.service.trackerStatistics.shuns == (other == 1 ? 0 : 1))
        }
    }
}

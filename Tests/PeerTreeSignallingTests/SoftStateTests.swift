import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// A server that is started again with the key it had, and peers that tell it where they are.
@Suite("State is soft", .timeLimit(.minutes(5)))
struct SoftStateTests {
    /// What a peer remembers of itself while the server is away.
    struct Memory {
        var token: String
        var place: JSONValue
    }

    /// A tree in which everybody has attached to the parent it was given, over a session.
    private func makeTree(viewers: Int, seed: UInt64, k: Int = 2, k1: Int = 3) throws -> (SignallingHarness, String) {
        var harness = SignallingHarness(seed: seed) {
            $0.tracker.childrenPerPeer = k
            $0.tracker.childrenOfSource = k1
        }
        let tree = try harness.createTree("S")
        for number in 0..<viewers {
            let id = "V\(number)"
            let parent = try harness.join(id, tree)
            harness.offer(id, to: parent, session: "session of \(id)")
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        harness.wait(.seconds(5))
        return (harness, tree)
    }

    /// What every peer knows, by id.
    private func memories(_ harness: SignallingHarness) throws -> [String: Memory] {
        var memories: [String: Memory] = [:]
        for (peer, member) in harness.service.members {
            var parents: [JSONValue] = []
            var children: [JSONValue] = []
            for (id, session) in member.sessions {
                let link: JSONObject = ["stripe": 0, "id": .string(session.otherID), "session": .string(id)]
                if try harness.service.tracker.parent(of: peer) == session.other {
                    var up = link
                    up["epoch"] = JSONValue(try harness.service.tracker.assignment(of: peer).epoch)
                    parents.append(.object(up))
                } else {
                    children.append(.object(link))
                }
            }
            memories[member.id] = Memory(
                token: try #require(harness.resumeToken(member.id)),
                place: ["parents": .array(parents), "children": .array(children)]
            )
        }
        return memories
    }

    @discardableResult
    private func comeBack(
        _ id: String,
        as new: String,
        _ memory: Memory,
        to harness: inout SignallingHarness
    ) -> JSONValue? {
        harness.connect(new)
        let native: JSONValue = ["v": 2, "resume": .string(memory.token), "place": memory.place]
        return harness.emit(new, "simple-signal[discover]", ["peerTree": native]).last?.payload["discoveryData"]
    }

    @Test("Peers that come back in any order make the very tree they were in, and keep their links", arguments: 0..<30)
    func sameTree(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let (old, tree) = try makeTree(viewers: Int.random(in: 1...40, using: &random), seed: seed)
        let shape = try #require(old.shape(of: tree))
        let memories = try memories(old)
        var new = SignallingHarness(seed: seed + 500)
        for (number, id) in memories.keys.sorted().shuffled(using: &random).enumerated() {
            let memory = try #require(memories[id])
            let data = try #require(comeBack(id, as: "new \(number)", memory, to: &new))
            #expect(data["treeID"] == .string(tree), "seed \(seed): \(data)")
            // Whoever is told of a parent is told of the one it has, by the id that it knows.
            if let parent = data["peerTree"]?["parents"]?[0]?["id"] {
                #expect(parent == memory.place["parents"]?[0]?["id"], "seed \(seed)")
            }
            #expect(new.inconsistencies.isEmpty, "seed \(seed): \(new.inconsistencies)")
        }
        let rebuilt = try #require(new.shape(of: tree))
        #expect(Set(rebuilt.peers.map(\.label)) == Set(shape.peers.map(\.label)), "seed \(seed)")
        for peer in shape.peers {
            let same = rebuilt.peers.first { $0.label == peer.label }
            #expect(same?.parents == peer.parents, "seed \(seed)")
            #expect(same?.depth == peer.depth, "seed \(seed)")
        }
        #expect(rebuilt.depth == shape.depth)
        let reasons = new.inboxes.values.joined().filter { $0.event == "peer-tree[assign]" }.map {
            $0.payload["reason"]
        }
        #expect(reasons.allSatisfy { $0 == "restored" }, "seed \(seed)")
        #expect(new.service.claims.isEmpty)
        #expect(new.service.awaitedParents.isEmpty)
        // A late joiner finds room at once.
        try new.join("late", tree)
    }

    @Test("A late joiner that comes before anyone with a free slot is back gets its parent as soon as there is one")
    func lateJoinerWaits() throws {
        let (old, tree) = try makeTree(viewers: 2, seed: 3)
        let memories = try memories(old)
        var new = SignallingHarness()
        comeBack("V0", as: "v0", try #require(memories["V0"]), to: &new)
        new.connect("late")
        let request: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        let reply = new.emit("late", "simple-signal[discover]", request).last?.payload["discoveryData"]
        #expect(reply?["peers"] == [])
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        let assign = try #require(new.payloads("late", "peer-tree[assign]").last)
        #expect(assign["parent"] == "s")
    }

    private func ask(_ id: String, for tree: String, _ harness: inout SignallingHarness) -> JSONValue? {
        harness.connect(id)
        let request: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        return harness.emit(id, "simple-signal[discover]", request).last?.payload["discoveryData"]
    }

    private func answer(_ id: String, _ harness: SignallingHarness) -> JSONValue? {
        harness.payloads(id, "simple-signal[discover]").last?["discoveryData"]
    }

    @Test("A viewer that comes before any peer of its tree is back waits, and is let in with the first of them")
    func joinBeforeTheTree() throws {
        let (old, tree) = try makeTree(viewers: 2, seed: 13)
        let memories = try memories(old)
        var new = SignallingHarness()
        #expect(ask("early", for: tree, &new) == nil)
        new.connect("legacy")
        #expect(new.emit("legacy", "simple-signal[discover]", ["treeID": .string(tree)]).isEmpty)
        #expect(new.service.deadline == .zero + .seconds(8))
        new.wait(.seconds(7))
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        #expect(answer("early", new)?["treeID"] == .string(tree))
        #expect(answer("early", new)?["peers"] == ["s"])
        #expect(answer("legacy", new)?["treeID"] == .string(tree))
        #expect(new.service.waitingJoins.count == 0)
        #expect(new.inconsistencies.isEmpty)
    }

    @Test("A viewer whose tree does not come back is refused when the time is over, and at once after that")
    func joinOfNoTree() throws {
        let (_, tree) = try makeTree(viewers: 1, seed: 14)
        var new = SignallingHarness { $0.restorationWait = .seconds(3) }
        #expect(ask("early", for: tree, &new) == nil)
        new.wait(.seconds(2))
        #expect(answer("early", new) == nil)
        new.wait(.seconds(1))
        #expect(answer("early", new)?["code"] == "unknown-tree")
        #expect(ask("late", for: tree, &new)?["code"] == "unknown-tree")
        #expect(new.service.waitingJoins.count == 0)
        #expect(new.service.refusals["unknown-tree"] == 2)
    }

    @Test("A server that takes long to start takes nothing from whoever comes before its tree is back")
    func slowStart() throws {
        let (_, tree) = try makeTree(viewers: 1, seed: 17)
        var new = SignallingHarness { $0.restorationWait = .seconds(3) }
        new.wait(.seconds(60))
        new.handle(.reachable)
        #expect(new.service.readiness(at: new.now) == .restoring)
        #expect(ask("early", for: tree, &new) == nil)
        new.wait(.seconds(2))
        #expect(answer("early", new) == nil)
        new.wait(.seconds(1))
        #expect(answer("early", new)?["code"] == "unknown-tree")
    }

    @Test("Only so many wait; who asks again or leaves waits no more; and nobody waits for what cannot come back")
    func boundedWaiting() throws {
        let (_, tree) = try makeTree(viewers: 1, seed: 15)
        let security = SignallingSecurity.test(access: { Access(mayJoin: $0 == "may join") })
        var new = SignallingHarness(security: security) { $0.maximumWaitingJoins = 2 }
        #expect(self.ask("stranger", for: tree, &new)?["code"] == "forbidden")
        for id in ["A", "B", "C"] { new.handle(.connected(id: id, token: "may join")) }
        func ask(_ id: String, _ tree: String) -> JSONValue? {
            let request: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
            return new.emit(id, "simple-signal[discover]", request).last?.payload["discoveryData"]
        }
        #expect(ask("A", tree) == nil)
        #expect(ask("A", tree) == nil)
        #expect(ask("B", tree) == nil)
        #expect(new.service.waitingJoins.count == 2)
        #expect(ask("C", tree)?["code"] == "unknown-tree")
        #expect(ask("B", "notATreeOfThisServer")?["code"] == "unknown-tree")
        #expect(ask("C", tree) == nil)
        new.handle(.disconnected(id: "A"))
        new.handle(.disconnected(id: "C"))
        #expect(new.service.waitingJoins.count == 0)
        // A tree of this run that is over does not come back.
        let ended = try new.createTree("S")
        new.emit("S", "peer-tree[leave]", [:])
        #expect(ask("B", ended)?["code"] == "unknown-tree")
    }

    @Test("A server that was started again is ready once its peers had time to come back, and not when it stops")
    func readiness() {
        var harness = SignallingHarness { $0.restorationWait = .seconds(8) }
        #expect(harness.service.readiness(at: .zero) == .restoring)
        #expect(harness.service.readiness(at: .zero + .seconds(8)) == .ready)
        harness.handle(.goingAway)
        #expect(harness.service.readiness(at: .zero + .seconds(8)) == .stopping)
        let fresh = SignallingHarness(security: .test(isStateKept: false))
        #expect(fresh.service.readiness(at: .zero) == .ready)
    }

    @Test("A server with a key of its own has nothing to wait for")
    func nothingToWaitFor() throws {
        let (_, tree) = try makeTree(viewers: 1, seed: 16)
        var fresh = SignallingHarness(security: .test(isStateKept: false))
        #expect(ask("early", for: tree, &fresh)?["code"] == "unknown-tree")
    }

    @Test("A child whose parent does not come back gets another one when the time is over")
    func parentIsGone() throws {
        let (old, tree) = try makeTree(viewers: 6, seed: 4, k: 2, k1: 1)
        let memories = try memories(old)
        var new = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        // V0 is the only child of the source; it is gone.
        for id in ["S", "V1", "V2", "V3", "V4", "V5"] {
            comeBack(id, as: "new " + id, try #require(memories[id]), to: &new)
        }
        #expect(new.payloads("new V1", "peer-tree[assign]").isEmpty)
        new.wait(.seconds(10))
        let shape = try #require(new.shape(of: tree))
        #expect(shape.viewers == 5)
        #expect(shape.peers.allSatisfy { $0.parents != [nil] })
        #expect(new.service.claims.isEmpty)
        #expect(new.service.awaitedParents.isEmpty)
        #expect(new.inconsistencies.isEmpty)
    }

    @Test("Nobody gets under a parent that does not know it, whatever it claims")
    func falseClaim() throws {
        let (old, _) = try makeTree(viewers: 6, seed: 5)
        var memories = try memories(old)
        var new = SignallingHarness {
            $0.tracker.childrenPerPeer = 2
            $0.tracker.childrenOfSource = 3
        }
        let deep = try #require(
            memories.keys.first { id in
                memories[id]?.place["parents"]?[0]?["id"].map { $0 != "S" } ?? false
            }
        )
        memories[deep]?.place = ["parents": [["stripe": 0, "id": "S", "epoch": 1]], "children": []]
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        let data = comeBack(deep, as: "liar", try #require(memories[deep]), to: &new)
        // All three slots of the source are kept for the children it names.
        #expect(data?["peers"] == [])
        #expect(new.inconsistencies.isEmpty)
    }

    @Test(
        "Who turned to its standby drives nobody out who was there before, in whichever order they come",
        arguments: 0..<30
    )
    func turnedToItsStandby(seed: UInt64) throws {
        let (old, tree) = try makeTree(viewers: 6, seed: 5, k1: 2)
        var memories = try memories(old)
        let (dead, standby) = ("V0", "V1")
        let orphans = try children(of: dead, memories)
        let others = try children(of: standby, memories)
        #expect(orphans.count == 2 && others.count == 2, "\(memories)")
        // One child more than it has slots for, which it names last.
        let added: JSONValue = ["stripe": 0, "id": .string(orphans[0]), "session": "turned"]
        let named = (0..<2).compactMap { memories[standby]?.place["children"]?[$0] } + [added]
        let parents = try #require(memories[standby]?.place["parents"])
        memories[standby]?.place = ["parents": parents, "children": .array(named)]
        let up: JSONValue = ["stripe": 0, "id": .string(standby), "session": "turned", "epoch": 1]
        memories[orphans[0]]?.place = ["parents": [up], "children": []]
        memories[orphans[1]]?.place = ["parents": [], "children": []]
        memories[dead] = nil
        var random = SeededGenerator(seed: seed)
        var new = SignallingHarness(seed: seed + 500) {
            $0.tracker.childrenPerPeer = 2
            $0.tracker.childrenOfSource = 2
        }
        for id in memories.keys.sorted().shuffled(using: &random) {
            comeBack(id, as: "new " + id, try #require(memories[id]), to: &new)
        }
        for child in others {
            let reasons = new.payloads("new " + child, "peer-tree[assign]").map { $0["reason"] }
            #expect(reasons.allSatisfy { $0 == "restored" }, "seed \(seed): \(child) was moved")
        }
        let shape = try #require(new.shape(of: tree))
        #expect(shape.viewers == 5, "seed \(seed)")
        #expect(new.inconsistencies.isEmpty, "seed \(seed): \(new.inconsistencies)")
    }

    /// Whom a peer says it feeds.
    private func children(of id: String, _ memories: [String: Memory]) throws -> [String] {
        let named = try #require(memories[id]?.place["children"])
        return (0..<2).compactMap { named[$0]?["id"]?.stringValue }
    }

    @Test("A token that another key signed, or that was changed, or whose time is over, restores nothing")
    func badTokens() throws {
        let (old, _) = try makeTree(viewers: 1, seed: 6)
        let memory = try #require(try memories(old)["V0"])
        var stranger = SignallingHarness(security: .test(stateKey: "another"))
        #expect(comeBack("V0", as: "a", memory, to: &stranger)?["code"] == "unknown-resume")
        var late = SignallingHarness()
        late.now = late.now + .seconds(86_401)
        #expect(comeBack("V0", as: "a", memory, to: &late)?["code"] == "unknown-resume")
        var new = SignallingHarness()
        var characters = Array(memory.token)
        for position in characters.indices {
            let original = characters[position]
            characters[position] = original == "A" ? "B" : "A"
            let changed = Memory(token: String(characters), place: memory.place)
            #expect(comeBack("V0", as: "c\(position)", changed, to: &new)?["code"] == "unknown-resume")
            characters[position] = original
        }
        for length in [0, 1, 40, characters.count - 1] {
            let cut = Memory(token: String(characters.prefix(length)), place: memory.place)
            #expect(comeBack("V0", as: "d\(length)", cut, to: &new)?["err"] != nil)
        }
        #expect(new.service.treeCount == 0)
        #expect(new.service.peerCount == 0)
    }

    @Test("Of two sockets with one token the later one has the place, and the peer is there once")
    func twoClaimants() throws {
        let (old, tree) = try makeTree(viewers: 2, seed: 7)
        let memories = try memories(old)
        var new = SignallingHarness()
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        comeBack("V0", as: "first", try #require(memories["V0"]), to: &new)
        comeBack("V0", as: "second", try #require(memories["V0"]), to: &new)
        #expect(new.payloads("first", "peer-tree[error]").map { $0["code"] } == ["resumed-elsewhere"])
        #expect(new.shape(of: tree)?.viewers == 1)
        #expect(new.inconsistencies.isEmpty)
    }

    @Test("A token is not good again once its peer has left the restored tree, nor for a restored tree that is over")
    func replay() throws {
        let (old, _) = try makeTree(viewers: 2, seed: 8)
        let memories = try memories(old)
        var new = SignallingHarness()
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        comeBack("V0", as: "v0", try #require(memories["V0"]), to: &new)
        new.emit("v0", "peer-tree[leave]", [:])
        #expect(comeBack("V0", as: "again", try #require(memories["V0"]), to: &new)?["code"] == "unknown-resume")
        new.emit("s", "peer-tree[leave]", [:])
        #expect(new.service.treeCount == 0)
        #expect(comeBack("V1", as: "late", try #require(memories["V1"]), to: &new)?["code"] == "unknown-tree")
        #expect(comeBack("S", as: "s2", try #require(memories["S"]), to: &new)?["code"] == "unknown-resume")
        #expect(new.service.treeCount == 0)
    }

    @Test("A token of this run whose peer has left restores nothing")
    func replayInOneRun() throws {
        var (harness, _) = try makeTree(viewers: 1, seed: 9)
        let memory = try #require(try memories(harness)["V0"])
        harness.emit("V0", "peer-tree[leave]", [:])
        #expect(comeBack("V0", as: "again", memory, to: &harness)?["code"] == "unknown-resume")
    }

    @Test("A token of a later term restores its peer, too: who gave it may be gone before this service has heard of it")
    func laterTerm() throws {
        var stale = SignallingHarness(seed: 40)
        let (harness, tree) = try makeTree(viewers: 1, seed: 41)
        let memory = try #require(try memories(harness)["V0"])
        #expect(comeBack("V0", as: "v", memory, to: &stale)?["treeID"] == .string(tree))
        #expect(stale.service.peerCount == 2, "the viewer, and whoever stands for the source")
    }

    @Test("A tree that is over is not made anew by tokens from before, however long ago it ended")
    func tombstones() throws {
        let (old, tree) = try makeTree(viewers: 2, seed: 42)
        let memories = try memories(old)
        var new = SignallingHarness(seed: 43)
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        new.wait(.seconds(3_600))
        new.emit("s", "peer-tree[leave]", [:])
        new.wait(.seconds(3_600))
        #expect(comeBack("V0", as: "v", try #require(memories["V0"]), to: &new)?["code"] == "unknown-tree")
        #expect(new.service.tree.restoration.endedTrees.contains(tree))
    }

    @Test("A tree that is over is remembered as long as its tokens live, and only so many are")
    func forgottenTombstones() {
        var options = SignallingOptions()
        options.resumeTokenLifetime = .seconds(10)
        options.maximumEndedTrees = 3
        var ended = Tombstones()
        for tree in ["a", "b", "c", "d"] { ended.insert(tree, at: .zero, options: options) }
        #expect(["a", "b", "c", "d"].map { ended.contains($0) } == [false, true, true, true])
        // One that is there again, and over once more, is remembered from then on.
        ended.remove("b")
        #expect(!ended.contains("b"))
        ended.insert("b", at: .zero + .seconds(5), options: options)
        ended.insert("e", at: .zero + .seconds(10), options: options)
        #expect(["b", "c", "d", "e"].map { ended.contains($0) } == [true, false, false, true])
        #expect(ended.count == 2)
    }

    @Test("After two restarts in a row peers still come back with what they were given last")
    func twoRestarts() throws {
        var (harness, tree) = try makeTree(viewers: 5, seed: 10)
        let shape = try #require(harness.shape(of: tree))
        for round in 0..<2 {
            let memories = try memories(harness)
            var next = SignallingHarness(seed: UInt64(round) + 20)
            for id in memories.keys.sorted() {
                comeBack(id, as: "\(id).\(round)", try #require(memories[id]), to: &next)
            }
            harness = next
        }
        let rebuilt = try #require(harness.shape(of: tree))
        let parents = Dictionary(uniqueKeysWithValues: rebuilt.peers.map { ($0.label, $0.parents) })
        #expect(shape.peers.allSatisfy { parents[$0.label] == $0.parents })
    }

    @Test("The ends of a restored link reach each other by the ids and the session they know")
    func sessionsGoOn() throws {
        let (old, _) = try makeTree(viewers: 1, seed: 11)
        let memories = try memories(old)
        var new = SignallingHarness()
        comeBack("V0", as: "v", try #require(memories["V0"]), to: &new)
        comeBack("S", as: "s", try #require(memories["S"]), to: &new)
        new.clearInboxes()
        let signal: JSONValue = [
            "signal": ["candidate": [:]], "sessionId": "session of V0", "target": "S",
        ]
        #expect(new.emit("v", "simple-signal[signal]", signal).isEmpty)
        #expect(new.take("s").map(\.event) == ["simple-signal[signal]"])
        new.emit("s", "peer-tree[child-lost]", ["id": "V0", "reason": "silent"])
        #expect(new.payloads("s", "peer-tree[error]").isEmpty)
    }

    @Test("A token is renewed in half of its time, for a viewer that reports and for a source with an audience")
    func renewal() throws {
        var (harness, _) = try makeTree(viewers: 1, seed: 12)
        harness.clearInboxes()
        harness.wait(.seconds(43_000))
        harness.emit("V0", "peer-tree[status]", ["lag": 1])
        harness.wait(.seconds(2))
        #expect(harness.payloads("V0", "peer-tree[resume]").isEmpty)
        harness.wait(.seconds(300))
        harness.emit("V0", "peer-tree[status]", ["lag": 1])
        harness.wait(.seconds(2))
        #expect(harness.payloads("V0", "peer-tree[resume]").count == 1)
        #expect(harness.payloads("S", "peer-tree[resume]").count == 1)
        let token = try #require(harness.payloads("V0", "peer-tree[resume]")[0]["resume"]?.stringValue)
        var new = SignallingHarness()
        new.now = harness.now + .seconds(80_000)
        let memory = Memory(token: token, place: [:])
        #expect(comeBack("V0", as: "v", memory, to: &new)?["treeID"] != nil)
    }

    @Test(
        "Places that are not as they must be are refused with the field's name",
        arguments: [
            #"{"parents":1}"#, #"{"parents":[1]}"#, #"{"parents":[{"stripe":0,"id":"x"}]}"#,
            #"{"parents":[{"stripe":-1,"id":"x","epoch":1}]}"#, #"{"children":[{"stripe":0}]}"#,
            #"{"children":[{"stripe":0,"id":7}]}"#, #"[]"#, #"{"children":[{"stripe":0,"id":"x","session":5}]}"#,
        ]
    )
    func malformedPlace(text: String) throws {
        let (old, _) = try makeTree(viewers: 1, seed: 13)
        var memory = try #require(try memories(old)["V0"])
        memory.place = try JSONValue(parsing: text)
        var new = SignallingHarness()
        #expect(comeBack("V0", as: "v", memory, to: &new)?["code"] == "bad-field")
        #expect(new.service.treeCount == 0)
    }
}

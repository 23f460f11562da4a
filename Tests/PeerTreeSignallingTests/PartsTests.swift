import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("A server in several parts", .timeLimit(.minutes(5)))
struct PartsTests {
    private let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]
    private let discover = "simple-signal[discover]"

    private func makeTree(_ id: String, _ harness: inout PartsHarness, at part: Int = 0) throws -> String {
        if !harness.isConnected(id, at: part) { harness.connect(id, at: part) }
        harness.emit(id, discover, create, at: part)
        harness.settle()
        return try #require(harness.discoveries(id).last?["treeID"]?.stringValue)
    }

    private func join(_ tree: String, _ id: String, _ harness: inout PartsHarness, at part: Int) -> JSONValue? {
        if !harness.isConnected(id, at: part) { harness.connect(id, at: part) }
        harness.emit(id, discover, ["treeID": .string(tree), "peerTree": ["v": 2]], at: part)
        harness.settle()
        return harness.discoveries(id).last
    }

    @Test("A hash deals trees over all slots alike, and always the same way")
    func slots() {
        var counts = Array(repeating: 0, count: Slot.count)
        for number in 0..<102_400 { counts[Int(Slot(ofTree: "tree-\(number)").number)] += 1 }
        #expect(counts.allSatisfy { (50...160).contains($0) })
        // Of the hashes that its authors publish: what other nodes, and later versions, must agree on.
        #expect(Slot(ofTree: "").number == 0x3c1)
        #expect(Slot(ofTree: "a").number == 0x0c0)
        #expect(Slot(ofTree: "foobar").number == 0x299)
        #expect(Slot.all.count == Slot.count)
    }

    @Test("Whichever part a client's socket is in, it joins a tree of any part, and offers reach its parent")
    func anywhere() throws {
        var harness = PartsHarness(3, seed: 1)
        var trees: [String] = []
        for number in 0..<9 { trees.append(try makeTree("S\(number)", &harness, at: number % 3)) }
        #expect(harness.parts.allSatisfy { $0.treeCount > 0 }, "the seed spreads them")
        for (number, tree) in trees.enumerated() {
            for part in 0..<3 {
                let answer = join(tree, "V\(number)-\(part)", &harness, at: part)
                #expect(answer?["treeID"] == .string(tree))
            }
            let viewer = "V\(number)-1"
            harness.emit(
                viewer,
                "simple-signal[offer]",
                ["signal": ["type": "offer"], "sessionId": "s\(number)", "target": .string("S\(number)")],
                at: 1
            )
            harness.settle()
            let offers = harness.take("S\(number)").filter { $0.event == "simple-signal[offer]" }
            #expect(offers.map { $0.payload["initiator"] } == [.string(viewer)])
        }
        #expect(harness.parts.reduce(0) { $0 + $1.peerCount } == 36)
        #expect(harness.disagreements == [])
    }

    @Test("A parent is told whom to admit before it is passed that one's offer, however long the parts' messages take")
    func order() throws {
        for seed in UInt64(0)..<20 {
            var harness = PartsHarness(3, seed: seed)
            let tree = try makeTree("S", &harness, at: 0)
            _ = harness.take("S")
            harness.connect("V", at: 1)
            harness.emit("V", discover, ["treeID": .string(tree), "peerTree": ["v": 2]], at: 1)
            while harness.discoveries("V").isEmpty { harness.deliverSome() }
            harness.emit(
                "V",
                "simple-signal[offer]",
                ["signal": ["type": "offer"], "sessionId": "s", "target": "S"],
                at: 1
            )
            harness.settle()
            let told = harness.take("S").map(\.event).filter { $0 != "peer-tree[tree]" }
            #expect(told == ["peer-tree[admit]", "simple-signal[offer]"], "seed \(seed)")
        }
    }

    @Test("Limits are those of the whole server: peers, trees, joins that wait, and what an address takes")
    func limits() throws {
        var harness = PartsHarness(3, seed: 2) {
            $0.maximumPeers = 5
            $0.tracker.maximumTrees = 3
            $0.maximumSocketsPerAddress = 9
        }
        let trees = try (0..<3).map { try makeTree("S\($0)", &harness, at: $0) }
        _ = try makeTree("S0", &harness, at: 0)
        #expect(
            harness.parts.reduce(0) { $0 + $1.treeCount } == 3,
            "a source that makes another tree gives up its first"
        )
        harness.connect("T", at: 0)
        harness.emit("T", discover, create, at: 0)
        harness.settle()
        #expect(harness.discoveries("T").last?["code"] == "server-full")
        for part in 0..<2 { #expect(join(trees[1], "V\(part)", &harness, at: part)?["treeID"] != nil) }
        #expect(join(trees[2], "W", &harness, at: 2)?["code"] == "server-full")
        harness.emit("V0", "peer-tree[leave]", [:], at: 0)
        harness.settle()
        // What other nodes have counts once, though every part hears of it.
        for (peers, code) in [(1, "server-full"), (0, nil)] as [(Int, JSONValue?)] {
            for part in 0..<3 { harness.handle(.elsewhere(LoadElsewhere(trees: 0, peers: peers)), at: part) }
            #expect(join(trees[2], "W", &harness, at: 2)?["code"] == code)
        }
        #expect(harness.discoveries("W").last?["treeID"] != nil)
        // S0 to S2, T, V0, V1 and W are there.
        for (number, part) in [(0, 0), (1, 1)] { harness.connect("X\(number)", at: part) }
        harness.connect("X2", at: 2)
        #expect(!harness.isConnected("X2", at: 2))
    }

    @Test("Trees of an address count wherever they are, and no more once they are over")
    func treesOfAddress() throws {
        var harness = PartsHarness(2, seed: 3) { $0.maximumTreesPerAddress = 2 }
        _ = try makeTree("S0", &harness, at: 0)
        _ = try makeTree("S1", &harness, at: 1)
        harness.connect("S2", at: 0)
        harness.emit("S2", discover, create, at: 0)
        harness.settle()
        #expect(harness.discoveries("S2").last?["code"] == "too-many-trees")
        harness.emit("S1", "peer-tree[leave]", [:], at: 1)
        harness.settle()
        harness.emit("S2", discover, create, at: 0)
        harness.settle()
        #expect(harness.discoveries("S2").last?["treeID"] != nil)
    }

    @Test("Whoever enters a tree of another part leaves the first")
    func moves() throws {
        var harness = PartsHarness(3, seed: 4)
        let trees = try (0..<6).map { try makeTree("S\($0)", &harness, at: $0 % 3) }
        for tree in trees { #expect(join(tree, "V", &harness, at: 1)?["treeID"] == .string(tree)) }
        #expect(harness.parts.reduce(0) { $0 + $1.peerCount } == 7)
        #expect(harness.disagreements == [])
    }

    @Test("A dashboard watches trees of all parts through one, as many as may, and is told when the server stops")
    func dashboards() throws {
        var harness = PartsHarness(3, seed: 5) { $0.maximumWatchers = 6 }
        let trees = try (0..<6).map { try makeTree("S\($0)", &harness, at: $0 % 3) }
        for (number, tree) in trees.enumerated() {
            guard case .watching(let welcome)? = harness.ask(.watch(tree: tree), as: number) else {
                Issue.record("not watching")
                return
            }
            #expect(welcome.treeID == tree)
        }
        #expect(harness.ask(.watch(tree: trees[0]), as: 6) == .refused(.tooManyWatchers))
        _ = join(trees[4], "V", &harness, at: 2)
        guard case .changes(let changes)? = harness.ask(.look, as: 4) else {
            Issue.record("no changes")
            return
        }
        #expect(changes.peers.count == 2)
        // Another tree in the place of the one it watched.
        guard case .watching? = harness.ask(.watch(tree: trees[1]), as: 4) else {
            Issue.record("not watching another")
            return
        }
        for part in 0..<3 { harness.handle(.goingAway, at: part) }
        for number in 0..<6 {
            guard case .changes(let last)? = harness.ask(.look, as: number) else {
                Issue.record("\(number) is told nothing")
                return
            }
            #expect(last.isOver)
        }
        #expect(harness.ask(.unwatch, as: 0) == nil)
        #expect(harness.ask(.look, as: 0) == .refused(.notWatching))
    }

    @Test("Whatever clients do and however long messages take, all parts agree in the end", arguments: 0..<60)
    func agreement(seed: UInt64) throws {
        var harness = PartsHarness(3, seed: seed) { $0.tracker.maximumTrees = 8 }
        var clients = ChannelClients(seed: seed)
        for step in 0..<500 {
            clients.act(on: &harness)
            for _ in 0..<6 { harness.deliverSome() }
            if step % 20 == 0 { harness.wait(.milliseconds(700)) }
            guard step % 100 == 99 else { continue }
            harness.settle()
            #expect(harness.disagreements == [], "seed \(seed), step \(step)")
        }
        for part in harness.parts.indices {
            for id in harness.parts[part].clients.keys.sorted() { harness.disconnect(id, at: part) }
        }
        for _ in 0..<8 {
            harness.settle()
            harness.wait(.seconds(20))
        }
        harness.settle()
        for part in harness.parts {
            #expect(part.peerCount == 0 && part.treeCount == 0 && part.clientCount == 0, "seed \(seed)")
            #expect(part.memberIDs.isEmpty && part.memberNumbers.isEmpty && part.gateway.treesMade.isEmpty)
        }
    }
}

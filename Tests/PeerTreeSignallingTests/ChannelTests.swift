import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

@Suite("Gateways and trees with messages that take their time", .timeLimit(.minutes(5)))
struct ChannelTests {
    private let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]
    private let discover = "simple-signal[discover]"

    private func makeTree(_ id: String, _ harness: inout ChannelHarness, at gateway: Int = 0) throws -> String {
        harness.connect(id, at: gateway)
        harness.emit(id, discover, create, at: gateway)
        harness.settle()
        return try #require(harness.discoveries(id).last?["treeID"]?.stringValue)
    }

    private func join(_ tree: String, _ extra: JSONObject = [:]) -> JSONValue {
        var native: JSONObject = ["v": 2]
        for member in extra { native[member.key] = member.value }
        return ["treeID": .string(tree), "peerTree": .object(native)]
    }

    @Test("What a client says before it is answered is taken up behind the answer, in order")
    func held() throws {
        var harness = ChannelHarness(seed: 1)
        let tree = try makeTree("S", &harness)
        harness.connect("V")
        harness.emit("V", discover, join(tree))
        harness.emit("V", "peer-tree[status]", ["depth": 5])
        harness.emit("V", "peer-tree[leave]", [:])
        harness.emit("V", "peer-tree[leave]", [:])
        #expect(harness.take("V").isEmpty)
        harness.settle()
        #expect(
            harness.take("V").map { $0.event } == [discover, "peer-tree[place]"],
            "a second leave finds nobody and is out of date"
        )
        #expect(harness.trees.peerCount == 1)
        #expect(harness.disagreements == [])
    }

    @Test("A client that is gone before it is answered leaves nobody behind")
    func abandoned() throws {
        var harness = ChannelHarness(seed: 2) { $0.tracker.resumeWindow = .seconds(1) }
        let tree = try makeTree("S", &harness)
        for id in ["V", "W"] {
            harness.connect(id)
            harness.emit(id, discover, id == "V" ? join(tree) : create)
            if id == "W" { harness.deliverUp() }
            harness.handle(.disconnected(id: id))
        }
        harness.settle()
        #expect(harness.disagreements == [])
        harness.wait(.seconds(20))
        harness.settle()
        #expect(harness.trees.peerCount == 1)
    }

    @Test("A socket that was replaced at another gateway is told, and what it says is passed over")
    func replaced() throws {
        var harness = ChannelHarness(seed: 3)
        let tree = try makeTree("S", &harness)
        harness.connect("V")
        harness.emit("V", discover, join(tree))
        harness.settle()
        let token = try #require(harness.discoveries("V").last?["peerTree"]?["resume"])
        harness.connect("V2", at: 1)
        harness.emit("V2", discover, ["peerTree": ["v": 2, "resume": token]], at: 1)
        harness.deliverUp(of: 1)
        // The old socket does not know yet.
        harness.emit("V", "peer-tree[leave]", [:])
        harness.handle(.disconnected(id: "V"))
        harness.settle()
        #expect(harness.trees.peerCount == 2)
        #expect(harness.disagreements == [])
        #expect(harness.discoveries("V2").last?["treeID"] == .string(tree))
    }

    @Test(
        "A socket that was replaced and has entered elsewhere is known there, whatever the peer that it once was forgets"
    )
    func replacedAndElsewhere() throws {
        var harness = ChannelHarness(seed: 8)
        _ = try makeTree("A", &harness)
        let other = try makeTree("T", &harness)
        var token = try #require(harness.discoveries("A").last?["peerTree"]?["resume"])
        for id in ["B", "C", "D", "E", "F"] {
            harness.connect(id)
            harness.emit(id, discover, ["peerTree": ["v": 2, "resume": token]])
            harness.settle()
            if id == "B" { harness.emit("A", discover, ["treeID": .string(other)]) }
            harness.settle()
            token = try #require(harness.discoveries(id).last?["peerTree"]?["resume"])
        }
        #expect(harness.trees.peerCount == 3)
        harness.handle(.disconnected(id: "A"))
        harness.settle()
        #expect(harness.trees.peerCount == 2)
        #expect(harness.disagreements == [])
    }

    @Test("What is said of a place that a socket has no more does not reach it")
    func outOfDate() throws {
        var harness = ChannelHarness(seed: 4)
        let first = try makeTree("S", &harness)
        let second = try makeTree("T", &harness)
        harness.connect("V")
        harness.emit("V", discover, join(first))
        harness.settle()
        harness.emit("V", discover, join(second))
        harness.emit("S", "peer-tree[leave]", [:])
        _ = harness.take("V")
        harness.settle()
        let events = harness.take("V").map(\.event)
        // The end of the first tree may come before the answer of the second, and never behind it.
        #expect(events == [discover] || events == ["peer-tree[end]", discover])
        #expect(harness.disagreements == [])
    }

    @Test("A source gives up an empty tree for another one, and no other; a wish that comes twice makes one tree")
    func sources() throws {
        var harness = ChannelHarness(seed: 5)
        harness.repeats = 100
        let first = try makeTree("S", &harness)
        #expect(harness.trees.treeCount == 1)
        harness.emit("S", discover, create)
        harness.settle()
        let second = try #require(harness.discoveries("S").last?["treeID"]?.stringValue)
        #expect(second != first)
        #expect(harness.trees.treeCount == 1)
        harness.connect("V", at: 1)
        harness.emit("V", discover, join(second), at: 1)
        harness.settle()
        harness.emit("S", discover, create)
        harness.settle()
        #expect(harness.discoveries("S").last?["code"] == "already-source")
        #expect(harness.trees.treeCount == 1)
        #expect(harness.trees.peerCount == 2)
        #expect(harness.gateways[0].clients["S"]?.treesCreated == 2)
        #expect(harness.disagreements == [])
    }

    @Test("Whatever clients do and however long messages take, both agree in the end", arguments: 0..<60)
    func agreement(seed: UInt64) throws {
        var harness = ChannelHarness(seed: seed) { $0.tracker.maximumTrees = 4 }
        harness.repeats = seed % 2 == 0 ? 0 : 30
        var clients = ChannelClients(seed: seed)
        for step in 0..<500 {
            clients.act(on: &harness)
            for _ in 0..<3 { harness.deliverSome() }
            if step % 20 == 0 { harness.wait(.milliseconds(700)) }
            guard step % 100 == 99 else { continue }
            harness.settle()
            #expect(harness.disagreements == [], "seed \(seed), step \(step)")
        }
        for gateway in harness.gateways.indices {
            for id in harness.gateways[gateway].clients.keys.sorted() {
                harness.handle(.disconnected(id: id), at: gateway)
            }
        }
        for _ in 0..<8 {
            harness.settle()
            harness.wait(.seconds(20))
        }
        harness.settle()
        #expect(harness.trees.peerCount == 0, "seed \(seed)")
        #expect(harness.gateways.allSatisfy { $0.clients.isEmpty && $0.pending.isEmpty })
        #expect(harness.trees.memberIDs.isEmpty && harness.trees.memberNumbers.isEmpty)
    }

    @Test("A gateway that is gone takes its sockets along: who does not come back loses the place")
    func lostGateway() throws {
        var harness = ChannelHarness(seed: 6) { $0.restorationWait = .seconds(100) }
        let tree = try makeTree("S", &harness)
        harness.connect("V", at: 1)
        harness.emit("V", discover, join(tree), at: 1)
        // Another one waits for a tree that may come back.
        harness.connect("W", at: 1)
        harness.emit("W", discover, join("c" + String(repeating: "0", count: 24)), at: 1)
        harness.settle()
        #expect(harness.trees.waitingCount == 1)
        harness.replaceGateway(1)
        harness.settle()
        #expect(harness.trees.waitingCount == 0)
        #expect(harness.disagreements == [])
        harness.wait(.seconds(20))
        harness.settle()
        #expect(harness.trees.peerCount == 1)
    }

    @Test(
        "Behind a tree service that is gone, who was not answered is asked for again, and trees count on for addresses"
    )
    func lostTrees() throws {
        var harness = ChannelHarness(seed: 7) { $0.maximumTreesPerAddress = 1 }
        _ = try makeTree("S", &harness)
        harness.connect("T", at: 1)
        harness.emit("T", discover, create, at: 1)
        for _ in 0..<2 {
            harness.replaceTrees()
            harness.settle()
        }
        #expect(harness.takeCut().isEmpty)
        #expect(harness.discoveries("T").last?["treeID"] != nil)
        #expect(harness.trees.treeCount == 2)
        harness.connect("U")
        harness.emit("U", discover, create)
        harness.settle()
        #expect(harness.discoveries("U").last?["code"] == "too-many-trees")
        // The end of one makes room, though the service that saw it made is gone.
        harness.emit("S", "peer-tree[leave]", [:])
        harness.settle()
        _ = try makeTree("V", &harness)
        #expect(harness.trees.treeCount == 2)
        #expect(harness.disagreements == [])
    }

    /// Two audiences, of two services with every seed but each third.
    private func makeAudiences(
        seed: UInt64,
        originals: (_ audience: Int) -> Set<Int>
    ) -> (harness: ChannelHarness, audiences: [ReturningClients]) {
        var harness = ChannelHarness(seed: seed, services: seed % 3 == 0 ? 1 : 2)
        harness.repeats = seed % 2 == 0 ? 0 : 20
        let audiences = (0..<2).map { number in
            ReturningClients(
                seed: seed &+ 7_000 &* UInt64(number),
                viewers: 9,
                originals: originals(number),
                name: "audience \(number) socket"
            )
        }
        return (harness, audiences)
    }

    private func act(_ audiences: inout [ReturningClients], _ harness: inout ChannelHarness) {
        for number in audiences.indices { audiences[number].act(on: &harness) }
        for _ in 0..<16 { harness.deliverSome() }
        harness.wait(.milliseconds(150))
    }

    @Test("Whoever dies and whenever, in the end everybody is in its tree, and nobody twice", arguments: 0..<60)
    func crashes(seed: UInt64) throws {
        var (harness, audiences) = makeAudiences(seed: seed) { (Int(seed) + $0) % 3 == 0 ? [] : [2, 5, 8] }
        for step in 0..<160 {
            act(&audiences, &harness)
            switch Int.random(in: 0..<24, using: &harness.random) {
            case 0 where step > 10:
                harness.replaceTrees(Int.random(in: 0..<harness.services.count, using: &harness.random))
            case 1:
                let gateway = Int.random(in: 0..<2, using: &harness.random)
                for number in audiences.indices { audiences[number].lose(gateway) }
                harness.replaceGateway(gateway)
            case 2...4:
                let number = Int.random(in: 0..<2, using: &harness.random)
                audiences[number].breakOne(&harness)
            case 5: harness.moveSlots()
            case 6...7: harness.offerSlots()
            default: break
            }
        }
        expectEverybody(audiences, &harness, seed: seed)
    }

    @Test(
        "If tree services alone die, everybody keeps its socket, and original clients and their source their tree",
        arguments: 0..<40
    )
    func crashesOfTrees(seed: UInt64) throws {
        var (harness, audiences) = makeAudiences(seed: seed) { audience in
            let kind = (Int(seed) + audience) % 4
            return kind == 0 ? Set(0...9) : [kind == 1 ? 0 : 1, 2, 5, 8]
        }
        for step in 0..<160 {
            act(&audiences, &harness)
            switch Int.random(in: 0..<24, using: &harness.random) {
            case 0...1 where step > 10:
                harness.replaceTrees(Int.random(in: 0..<harness.services.count, using: &harness.random))
            case 2...3: harness.moveSlots()
            case 4...5: harness.offerSlots()
            default: break
            }
        }
        expectEverybody(audiences, &harness, seed: seed)
        #expect(audiences.allSatisfy { $0.connections == $0.count && $0.replacements == 0 }, "seed \(seed)")
    }

    @Test(
        "Slots that are handed over take all with them: nobody hears of it, and nothing that is on its way is lost",
        arguments: 0..<40
    )
    func handOvers(seed: UInt64) throws {
        let (made, crowds) = makeAudiences(seed: 3 &* seed &+ 1) { (Int(seed) + $0) % 3 == 0 ? Set(0...9) : [2, 5, 8] }
        var (harness, audiences) = (made, crowds)
        for step in 0..<160 {
            act(&audiences, &harness)
            if step > 10, step % 8 == 0 { harness.offerSlots() }
        }
        expectEverybody(audiences, &harness, seed: seed)
        #expect(harness.handedOver > 0, "seed \(seed): the test tries too little")
        #expect(audiences.allSatisfy { $0.connections == $0.count && $0.replacements == 0 }, "seed \(seed)")
    }

    /// Once nobody dies any more.
    private func expectEverybody(_ before: [ReturningClients], _ harness: inout ChannelHarness, seed: UInt64) {
        var audiences = before
        for _ in 0..<200 {
            for number in audiences.indices { audiences[number].act(on: &harness) }
            harness.settle()
            harness.wait(.milliseconds(300))
        }
        harness.settle()
        let clients = audiences.reduce(0) { $0 + $1.count }
        let members = harness.services.flatMap(\.members.values)
        let (trees, peers) = harness.services.reduce((0, 0)) { ($0.0 + $1.treeCount, $0.1 + $1.peerCount) }
        let hasClaims = harness.services.contains { !$0.restoration.claims.isEmpty }
        #expect(harness.disagreements == [], "seed \(seed)")
        #expect(trees == audiences.count, "seed \(seed)")
        #expect(members.count(where: \.isConnected) == clients, "seed \(seed)")
        #expect(peers == clients, "seed \(seed)")
        #expect(!hasClaims, "seed \(seed)")
        for (socket, parent) in audiences.flatMap(\.beliefs) {
            let isTrue = harness.isParent(parent, of: socket)
            #expect(isTrue, "seed \(seed): \(socket) below \(parent ?? "nobody")")
        }
        #expect(harness.cut.isEmpty, "seed \(seed)")
        #expect(audiences.allSatisfy { $0.ended == 0 }, "seed \(seed)")
    }

    @Test("The same messages at the same times make the same answers")
    func deterministic() {
        func run() -> [String] {
            var harness = ChannelHarness(seed: 77)
            var clients = ChannelClients(seed: 77)
            var said: [String] = []
            for step in 0..<600 {
                clients.act(on: &harness)
                for _ in 0..<3 { harness.deliverSome() }
                if step % 20 == 0 { harness.wait(.milliseconds(700)) }
                for id in clients.ids { said += harness.take(id).map { "\(id) \($0.frame)" } }
            }
            return said
        }
        let first = run()
        #expect(first.count > 300)
        #expect(first == run())
    }
}

/// Clients of several gateways that come, enter, come back, report and vanish at random.
struct ChannelClients {
    private var random: SeededGenerator
    private var gatewayOf: [String: Int] = [:]
    private var tokens: [JSONValue] = []
    private var trees: [String] = []
    private(set) var ids: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed &+ 100)
    }

    mutating func act(on harness: inout some Stage) {
        let here = ids.filter { harness.isConnected($0, at: gatewayOf[$0] ?? 0) }
        guard here.count > 5, let id = here.randomElement(using: &random), let gateway = gatewayOf[id] else {
            return arrive(at: &harness)
        }
        for data in harness.discoveries(id) {
            if let tree = data["treeID"]?.stringValue, !trees.contains(tree) { trees.append(tree) }
            if let token = data["peerTree"]?["resume"] { tokens.append(token) }
        }
        let tree = trees.suffix(4).randomElement(using: &random) ?? "none"
        func emit(_ event: String, _ payload: JSONValue) { harness.emit(id, event, payload, at: gateway) }
        switch Int.random(in: 0..<18, using: &random) {
        case 0, 1: arrive(at: &harness)
        case 2: harness.disconnect(id, at: gateway)
        case 3: emit("simple-signal[discover]", ["createNew": true, "peerTree": ["v": 2]])
        case 4...8: emit("simple-signal[discover]", ["treeID": .string(tree), "peerTree": ["v": 2]])
        case 9: emit("simple-signal[discover]", ["treeID": .string(tree)])
        case 10, 11:
            let token = tokens.suffix(10).randomElement(using: &random) ?? ""
            emit("simple-signal[discover]", ["peerTree": ["v": 2, "resume": token]])
        case 12: emit("peer-tree[leave]", [:])
        case 13: emit("peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "closed"])
        case 14, 15:
            let session = "s\(Int.random(in: 0..<10, using: &random))"
            let target = ids.randomElement(using: &random) ?? id
            emit(
                "simple-signal[offer]",
                ["signal": ["type": "offer"], "sessionId": .string(session), "target": .string(target)]
            )
        default: emit("peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
    }

    private mutating func arrive(at harness: inout some Stage) {
        let id = "c\(ids.count)"
        ids.append(id)
        let gateway = Int.random(in: 0..<harness.gatewayCount, using: &random)
        gatewayOf[id] = gateway
        harness.connect(id, at: gateway)
    }
}

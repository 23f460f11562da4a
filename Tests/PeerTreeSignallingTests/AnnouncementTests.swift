import JSON
import PeerTreeCore
import StateMachine
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// The service of the trees is gone and the gateways are not: they tell the next one who is where.
@Suite("Gateways that outlive the service of their trees", .timeLimit(.minutes(5)))
struct AnnouncementTests {
    /// Who is an original client.
    enum Originals: CaseIterable {
        case nobody
        case someViewers
        case allViewers
        case everybody
    }

    private func makeCrowd(
        _ harness: inout ChannelHarness,
        viewers: Int = 14,
        _ originals: Originals = .nobody,
        _ extra: JSONObject = [:]
    ) throws -> Crowd {
        var crowd = Crowd()
        try crowd.create("S", isNative: originals != .everybody, &harness, extra: extra)
        for number in 0..<viewers {
            let isNative = originals == .nobody || originals == .someViewers && number % 3 > 0
            try crowd.join("V\(number)", isNative: isNative, &harness)
        }
        // What moves has moved.
        for _ in 0..<40 {
            harness.wait(.milliseconds(500))
            crowd.settle(&harness)
        }
        crowd.forget()
        return crowd
    }

    /// Who hangs where, and by which sessions members reach each other.
    private func picture(_ harness: ChannelHarness) -> [String] {
        let trees = harness.trees
        var lines: [String] = []
        for (peer, member) in trees.members {
            let parents = (0..<member.stripes).map { stripe in
                (try? trees.tracker.parent(of: peer, stripe: stripe)).flatMap { trees.members[$0]?.id } ?? "nobody"
            }
            let sessions = member.sessions.map { "\($0.key) with \(trees.members[$0.value.other]?.id ?? "")" }
            lines.append("\(member.ids) \(member.isNative) \(parents) \(sessions.sorted())")
        }
        return lines.sorted()
    }

    private func check(_ crowd: Crowd, _ harness: inout ChannelHarness, _ comment: Comment) throws {
        #expect(harness.takeCut().isEmpty, comment)
        #expect(harness.disagreements == [], comment)
        for id in crowd.ids {
            let isNative = harness.gateways[crowd.gateway(of: id)].clients[id]?.standing?.value.isNative
            #expect(isNative == true || crowd.events(id) == [], comment)
            #expect(!crowd.events(id).contains("simple-signal[discover]"), comment)
            #expect(!crowd.events(id).contains("peer-tree[error]"), comment)
            #expect(!crowd.events(id).contains("peer-tree[resume]"), comment)
            let assigned = (crowd.told[id] ?? []).filter { $0.event == "peer-tree[assign]" }
            #expect(assigned.allSatisfy { $0.payload["reason"] == "restored" }, comment)
        }
        #expect(harness.trees.restoration.claims.isEmpty, comment)
        #expect(harness.trees.restoration.awaitedParents.isEmpty, comment)
    }

    @Test(
        "Everybody keeps its place, its links and its socket, and hears no more than that",
        arguments: [0, 1, 5],
        Originals.allCases
    )
    func same(stripes: Int, originals: Originals) throws {
        for seed in 0..<6 as Range<UInt64> {
            var harness = ChannelHarness(seed: seed) {
                $0.tracker.childrenPerPeer = seed % 2 == 0 ? 4 : 2
                // Below original clients there are none in such a tree.
                if stripes == 5, originals == .allViewers { $0.tracker.childrenOfSource = 24 }
            }
            let extra: JSONObject = stripes == 5 ? ["stripes": 5, "parity": 1] : [:]
            var crowd = try makeCrowd(&harness, viewers: stripes == 0 ? 1 : 14, originals, extra)
            let before = picture(harness)
            let comment: Comment = "\(stripes) stripes, originals \(originals), seed \(seed)"
            harness.replaceTrees()
            crowd.settle(&harness)
            try check(crowd, &harness, comment)
            #expect(picture(harness) == before, comment)
            // Again, from what the second service said.
            crowd.forget()
            harness.replaceTrees()
            crowd.settle(&harness)
            try check(crowd, &harness, comment)
            #expect(picture(harness) == before, comment)
            // And once more, before anything of the third was heard.
            crowd.forget()
            harness.replaceTrees()
            harness.deliverUp(of: 0)
            harness.replaceTrees()
            crowd.settle(&harness)
            try check(crowd, &harness, comment)
            #expect(picture(harness) == before, comment)
        }
    }

    @Test("The ends of a link reach each other by its session, and what a member reports is taken")
    func goesOn() throws {
        var harness = ChannelHarness(seed: 20)
        var crowd = Crowd()
        try crowd.create("S", isNative: true, &harness)
        try crowd.join("V", isNative: false, &harness)
        try crowd.join("W", isNative: true, &harness)
        harness.replaceTrees()
        crowd.settle(&harness)
        for id in ["V", "W"] {
            let signal: JSONValue = [
                "signal": ["candidate": [:]], "sessionId": .string("\(id) to S"), "target": "S",
            ]
            harness.emit(id, "simple-signal[signal]", signal, at: crowd.gateway(of: id))
            harness.settle()
            #expect(harness.take("S").contains { $0.event == "simple-signal[signal]" })
        }
        #expect(
            harness.trees.members.values.map(\.report.agent).sorted { $0 ?? "" < $1 ?? "" } == [
                nil, "Test 1", "Test 1",
            ]
        )
        let peer = try #require(harness.trees.memberIDs["W"])
        let epoch = try harness.trees.tracker.assignment(of: peer).epoch
        harness.emit(
            "W",
            "peer-tree[orphaned]",
            ["stripe": 0, "epoch": JSONValue(epoch), "reason": "closed"],
            at: crowd.gateway(of: "W")
        )
        crowd.settle(&harness)
        #expect(crowd.told["W"]?.last?.payload["reason"] == "parent-lost")
        // Original clients are gone with their sockets.
        harness.handle(.disconnected(id: "V"), at: crowd.gateway(of: "V"))
        harness.settle()
        #expect(harness.trees.peerCount == 2)
        #expect(harness.disagreements == [])
    }

    @Test("Once the source's gateway is gone, too, the source comes back by itself and the others are where they were")
    func bothAreGone() throws {
        var harness = ChannelHarness(seed: 21)
        let crowd = try makeCrowd(&harness, .someViewers)
        let before = picture(harness).map { $0.replacing("[\"S\"]", with: "") }
        let gateway = crowd.gateway(of: "S")
        let lost = harness.gateways[gateway].clients.filter { $0.value.standing?.value.isNative ?? false }
        harness.replaceTrees()
        harness.replaceGateway(gateway)
        harness.settle()
        for (id, client) in lost.sorted(by: { $0.key < $1.key }) {
            let standing = try #require(client.standing?.value)
            harness.connect(id + "'", at: gateway)
            let native: JSONValue = [
                "v": 2, "resume": .string(standing.token.text(signedBy: .test())), "place": standing.place.json,
            ]
            harness.emit(id + "'", "simple-signal[discover]", ["peerTree": native], at: gateway)
        }
        harness.settle()
        for (id, client) in lost {
            let standing = try #require(client.standing?.value)
            let peer = try #require(harness.trees.memberNumbers[standing.token.number])
            for (stripe, parent) in standing.place.parents {
                let now = try harness.trees.tracker.parent(of: peer, stripe: stripe)
                let name = try #require(parent.neighbour?.id)
                // Original clients of that gateway are gone for good.
                guard harness.trees.memberIDs[name] != nil else { continue }
                #expect(now == harness.trees.memberIDs[name], "\(id) in \(before)")
            }
        }
        #expect(harness.disagreements == [])
        harness.wait(.seconds(11))
        harness.settle()
        #expect(harness.trees.restoration.claims.isEmpty)
        #expect(harness.disagreements == [])
    }

    @Test("A signed tree has its key again, whoever is announced, and an encrypted one takes no original clients")
    func keyAndEncryption() throws {
        let owner = TreeOwner()
        var harness = ChannelHarness(seed: 22)
        var crowd = Crowd()
        var extra = try owner.proof("S")
        extra["encrypted"] = true
        try crowd.create("S", isNative: true, &harness, extra: extra)
        try crowd.join("V", isNative: true, &harness)
        try #require(crowd.gateway(of: "S") != crowd.gateway(of: "V"))
        harness.replaceTrees()
        // Only the viewer's gateway has spoken.
        harness.deliverUp(of: crowd.gateway(of: "V"))
        #expect(harness.trees.trees.values.map(\.key) == [owner.source])
        crowd.settle(&harness)
        #expect(harness.trees.trees.values.map(\.isEncrypted) == [true])
        harness.connect("original")
        harness.emit("original", "simple-signal[discover]", ["treeID": .string(owner.tree)])
        try crowd.join("W", isNative: true, &harness)
        let error = harness.discoveries("original").last?["err"]?.stringValue
        #expect(error?.contains("is encrypted") == true)
        #expect(
            crowd.told["W"]?.last { $0.event == "simple-signal[discover]" }?.payload["discoveryData"]?["peerTree"]?[
                "key"
            ] == owner.hexadecimal
        )
    }

    @Test("Who has left is not brought back, and who was about to enter elsewhere enters there")
    func leavers() throws {
        var harness = ChannelHarness(seed: 23)
        var crowd = Crowd()
        try crowd.create("S", isNative: true, &harness)
        let first = crowd.tree
        for id in ["V", "W"] { try crowd.join(id, isNative: true, &harness) }
        try crowd.create("T", isNative: true, &harness)
        harness.emit("V", "peer-tree[leave]", [:], at: crowd.gateway(of: "V"))
        let other: JSONValue = ["treeID": .string(crowd.tree), "peerTree": ["v": 2]]
        harness.emit("W", "simple-signal[discover]", other, at: crowd.gateway(of: "W"))
        harness.replaceTrees()
        crowd.settle(&harness)
        #expect(harness.gateways[crowd.gateway(of: "V")].clients["V"]?.standing == nil)
        #expect(harness.gateways[crowd.gateway(of: "W")].clients["W"]?.token?.treeID == crowd.tree)
        let counts = try [first, crowd.tree].map { try harness.trees.shape(of: $0).viewers }
        #expect(counts == [0, 1])
        #expect(harness.disagreements == [])
    }

    @Test("A source that is about to make another tree does so only if nobody is in the one it has")
    func releases() throws {
        var harness = ChannelHarness(seed: 24)
        var crowd = Crowd()
        try crowd.create("S", isNative: true, &harness)
        let first = crowd.tree
        try crowd.join("U", isNative: true, &harness)
        try #require(crowd.gateway(of: "S") == crowd.gateway(of: "U"))
        let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]
        harness.emit("S", "simple-signal[discover]", create, at: crowd.gateway(of: "S"))
        harness.replaceTrees()
        crowd.settle(&harness)
        #expect(crowd.told["S"]?.last?.payload["discoveryData"]?["code"] == "already-source")
        #expect(try harness.trees.shape(of: first).viewers == 1)
        harness.handle(.disconnected(id: "U"), at: crowd.gateway(of: "U"))
        harness.wait(.seconds(20))
        crowd.settle(&harness)
        harness.emit("S", "simple-signal[discover]", create, at: crowd.gateway(of: "S"))
        harness.replaceTrees()
        crowd.settle(&harness)
        #expect(harness.trees.treeCount == 1)
        #expect(harness.trees.treeIDs[first] == nil)
        #expect(harness.disagreements == [])
    }

    @Test("A child that was placed elsewhere is none of its old parent's, which is told so")
    func strangers() throws {
        var options = SignallingOptions()
        options.tracker.childrenOfSource = 2
        var (service, arrivals) = try makeService(viewers: 2, options)
        // It was on its way to another parent, which does not know.
        let parent = ClaimedPlace.Neighbour(stripe: 0, id: "V1", sessionID: nil)
        arrivals[1].place = ClaimedPlace(parents: [0: .init(neighbour: parent, epoch: 3)], children: [])
        let told = announce([arrivals[0], arrivals[2], arrivals[1]], to: &service)
        #expect(told.contains("0 peer-tree[admit] V1") && !told.contains { $0.contains("child-gone") })
        let peer = try #require(service.memberNumbers[arrivals[1].token.number])
        let epoch = JSONValue(try service.tracker.assignment(of: peer).epoch)
        let attached = ToTree.event(arrivals[1].member, .attached, ["stripe": 0, "epoch": epoch])
        service.handle(.told(attached, by: GatewayID(0)), at: service.now)
        service.handle(.deadlineReached, at: service.now + .seconds(10))
        #expect(drain(&service).filter { $0.contains("child-gone") } == ["0 peer-tree[child-gone] S"])
    }

    // MARK: One by one

    /// A service that has not heard of anybody yet, and what a gateway has to say of the service before it. The source comes
    /// first.
    private func makeService(
        viewers: Int,
        _ options: SignallingOptions = SignallingOptions()
    ) throws -> (TreeService, [Announcement]) {
        var harness = ChannelHarness(seed: 30, gateways: 2) { $0 = options }
        let crowd = try makeCrowd(&harness, viewers: viewers)
        let arrivals = try crowd.ids.map { id in
            let client = try #require(harness.gateways[crowd.gateway(of: id)].clients[id])
            return Announcement(socket: id, address: 7, standing: try #require(client.standing?.value))
        }
        let random = SeededGenerator(seed: 31)
        return (TreeService(options: options, security: .test(), slots: SlotTenures(all: 2), random: random), arrivals)
    }

    /// What is said to the gateway, in short.
    private func announce(_ arrivals: [Announcement], to service: inout TreeService, by gateway: UInt32 = 0) -> [String]
    {
        arrivals.flatMap { arrival in
            service.handle(.told(.announce(arrival), by: GatewayID(gateway)), at: service.now)
            return drain(&service)
        }
    }

    private func drain(_ service: inout TreeService) -> [String] {
        var said: [String] = []
        while case .tell(let message, let gateway, _)? = service.nextOutput() {
            switch message {
            case .entered(let socket, _, _): said.append("\(gateway.number) entered \(socket)")
            case .left(let member): said.append("\(gateway.number) left \(member.socket)")
            case .replaced(let member): said.append("\(gateway.number) replaced \(member.socket)")
            case .refuse(let member, _, let error): said.append("\(gateway.number) \(error.code) \(member.socket)")
            case .emit(let member, let event, _): said.append("\(gateway.number) \(event.string) \(member.socket)")
            default: break
            }
        }
        return said
    }

    @Test("Who is announced twice is there once, and hears of it once")
    func twice() throws {
        var (service, arrivals) = try makeService(viewers: 1)
        #expect(announce([arrivals[0]], to: &service) == ["0 entered S"])
        #expect(announce([arrivals[0]], to: &service) == [])
        #expect(!announce([arrivals[1]], to: &service).isEmpty)
        #expect(announce([arrivals[1], arrivals[0]], to: &service) == [])
        #expect(service.peerCount == 2)
    }

    @Test("Who has come back by itself meanwhile keeps its newer socket, in whichever order the two are announced")
    func otherSocket() throws {
        var (service, arrivals) = try makeService(viewers: 1)
        var newer = arrivals[1]
        newer.socket = "newer"
        newer.token.ids.append("newer")
        var copy = service
        _ = announce([arrivals[0], newer], to: &service, by: 1)
        #expect(announce([arrivals[1]], to: &service) == ["0 replaced V0"])
        _ = announce([arrivals[0], arrivals[1]], to: &copy)
        let told = announce([newer], to: &copy, by: 1)
        #expect(told.contains("0 replaced V0") && told.contains("1 entered newer"))
        for service in [service, copy] {
            #expect(service.peerCount == 2)
            #expect(service.memberNumbers[newer.token.number].flatMap { service.members[$0] }?.id == "newer")
        }
    }

    @Test("Whoever was placed by an owner of a greater term gets its place back from the one that does not know of it")
    func fromGreaterTerm() throws {
        var (service, arrivals) = try makeService(viewers: 1)
        for position in arrivals.indices { arrivals[position].token.term = 3 }
        _ = announce(arrivals, to: &service)
        #expect(service.treeCount == 1 && service.peerCount == 2)
    }

    @Test("A tree that is over is not made anew, nor by whoever is of the same term or has no number")
    func refused() throws {
        var (service, arrivals) = try makeService(viewers: 1)
        var later = arrivals[1]
        later.token.term = 2
        var nobody = arrivals[1]
        nobody.token.number = 0
        for arrival in [later, nobody] {
            #expect(announce([arrival], to: &service) == ["0 not-a-member V0", "0 left V0"])
        }
        #expect(service.treeCount == 0)
        _ = announce([arrivals[0]], to: &service)
        service.handle(.told(.leave(arrivals[0].member), by: GatewayID(0)), at: service.now)
        _ = drain(&service)
        #expect(announce([arrivals[1]], to: &service) == ["0 not-a-member V0", "0 left V0"])
        // Originals would not understand a word.
        var original = arrivals[1]
        original.isNative = false
        #expect(announce([original], to: &service) == ["0 left V0"])
        #expect(announce([arrivals[0]], to: &service) == ["0 not-a-member S", "0 left S"])
        #expect(service.treeCount == 0 && service.peerCount == 0)
    }

    @Test("Who waits for a tree is let in with the first of its members that is announced")
    func waiting() throws {
        var harness = ChannelHarness(seed: 32) { $0.restorationWait = .seconds(100) }
        var crowd = Crowd()
        try crowd.create("S", isNative: true, &harness)
        let gateway = 1 - crowd.gateway(of: "S")
        harness.replaceTrees()
        harness.connect("V", at: gateway)
        harness.emit(
            "V",
            "simple-signal[discover]",
            ["treeID": .string(crowd.tree), "peerTree": ["v": 2]],
            at: gateway
        )
        harness.deliverUp(of: gateway)
        #expect(harness.trees.waitingCount == 1)
        harness.settle()
        #expect(harness.discoveries("V").last?["peers"] == ["S"])
        #expect(harness.disagreements == [])
    }
}

extension ClaimedPlace {
    /// As a client says it.
    var json: JSONValue {
        func neighbour(_ neighbour: Neighbour) -> JSONObject {
            var value: JSONObject = ["stripe": JSONValue(neighbour.stripe), "id": .string(neighbour.id)]
            value["session"] = neighbour.sessionID.map { .string($0) }
            return value
        }
        let parents = parents.sorted { $0.key < $1.key }.compactMap { _, parent -> JSONValue? in
            guard var value = parent.neighbour.map(neighbour) else { return nil }
            value["epoch"] = JSONValue(parent.epoch)
            return .object(value)
        }
        return ["parents": .array(parents), "children": .array(children.map { .object(neighbour($0)) })]
    }
}

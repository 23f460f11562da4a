import JSON
import PeerTreeCore
import StateMachine
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// The service of the trees and the source's socket are gone at once: viewers' gateways tell the next service of them.
@Suite("Trees whose source has no socket", .timeLimit(.minutes(5)))
struct AbsentSourceTests {
    private func makeCrowd(
        _ harness: inout ChannelHarness,
        viewers: Int = 14,
        _ extra: JSONObject = [:]
    ) throws -> Crowd {
        var crowd = Crowd()
        try crowd.create("S", isNative: true, &harness, extra: extra)
        for number in 0..<viewers { try crowd.join("V\(number)", isNative: true, &harness) }
        for _ in 0..<40 {
            harness.wait(.milliseconds(500))
            crowd.settle(&harness)
        }
        crowd.forget()
        return crowd
    }

    /// The parents of a socket's member, by the ids they have now.
    private func parents(of socket: String, _ trees: TreeService) throws -> [String?] {
        let peer = try #require(trees.memberIDs[socket])
        return try (0..<(trees.members[peer]?.stripes ?? 0)).map { stripe in
            try trees.tracker.parent(of: peer, stripe: stripe).flatMap { trees.members[$0]?.id }
        }
    }

    /// The service is gone, and with it the gateway that has the source.
    ///
    /// - Returns: who was at that gateway, and where each of them was.
    private func loseSource(_ harness: inout ChannelHarness, _ crowd: Crowd) throws -> [String: Standing] {
        let gateway = crowd.gateway(of: "S")
        let lost = harness.gateways[gateway].clients.compactMapValues { $0.standing?.value }
        harness.replaceTrees()
        harness.replaceGateway(gateway)
        return lost
    }

    /// Somebody comes back by itself with its token, and says where it is.
    private func comeBack(_ id: String, _ standing: Standing, _ place: ClaimedPlace, _ harness: inout ChannelHarness) {
        harness.connect(id + "'")
        let native: JSONValue = [
            "v": 2, "resume": .string(standing.token.text(signedBy: .test())), "place": place.json,
        ]
        harness.emit(id + "'", "simple-signal[discover]", ["peerTree": native])
    }

    @Test(
        "Newcomers have places below its children at once, and it has its children when it is back",
        arguments: [1, 5]
    )
    func newcomers(stripes: Int) throws {
        for seed in 0..<20 as Range<UInt64> {
            let comment: Comment = "seed \(seed), \(stripes) stripes"
            var harness = ChannelHarness(seed: seed) { $0.tracker.childrenPerPeer = 4 }
            let extra: JSONObject = stripes == 5 ? ["stripes": 5, "parity": 1] : [:]
            var crowd = try makeCrowd(&harness, extra)
            let before = Dictionary(
                uniqueKeysWithValues: try crowd.ids.map { ($0, try parents(of: $0, harness.trees)) }
            )
            let lost = try loseSource(&harness, crowd)
            crowd.settle(&harness)
            let stayed = crowd.ids.filter { lost[$0] == nil }
            for id in stayed {
                for (now, was) in zip(try parents(of: id, harness.trees), before[id] ?? []) where was == "S" {
                    #expect(now == "S", comment)
                }
            }
            for number in 0..<3 {
                let id = "N\(number)" + (crowd.gateway(of: "N\(number)") == crowd.gateway(of: "S") ? "a" : "")
                try crowd.join(id, isNative: true, &harness)
                let found = try parents(of: id, harness.trees)
                #expect(!found.contains("S") && found.count { $0 == nil } <= stripes / 5, comment)
            }
            let source = try #require(lost["S"])
            comeBack("S", source, source.place, &harness)
            crowd.settle(&harness)
            let back = harness.take("S'")
            #expect(!back.contains { $0.event == "peer-tree[child-gone]" }, comment)
            for id in stayed {
                for (now, was) in zip(try parents(of: id, harness.trees), before[id] ?? []) where was == "S" {
                    #expect(now == "S'", comment)
                }
                #expect(!crowd.events(id).contains("peer-tree[error]"), comment)
            }
            let child = try #require(stayed.first { before[$0]?.contains("S") ?? false })
            let signal: JSONValue = [
                "signal": ["candidate": [:]], "sessionId": .string("\(child) to S"), "target": "S",
            ]
            harness.emit(child, "simple-signal[signal]", signal, at: crowd.gateway(of: child))
            harness.settle()
            #expect(harness.take("S'").contains { $0.event == "simple-signal[signal]" }, comment)
            #expect(harness.disagreements == [], comment)
            harness.wait(.seconds(11))
            harness.settle()
            #expect(harness.trees.restoration.claims.isEmpty, comment)
            #expect(harness.trees.restoration.awaitedParents.isEmpty, comment)
        }
    }

    @Test("It lets in a child that it does not name, which its gateway knows, and keeps no slot for one that it has")
    func unnamed() throws {
        var harness = ChannelHarness(seed: 40) { $0.tracker.childrenOfSource = 3 }
        let crowd = try makeCrowd(&harness, viewers: 3)
        let lost = try loseSource(&harness, crowd)
        harness.settle()
        let stayed = crowd.ids.filter { lost[$0] == nil }
        try #require(!stayed.isEmpty)
        let source = try #require(lost["S"])
        let named = source.place.children.filter { $0.id != stayed[0] }
        try #require(named.count == 2)
        comeBack("S", source, ClaimedPlace(parents: [:], children: named), &harness)
        harness.settle()
        #expect(harness.isParent("S'", of: stayed[0]))
        let admitted = harness.take("S'").filter { $0.event == "peer-tree[admit]" }.map { $0.payload["id"] }
        #expect(admitted.contains(.string(stayed[0])))
        // Those of the gateway that is gone have their slots kept, and no more than those.
        for (id, standing) in lost.sorted(by: { $0.key < $1.key }) where id != "S" {
            comeBack(id, standing, standing.place, &harness)
        }
        harness.settle()
        #expect(lost.keys.allSatisfy { $0 == "S" || harness.isParent("S'", of: $0 + "'") })
        #expect(harness.disagreements == [])
    }

    @Test("Nobody is its child by his own word alone, while it is away nor when it is back")
    func ownWord() throws {
        var harness = ChannelHarness(seed: 41)
        let crowd = try makeCrowd(&harness, viewers: 6)
        let lost = try loseSource(&harness, crowd)
        harness.settle()
        let liar = try #require(lost.keys.sorted().first { $0 != "S" })
        let standing = try #require(lost[liar])
        comeBack(liar, standing, standing.place, &harness)
        harness.settle()
        #expect(harness.isParent(nil, of: liar + "'"))
        let source = try #require(lost["S"])
        let named = source.place.children.filter { $0.id != liar }
        comeBack("S", source, ClaimedPlace(parents: [:], children: named), &harness)
        harness.settle()
        // It has a place like anybody else.
        let assigned = harness.take(liar + "'").filter { $0.event == "peer-tree[assign]" }
        #expect(assigned.map { $0.payload["reason"] } == ["parent-lost"])
        #expect(harness.disagreements == [])
    }

    @Test("What somebody else is called is not taken for its name")
    func name() throws {
        var harness = ChannelHarness(seed: 42)
        let crowd = try makeCrowd(&harness, viewers: 2)
        let arrivals = try crowd.ids.map { id in
            let client = try #require(harness.gateways[crowd.gateway(of: id)].clients[id])
            return Announcement(socket: id, address: 7, standing: try #require(client.standing?.value))
        }
        var service = TreeService(
            options: SignallingOptions(),
            security: .test(),
            slots: SlotTenures(all: 2),
            random: SeededGenerator(seed: 43)
        )
        var second = arrivals[2]
        let claimed = ClaimedPlace.Neighbour(stripe: 0, id: "V0", sessionID: nil)
        second.place = ClaimedPlace(parents: [0: .init(neighbour: claimed, epoch: 3, isSource: true)], children: [])
        for arrival in [arrivals[1], second] {
            service.handle(.told(.announce(arrival), by: GatewayID(0)), at: service.now)
        }
        let source = try #require(service.trees.values.first?.source)
        #expect(service.members[source]?.ids == ["S"])
        #expect(try service.tracker.parent(of: #require(service.memberIDs["V1"])) != source)
    }

    @Test("An original wish for its unsigned tree does not make its stand-in a member")
    func repeatedWish() throws {
        var harness = ChannelHarness(seed: 44)
        let crowd = try makeCrowd(&harness, viewers: 4)
        let lost = try loseSource(&harness, crowd)
        harness.settle()
        let entry = Entry(
            wish: Wish(socket: "S", number: 1),
            tree: crowd.tree,
            address: 7,
            request: try DiscoverRequest(["createNew": true, "peerTree": ["v": 2]], options: SignallingOptions())
        )
        var service = harness.trees
        service.handle(.told(.enter(entry), by: GatewayID(0)), at: harness.now)
        var refusals: [String] = []
        while case .tell(let message, _, _)? = service.nextOutput() {
            if case .refused(_, let error) = message { refusals.append(error.code) }
        }
        #expect(refusals == ["tree-exists"] && lost["S"] != nil)
    }
}

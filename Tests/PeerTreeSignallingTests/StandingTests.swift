import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

/// What a gateway knows of a member's place from what passed by.
@Suite("Standings", .timeLimit(.minutes(5)))
struct StandingTests {
    private let options = SignallingOptions()

    private func makeStanding(place: ClaimedPlace = ClaimedPlace(), isNative: Bool = true) -> Standing {
        let token = ResumeToken(
            term: 1,
            number: 7,
            expiry: 9,
            isSource: false,
            isEncrypted: false,
            layout: StripeLayout(stripes: 4, parity: 1),
            interiorStripe: 0,
            capacity: 4,
            sourceCapacity: 10,
            treeID: "tree",
            ids: ["me"]
        )
        return Standing(token: token, isNative: isNative, agent: "A 1", place: place)
    }

    /// Stripe, id, session and epoch of each parent, in the order of stripes.
    private func parents(_ standing: Standing) -> [String] {
        standing.place.parents.sorted { $0.key < $1.key }.map { stripe, parent in
            "\(stripe) \(parent.neighbour?.id ?? "nobody") \(parent.neighbour?.sessionID ?? "-") \(parent.epoch)"
        }
    }

    private func children(_ standing: Standing) -> [String] {
        standing.place.children.map { "\($0.stripe) \($0.id) \($0.sessionID ?? "-")" }
    }

    private func answer(_ parents: [JSONValue]) -> JSONValue {
        [
            "id": "me",
            "discoveryData": ["peers": [], "treeID": "tree", "peerTree": ["v": 2, "parents": .array(parents)]],
        ]
    }

    @Test("A parent is the source while the last that was said of it is that the member is on the first level")
    func sourceByDepth() {
        func sources(_ standing: Standing) -> [Int] {
            standing.place.parents.filter { $0.value.isSource }.keys.sorted()
        }
        var standing = makeStanding(place: ClaimedPlace(parents: [0: .init(neighbour: nil, epoch: 1)], children: []))
        standing.told(
            .discover,
            answer([
                ["stripe": 0, "id": "S", "epoch": 1, "depth": 1], ["stripe": 2, "id": "Q", "epoch": 3, "depth": 2],
            ])
        )
        #expect(sources(standing) == [0])
        standing.told(.assign, ["stripe": 2, "parent": "S", "epoch": 4, "depth": 1])
        #expect(sources(standing) == [0, 2])
        standing.told(.assign, ["stripe": 2, "parent": "Q", "epoch": 5, "depth": 3])
        #expect(sources(standing) == [0])
        standing.told(.assign, ["stripe": 1, "parent": nil, "epoch": 1, "depth": 1])
        standing.said(.orphaned, ["stripe": 0, "epoch": 1, "reason": "closed"], options: options)
        #expect(sources(standing).isEmpty)
    }

    @Test("Parents are those of the last answer and of assignments since, with their newest epochs")
    func parentsOfAnswers() {
        var standing = makeStanding()
        standing.told(
            .discover,
            answer([["stripe": 0, "id": "P", "epoch": 1], ["stripe": 2, "id": "Q", "epoch": 3]])
        )
        #expect(parents(standing) == ["0 P - 1", "2 Q - 3"])
        standing.told(.assign, ["stripe": 2, "parent": nil, "epoch": 4])
        standing.told(.assign, ["stripe": 1, "parent": "P", "epoch": 1])
        #expect(parents(standing) == ["0 P - 1", "1 P - 1", "2 nobody - 4"])
        standing.told(.discover, ["id": "me", "discoveryData": ["err": "no"]])
        #expect(parents(standing).count == 3)
        standing.told(.discover, answer([["stripe": 1, "id": "R", "epoch": 2]]))
        #expect(parents(standing) == ["1 R - 2"])
    }

    @Test("A link has the session of the newest offer, in every stripe, until that is rejected")
    func sessions() {
        var standing = makeStanding()
        standing.told(.assign, ["stripe": 0, "parent": "P", "epoch": 1])
        standing.said(.offer, ["target": "P", "sessionId": "a"], options: options)
        standing.said(.offer, ["target": "stranger", "sessionId": "b"], options: options)
        standing.told(.assign, ["stripe": 1, "parent": "P", "epoch": 1])
        standing.told(.assign, ["stripe": 0, "parent": "P", "epoch": 2])
        #expect(parents(standing) == ["0 P a 2", "1 P a 1"])
        standing.said(.offer, ["target": "P", "sessionId": "c"], options: options)
        #expect(parents(standing) == ["0 P c 2", "1 P c 1"])
        let tooLong = JSONValue.string(String(repeating: "x", count: 129))
        standing.said(.offer, ["target": "P", "sessionId": tooLong], options: options)
        standing.said(.offer, nil, options: options)
        #expect(parents(standing) == ["0 P c 2", "1 P c 1"])
        standing.told(.admit, ["stripe": 3, "id": "C"])
        standing.told(.offer, ["initiator": "C", "sessionId": "d"])
        standing.told(.admit, ["stripe": 3, "id": "C"])
        standing.told(.admit, ["stripe": 2, "id": "C"])
        standing.told(.admit, ["stripe": 2, "id": "O", "whole": true])
        #expect(standing.place.children.filter(\.isWhole).map(\.id) == ["O"])
        standing.told(.childGone, ["stripe": 2, "id": "O"])
        #expect(children(standing) == ["3 C d", "2 C d"])
        standing.told(.reject, ["sessionId": "c"])
        standing.said(.reject, ["sessionId": "d"], options: options)
        #expect(parents(standing) == ["0 P - 2", "1 P - 1"])
        #expect(children(standing) == ["3 C -", "2 C -"])
    }

    @Test("A lost parent is none any more, unless the report is of an earlier one; a lost child likewise")
    func losses() {
        var standing = makeStanding()
        standing.told(.assign, ["stripe": 0, "parent": "P", "epoch": 5])
        standing.told(.assign, ["stripe": 1, "parent": "P", "epoch": 6])
        standing.said(.orphaned, ["stripe": 0, "epoch": 4, "reason": "closed"], options: options)
        standing.said(.attached, ["stripe": 0, "epoch": 5], options: options)
        #expect(parents(standing) == ["0 P - 5", "1 P - 6"])
        standing.said(.orphaned, ["stripe": 0, "epoch": 5, "reason": "closed"], options: options)
        standing.said(.promoted, ["stripe": 1, "epoch": 6, "standby": "B"], options: options)
        #expect(parents(standing) == ["0 nobody - 5", "1 nobody - 6"])
        for child in ["C", "D", "E"] { standing.told(.admit, ["stripe": 0, "id": .string(child)]) }
        standing.said(.childLost, ["id": "C"], options: options)
        standing.told(.childGone, ["stripe": 1, "id": "D"])
        standing.told(.childGone, ["stripe": 0, "id": "E"])
        #expect(children(standing) == ["0 D -"])
    }

    @Test("A standby that becomes the parent keeps its session, and so does a ward that becomes a child")
    func standbys() {
        var standing = makeStanding()
        standing.told(.standby, ["id": "B"])
        standing.said(.offer, ["target": "B", "sessionId": "b"], options: options)
        standing.told(.admit, ["id": "W", "kind": "standby"])
        standing.told(.admit, ["id": "X", "kind": "standby"])
        standing.told(.offer, ["initiator": "W", "sessionId": "w"])
        #expect(parents(standing) == [] && children(standing) == [])
        standing.told(.childGone, ["id": "X", "kind": "standby"])
        standing.told(.admit, ["id": "X", "stripe": 0])
        standing.told(.admit, ["id": "W", "stripe": 0])
        standing.told(.assign, ["stripe": 0, "parent": "B", "epoch": 1])
        #expect(parents(standing) == ["0 B b 1"])
        #expect(children(standing) == ["0 X -", "0 W w"])
    }

    @Test("An original client's parent is the first of its answer, and its children those that its gateway noted")
    func originals() {
        var standing = makeStanding(isNative: false)
        standing.told(.discover, ["id": "me", "discoveryData": ["peers": ["P"], "treeID": "tree"]])
        standing.said(.offer, ["target": "P", "sessionId": "a"], options: options)
        standing.told(.admit, ["id": "C", "stripe": 0])
        #expect(parents(standing) == ["0 P a 0"])
        #expect(children(standing) == ["0 C -"])
    }

    @Test("Who has come back by itself is where it said it was, until it is told something else")
    func claimed() throws {
        let value = try JSONValue(
            parsing: """
                {"parents":[{"stripe":1,"id":"P","epoch":3,"session":"a"},{"stripe":0,"id":"Q","epoch":2}],
                "children":[{"stripe":0,"id":"C","session":"c"},{"stripe":999,"id":"D"}]}
                """
        )
        let place = try ClaimedPlace(Payload(value, options: options))
        var standing = makeStanding(place: place)
        #expect(parents(standing) == ["0 Q - 2", "1 P a 3"])
        standing.told(.discover, answer([["stripe": 1, "id": "P", "epoch": 4]]))
        #expect(parents(standing) == ["1 P a 4"])
        #expect(children(standing) == ["0 C c"])
    }

    @Test("Whatever a member is told or says, its standing stays small")
    func bounded() {
        var standing = makeStanding()
        for number in 0..<5_000 {
            let id = JSONValue.string("C\(number)")
            standing.told(.admit, ["id": id, "stripe": 0])
            standing.told(.admit, ["id": id, "kind": "standby"])
            standing.told(.assign, ["parent": id, "stripe": JSONValue(number), "epoch": 1])
        }
        #expect(standing.place.parents.count <= 16)
        #expect(standing.place.children.count <= 1_169)
        for event in SignallingName.allCases {
            for payload: JSONValue in [nil, 1, [], [:], ["stripe": -1], ["id": 7, "stripe": 1e300], ["parents": 1]] {
                standing.told(event, payload)
                standing.said(event, payload, options: options)
                standing.told(event, ["discoveryData": ["treeID": "t", "peerTree": payload, "peers": payload]])
            }
        }
        #expect(standing.isLeaving)
    }
}

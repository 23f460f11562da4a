import JSON
import NIOCore
import NodeLinks
import PeerTreeCore
import PeerTreeSignalling
import PeerTreeSignallingWire
import Testing

@testable import PeerTreeCluster

@Suite("One node among the others", .timeLimit(.minutes(2)))
struct ClusterNodeTests {
    /// What a node has to say to another one, and to its server, in short.
    private struct Said {
        var frames: [NodeFrame] = []
        var inputs: [SignallingService.Input] = []
        var ownership: [SlotOwnership.Input] = []
        var toGateways: [LetterToGateway] = []
        var unlinked: [NodeName] = []
        var notices: [ClusterNotice] = []

        var lost: [NodeSession] {
            inputs.compactMap { input in
                guard case .lost(let session) = input else { return nil }
                return session
            }
        }

        var elsewhere: [LoadElsewhere] {
            inputs.compactMap { input in
                guard case .elsewhere(let load) = input else { return nil }
                return load
            }
        }

        var learned: [Slot: SlotOwner] {
            inputs.reduce(into: [:]) { all, input in
                if case .learned(let owners) = input { all.merge(owners) { $1 } }
            }
        }
    }

    private let slots = (0..<4).map { Slot(number: UInt16($0)) }
    private var node: ClusterNode
    private let other: NodeID
    private let name: NodeName
    private let session = NodeSession(1)

    init() throws {
        let me = try #require(NodeID(name: "a", run: 1))
        other = try #require(NodeID(name: "b", run: 2))
        name = try #require(NodeName("b"))
        node = ClusterNode(me, version: "1", options: SignallingOptions())
    }

    private func term(_ revision: Int64) -> SlotTerm { SlotTerm(incarnation: 1, revision: revision) }

    private func fence(_ slot: Int, _ revision: Int64) -> FencingToken {
        FencingToken(slot: slots[slot], term: term(revision))
    }

    private mutating func hear(_ inputs: ClusterNode.Input...) throws -> Said {
        var said = Said()
        for input in inputs {
            node.handle(input)
            while let output = node.nextOutput() {
                switch output {
                case .send(_, let bytes):
                    said.frames.append(try NodeFrame(written: bytes, options: SignallingOptions()))
                case .tell(let input): said.inputs.append(input)
                case .ownership(let input): said.ownership.append(input)
                case .toGateway(let letters, _, _): said.toGateways += letters
                case .unlink(let name): said.unlinked.append(name)
                case .noticed(let notice): said.notices.append(notice)
                case .link, .toTrees: break
                }
            }
        }
        return said
    }

    private func frame(_ frame: NodeFrame) -> ClusterNode.Input {
        .link(name, .received(ByteBuffer(bytes: frame.written())))
    }

    private func report(trees: UInt64 = 0, peers: UInt64 = 0) -> NodeReport {
        NodeReport(clients: 0, trees: trees, peers: peers, isConfirmed: false, isLeaving: false)
    }

    private mutating func meet() throws -> Said {
        var random = SystemRandomNumberGenerator()
        return try hear(
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .reachable),
            .link(name, .sessionStarted(LinkID(using: &random))),
            frame(.greeting(run: other.run, version: nil))
        )
    }

    @Test("A session begins with who the node is and all that it owns; what it comes to own later it names")
    mutating func greets() throws {
        let before = try hear(.ownership([.owns(slots[0], term(3)), .owns(slots[1], term(4))]))
        #expect(before.frames.isEmpty)
        let met = try meet()
        let slots = NodeFrame.owned([fence(0, 3), fence(1, 4)], inherited: [])
        #expect(met.frames == [.greeting(run: 1, version: "1"), slots, .report(report())])
        #expect(
            try hear(.ownership([.owns(self.slots[2], term(5))])).frames == [.owned([fence(2, 5)], inherited: [])]
        )
    }

    @Test("Whoever looks for who said what in which term is told what the node comes to own, and what no more")
    mutating func told() throws {
        let said = try hear(
            .ownership([.owns(slots[1], term(4)), .owns(slots[0], term(3))]),
            .ownership([.letsGo(slots[1])])
        )
        #expect(
            said.notices.map(\.description) == [
                "this node owns, as SLOT@INCARNATION.REVISION: 0@1.3 1@1.4", "this node lets go of slot 1",
            ]
        )
        #expect(said.notices.allSatisfy { $0.severity == .detail })
    }

    @Test("What it comes to own before the other node has greeted it names, too")
    mutating func namesEarly() throws {
        var random = SystemRandomNumberGenerator()
        _ = try hear(
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .sessionStarted(LinkID(using: &random)))
        )
        #expect(try hear(.ownership([.owns(slots[2], term(5))])).frames == [.owned([fence(2, 5)], inherited: [])])
    }

    @Test("Every part of the server has a slot before any of them hears who owns it")
    mutating func order() throws {
        let inputs = try hear(.ownership([.owns(slots[0], term(3))])).inputs
        guard case .took(let terms) = inputs.first, case .learned(let owners) = inputs.last, inputs.count == 2 else {
            return #expect(Bool(false), "\(inputs)")
        }
        #expect(terms == [slots[0]: term(3)])
        #expect(owners == [slots[0]: SlotOwner(.here, term: term(3))])
    }

    @Test("What another node owns is learned from itself, and the node's own ownership hears of the terms")
    mutating func learns() throws {
        _ = try meet()
        let said = try hear(frame(.owned([fence(0, 3)], inherited: [])))
        #expect(said.learned == [slots[0]: SlotOwner(session, term: term(3))])
        guard case .heard(let terms) = said.ownership.first else { return #expect(Bool(false)) }
        #expect(terms == [slots[0]: term(3)])
    }

    @Test("Before it has said which life of the node it is, nothing that a node says counts")
    mutating func strangers() throws {
        var random = SystemRandomNumberGenerator()
        let said = try hear(
            frame(.owned([fence(0, 3)], inherited: [])),
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .sessionStarted(LinkID(using: &random))),
            frame(.owned([fence(0, 3)], inherited: []))
        )
        #expect(said.learned.isEmpty)
        #expect(said.notices.contains { if case .unreadable = $0 { true } else { false } })
    }

    @Test(
        "What is said in the name of an owner that was replaced is left out, and it is told; a greater term is believed"
    )
    mutating func fences() throws {
        _ = try meet()
        _ = try hear(.ownership([.owns(slots[0], term(5))]))
        func letter(_ revision: Int64) -> LetterToGateway { LetterToGateway(fence: fence(0, revision), message: [1]) }
        let late = try hear(frame(.toGateway(to: 0, [letter(4), letter(3)])))
        #expect(late.toGateways.isEmpty)
        #expect(late.frames == [.heard(fence(0, 5))])
        let newer = try hear(frame(.toGateway(to: 0, [letter(6)])))
        #expect(newer.toGateways == [letter(6)])
        #expect(newer.learned == [slots[0]: SlotOwner(session, term: term(6))])
        #expect(try hear(frame(.owned([fence(0, 5)], inherited: []))).frames == [.heard(fence(0, 6))])
    }

    @Test("With its session everything of a node is lost; the next one is a new one, in the same terms")
    mutating func sessions() throws {
        _ = try meet()
        _ = try hear(frame(.owned([fence(0, 3)], inherited: [])))
        #expect(try hear(.link(name, .sessionEnded(.overflow, lost: 1..<2))).lost == [session])
        // What was for the session before goes nowhere.
        #expect(try hear(.send([1], to: session)).frames.isEmpty)
        let again = try meet()
        #expect(again.frames.first == .greeting(run: 1, version: "1"))
        #expect(
            try hear(frame(.owned([fence(0, 3)], inherited: []))).learned == [
                slots[0]: SlotOwner(NodeSession(2), term: term(3))
            ]
        )
    }

    @Test("A node without a lease is gone only when it cannot be reached either, whichever comes first")
    mutating func goes() throws {
        _ = try meet()
        let leaves = try hear(.ownership([.left(other)]))
        #expect(leaves.lost.isEmpty && leaves.unlinked.isEmpty)
        let gone = try hear(.link(name, .unreachable(since: .now())))
        #expect(gone.lost == [session])
        #expect(gone.unlinked == [name])
        let session = NodeSession(2)
        _ = try meet()
        #expect(try hear(.link(name, .unreachable(since: .now()))).lost.isEmpty)
        #expect(try hear(.ownership([.left(other)])).lost == [session])
    }

    @Test("The server hears what all others have together, when that changes, and until they are gone")
    mutating func load() throws {
        _ = try meet()
        #expect(try hear(frame(.report(report()))).elsewhere == [])
        let load = LoadElsewhere(trees: 2, peers: 30)
        #expect(try hear(frame(.report(report(trees: 2, peers: 30)))).elsewhere == [load])
        #expect(try hear(frame(.report(report(trees: 2, peers: 30)))).elsewhere == [])
        // Its trees are where they were, whether it can be reached or not.
        #expect(try hear(.link(name, .unreachable(since: .now()))).elsewhere == [])
        #expect(try hear(.link(name, .sessionEnded(.overflow, lost: 1..<2))).elsewhere == [])
        #expect(try hear(.ownership([.left(other)])).elsewhere == [.none])
        _ = try meet()
        let most = try hear(frame(.report(report(trees: .max, peers: .max)))).elsewhere
        #expect(most == [LoadElsewhere(trees: .max, peers: .max)])
    }

    @Test("What the others have is listed as they said; those that cannot be reached are named")
    mutating func list() throws {
        _ = try meet()
        #expect(node.listElsewhere.missing == ["b"])
        let tree = DashboardTree(treeID: "c0123456789abcdefghijklmn", viewers: 29, depth: 3)
        var said = report(trees: 2, peers: 30)
        said.largest = [tree]
        _ = try hear(frame(.report(said)))
        #expect(node.listElsewhere == TreeList(clients: 0, treeCount: 2, peers: 30, largest: [tree]))
        _ = try hear(.link(name, .unreachable(since: .now())))
        #expect(node.listElsewhere == TreeList(clients: 0, treeCount: 0, peers: 0, largest: [], missing: ["b"]))
        #expect(node.status.json["peers"] == 0)
        _ = try hear(.link(name, .reachable))
        #expect(node.listElsewhere.largest == [tree])
        #expect(node.status.json["peers"] == 30)
    }

    @Test("A node says what it has when it is asked to, and to whoever comes later")
    mutating func says() throws {
        let tree = DashboardTree(treeID: "c0123456789abcdefghijklmn", viewers: 29, depth: 3)
        let list = TreeList(clients: 31, treeCount: 1, peers: 30, largest: [tree])
        var said = report(trees: 1, peers: 30)
        (said.clients, said.largest) = (31, [tree])
        _ = try hear(.report(list))
        #expect(try meet().frames.last == .report(said))
        #expect(try hear(.report(list)).frames == [.report(said)])
    }

    @Test("What several nodes say is added up, however much it is")
    mutating func loads() throws {
        _ = try meet()
        _ = try hear(frame(.report(report(trees: .max, peers: 5))))
        let third = try #require(NodeID(name: "c", run: 3))
        let name = try #require(NodeName("c"))
        var random = SystemRandomNumberGenerator()
        func said(_ frame: NodeFrame) -> ClusterNode.Input {
            .link(name, .received(ByteBuffer(bytes: frame.written())))
        }
        let heard = try hear(
            .ownership([.joined(third, address: "127.0.0.1:7001")]),
            .link(name, .reachable),
            .link(name, .sessionStarted(LinkID(using: &random))),
            said(.greeting(run: third.run, version: nil)),
            said(.report(report(trees: 1, peers: 6)))
        )
        #expect(heard.elsewhere == [LoadElsewhere(trees: .max, peers: 11)])
    }

    @Test("What an operator watches is counted: terms that grow, sessions that end, what cannot be read")
    mutating func counts() throws {
        _ = try meet()
        for fences in [[fence(0, 3), fence(1, 3)], [fence(0, 3)], [fence(0, 4)], [fence(0, 2)]] {
            _ = try hear(frame(.owned(fences, inherited: [])))
        }
        _ = try hear(.unreadable(session, "a message"))
        _ = try hear(.link(nil, .refused(.wrongSecret, by: .this)))
        _ = try hear(.link(name, .sessionEnded(.overflow, lost: 1..<2)))
        #expect(node.counts == ClusterCounts(termChanges: 3, refusals: 1, lostSessions: 1, unreadable: 1))
    }

    @Test("Time counts as unconfirmed from the start to the first lease, and from the loss of one to the next")
    func unconfirmed() {
        func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
        var time = UnconfirmedTime(at: at(10))
        #expect(time.nanoseconds(at: at(12)) == 2_000_000_000)
        time.confirmed(true, at: at(13))
        #expect(time.nanoseconds(at: at(20)) == 3_000_000_000)
        time.confirmed(false, at: at(20))
        time.confirmed(false, at: at(21))
        #expect(time.nanoseconds(at: at(24)) == 7_000_000_000)
    }

    private func isTold(_ said: Said, _ isIt: (SignallingService.Input) -> Bool) -> Bool {
        said.inputs.contains(where: isIt)
    }

    private var snapshot: SlotSnapshot {
        var snapshot = SlotSnapshot()
        snapshot.gateways = [GatewayID(1), GatewayID(0, at: session), GatewayID(3, at: NodeSession(9))]
        snapshot.letters = [SlotSnapshot.Letter(.goingAway, gateway: 0)]
        return snapshot
    }

    @Test("A slot that is offered is frozen first, and what is known of it goes before the offer")
    mutating func givesAway() throws {
        _ = try meet()
        _ = try hear(.ownership([.owns(slots[0], term(3))]))
        let freezes = try hear(.ownership([.offer(slots[0], term(3), to: other)]))
        #expect(freezes.frames.isEmpty)
        #expect(isTold(freezes) { if case .freeze(slots[0]) = $0 { true } else { false } })
        let frozen = FrozenSlot(snapshot)
        let given = try hear(.frozen(fence(0, 3), frozen))
        let names = [
            GatewayName(node: ("a", 1), number: 1), GatewayName(node: ("b", 2), number: 0),
            GatewayName(node: nil, number: 3),
        ]
        #expect(
            given.frames == [.snapshot(fence(0, 3), gateways: names)] + frozen.parts.map { .piece(fence(0, 3), $0) }
                + [.offered(fence(0, 3))]
        )
        let kept = try hear(.ownership([.keeps(slots[0])]))
        #expect(isTold(kept) { if case .thaw(slots[0]) = $0 { true } else { false } })
        // Without a snapshot it is offered, too; and what comes too late is nobody's affair.
        _ = try hear(.ownership([.offer(slots[0], term(3), to: other)]))
        #expect(try hear(.frozen(fence(0, 3), nil)).frames == [.offered(fence(0, 3))])
        _ = try hear(.ownership([.letsGo(slots[0])]))
        #expect(try hear(.frozen(fence(0, 3), frozen)).frames.isEmpty)
    }

    @Test("When a session ends, what was to be offered stays; what was offered is frozen until etcd has withdrawn it")
    mutating func keepsWhatNobodyHeard() throws {
        _ = try meet()
        for slot in 0...1 {
            _ = try hear(
                .ownership([.owns(slots[slot], term(3))]),
                .ownership([.offer(slots[slot], term(3), to: other)])
            )
        }
        _ = try hear(.frozen(fence(1, 3), FrozenSlot(snapshot)))
        let over = try hear(.link(name, .sessionEnded(.overflow, lost: 1..<2)))
        #expect(isTold(over) { if case .thaw(slots[0]) = $0 { true } else { false } })
        // The other node may have what it needs, and take the slot as it was then.
        #expect(!isTold(over) { if case .thaw(slots[1]) = $0 { true } else { false } })
        let kept = try hear(.ownership([.owns(slots[1], term(4)), .keeps(slots[1])]))
        #expect(isTold(kept) { if case .took(let terms) = $0 { terms == [slots[1]: term(4)] } else { false } })
    }

    /// Hears of a slot of the other node all that there is.
    private mutating func receive(_ term: Int64 = 3) throws {
        _ = try meet()
        let names = [GatewayName(node: ("a", 1), number: 1), GatewayName(node: ("b", 2), number: 0)]
        _ = try hear(
            frame(.owned([fence(0, 3)], inherited: [])),
            frame(.snapshot(fence(0, term), gateways: names + [GatewayName(node: ("b", 9), number: 0)]))
        )
        for part in snapshot.written() { _ = try hear(frame(.piece(fence(0, term), part))) }
    }

    private func inherited(_ said: Said) -> SlotSnapshot? {
        said.inputs.lazy.compactMap { if case .inherited(_, let snapshot) = $0 { snapshot } else { nil } }.first
    }

    @Test(
        "What was received of a slot is told between that it is this node's and who owns it, and all nodes hear of that"
    )
    mutating func inherits() throws {
        try receive()
        let said = try hear(.ownership([.owns(slots[0], term(5))]))
        guard said.inputs.count == 3, case .took = said.inputs[0], case .learned(let owners) = said.inputs[2] else {
            return #expect(Bool(false), "\(said.inputs)")
        }
        var expected = snapshot
        // Another life of the other node has no sockets here.
        expected.gateways = [GatewayID(1), GatewayID(0, at: session), nil]
        #expect(inherited(said) == expected)
        #expect(owners == [slots[0]: SlotOwner(.here, term: term(5), inherited: term(3))])
        #expect(said.frames == [.owned([fence(0, 5)], inherited: [fence(0, 3)])])
        #expect(node.counts.inherited == 1)
    }

    @Test("What was declined, or is of a session that is over, or of another term than the owner's, is of no use")
    mutating func inheritsNothing() throws {
        try receive()
        _ = try hear(.ownership([.decline(slots[0], term(3), to: other)]))
        #expect(inherited(try hear(.ownership([.owns(slots[0], term(5)), .letsGo(slots[0])]))) == nil)
        try receive(7)
        #expect(inherited(try hear(.ownership([.owns(slots[0], term(9)), .letsGo(slots[0])]))) == nil)
        try receive()
        _ = try hear(.link(name, .sessionEnded(.overflow, lost: 1..<2)))
        #expect(inherited(try hear(.ownership([.owns(slots[0], term(11))]))) == nil)
    }

    @Test("Who takes a slot back that was its own all the time knows what it knew")
    mutating func takesBack() throws {
        _ = try meet()
        _ = try hear(.ownership([.owns(slots[0], term(3))]))
        #expect(
            try hear(.ownership([.owns(slots[0], term(4))])).frames
                == [.owned([fence(0, 4)], inherited: [fence(0, 3)])]
        )
    }

    @Test("Whatever bytes another node sends, the node takes them or leaves them out")
    mutating func rubbish() throws {
        _ = try meet()
        for length in 0..<200 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ length) }
            _ = try hear(.link(name, .received(ByteBuffer(bytes: bytes))))
        }
        #expect(try hear(frame(.owned([fence(1, 2)], inherited: []))).learned.count == 1)
    }
}

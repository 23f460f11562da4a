import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// A tree service that has some slots, and others not, and not for ever.
@Suite("Slots of a tree service", .timeLimit(.minutes(5)))
struct SlotTests {
    private let gateway = GatewayID(1)
    private var options: SignallingOptions {
        var options = SignallingOptions()
        options.restorationWait = .seconds(5)
        return options
    }

    private func makeService(_ slots: SlotTenures) -> TreeService {
        TreeService(options: options, security: .test(), slots: slots, random: SeededGenerator(seed: 3))
    }

    private func tree(_ number: Int) -> String {
        "c" + String(repeating: "0", count: 22) + String(number + 10)
    }

    private func entry(
        _ socket: String,
        _ tree: String,
        makes: Bool = false,
        token: ResumeToken? = nil
    ) throws -> ToTree {
        let request: JSONValue =
            makes ? ["createNew": true, "peerTree": ["v": 2]] : ["treeID": .string(tree), "peerTree": ["v": 2]]
        return .enter(
            Entry(
                wish: Wish(socket: socket, number: 1),
                tree: tree,
                address: nil,
                request: try DiscoverRequest(request, options: options),
                token: token
            )
        )
    }

    /// What is said in answer, and in whose name.
    private func say(
        _ input: TreeService.Input,
        to service: inout TreeService,
        at now: Instant = .zero
    ) -> [(message: ToGateway, fence: FencingToken)] {
        service.handle(input, at: now)
        var said: [(ToGateway, FencingToken)] = []
        while case .tell(let message, _, let fence)? = service.nextOutput() { said.append((message, fence)) }
        return said
    }

    private func token(_ said: [(message: ToGateway, fence: FencingToken)]) -> ResumeToken? {
        said.lazy.compactMap { if case .entered(_, _, let token) = $0.message { token } else { nil } }.first
    }

    @Test("Of a tree in a slot that it has not it takes nothing and says nothing")
    func others() throws {
        var service = makeService(SlotTenures())
        #expect(say(.told(try entry("S", tree(1), makes: true), by: gateway), to: &service).isEmpty)
        #expect(service.treeCount == 0)
        let question = ToTree.asked(tree: tree(1), watcher: 1, .watch(tree: tree(1)))
        #expect(say(.told(question, by: gateway), to: &service).isEmpty)
    }

    @Test("What it says carries the slot and its term, and so do the tokens that it gives")
    func terms() throws {
        var service = makeService(SlotTenures())
        let slots = [tree(1), tree(2)].map { Slot(ofTree: $0) }
        #expect(slots[0] != slots[1])
        _ = say(.took([slots[0]: 7, slots[1]: 9]), to: &service)
        for (number, term) in [(0, 7), (1, 9)] as [(Int, SlotTerm)] {
            let said = say(.told(try entry("S\(number)", tree(number + 1), makes: true), by: gateway), to: &service)
            #expect(said.count >= 3)
            #expect(said.allSatisfy { $0.fence == FencingToken(slot: slots[number], term: term) })
            #expect(token(said)?.term == term)
        }
        // A greater term of what it has goes on with what is there; a smaller one is out of date.
        _ = say(.took([slots[0]: 11, slots[1]: 8]), to: &service)
        #expect(service.treeCount == 2)
        let first = say(.told(try entry("V", tree(1)), by: gateway), to: &service)
        #expect(first.last?.fence.term == 11)
        #expect(token(first)?.term == 11)
        let second = say(.told(try entry("W", tree(2)), by: gateway), to: &service)
        #expect(second.last?.fence.term == 9)
    }

    @Test("Of a slot that it lets go of nothing stays, and nobody is told; the other slots' trees go on")
    func letsGo() throws {
        var service = makeService(SlotTenures(all: 1))
        for number in 1...2 {
            _ = say(.told(try entry("S\(number)", tree(number), makes: true), by: gateway), to: &service)
            _ = say(.told(try entry("V\(number)", tree(number)), by: gateway), to: &service)
        }
        let slot = Slot(ofTree: tree(1))
        #expect(say(.letGo([slot]), to: &service).isEmpty)
        #expect(service.treeCount == 1)
        #expect(service.peerCount == 2)
        #expect(Set(service.memberIDs.keys) == ["S2", "V2"])
        #expect(!service.restoration.endedTrees.contains(tree(1)))
        #expect(say(.told(try entry("W", tree(1)), by: gateway), to: &service).isEmpty)
        #expect(say(.deadlineReached, to: &service, at: .zero + .seconds(60)).allSatisfy { $0.fence.slot != slot })
    }

    @Test("Who was restored in a term and has left is not restored by its old token; in the term after the next, he is")
    func comesBack() throws {
        var service = makeService(SlotTenures(all: 1))
        let made = say(.told(try entry("S", tree(1), makes: true), by: gateway), to: &service)
        let joined = say(.told(try entry("V", tree(1)), by: gateway), to: &service)
        let (source, viewer) = (try #require(token(made)), try #require(token(joined)))
        let slot = Slot(ofTree: tree(1))
        _ = say(.letGo([slot]), to: &service)
        _ = say(.took([slot: 2]), to: &service)
        for (socket, known) in [("S", source), ("V", viewer)] {
            #expect(token(say(.told(try entry(socket, tree(1), token: known), by: gateway), to: &service))?.term == 2)
        }
        _ = say(
            .told(.leave(MemberSocket(tree: tree(1), number: viewer.number, socket: "V")), by: gateway),
            to: &service
        )
        #expect(service.peerCount == 1)
        #expect(token(say(.told(try entry("V", tree(1), token: viewer), by: gateway), to: &service)) == nil)
        _ = say(.letGo([slot]), to: &service)
        _ = say(.took([slot: 3]), to: &service)
        #expect(token(say(.told(try entry("V", tree(1), token: viewer), by: gateway), to: &service))?.term == 3)
    }

    @Test("Each join waits for its tree from when the slot was taken, and not for a slot that is let go of")
    func waiting() throws {
        var service = makeService(SlotTenures())
        let slots = [tree(1), tree(2), tree(3)].map { Slot(ofTree: $0) }
        _ = say(.took([slots[0]: 1, slots[2]: 1]), to: &service)
        let later = Instant.zero + .seconds(3)
        _ = say(.took([slots[1]: 1]), to: &service, at: later)
        for number in 0..<3 {
            let said = say(.told(try entry("V\(number)", tree(number + 1)), by: gateway), to: &service, at: later)
            #expect(said.map(\.message) == [.waits(Wish(socket: "V\(number)", number: 1))])
        }
        #expect(say(.letGo([slots[2]]), to: &service, at: later).isEmpty)
        #expect(service.waitingCount == 2)
        for (number, seconds) in [(0, 5), (1, 8)] as [(Int, UInt64)] {
            let end = Instant.zero + .seconds(seconds)
            #expect(service.deadline == end)
            let said = say(.deadlineReached, to: &service, at: end).map(\.message)
            #expect(said == [.refused(Wish(socket: "V\(number)", number: 1), .unknownTree)])
        }
        #expect(service.deadline == nil)
    }

    @Test("The end of a tree is told where it was made, also if that gateway's node is another session by then")
    func origin() throws {
        let (before, after) = (GatewayID(0, at: NodeSession(1)), GatewayID(0, at: NodeSession(2)))
        var service = makeService(SlotTenures(all: 1))
        let made = say(.told(try entry("S", tree(1), makes: true), by: before), to: &service)
        let token = try #require(self.token(made))
        _ = say(.lost(before.node), to: &service)
        let source = Announcement(
            socket: "S",
            address: nil,
            isNative: true,
            token: token,
            place: ClaimedPlace(),
            agent: nil,
            key: nil
        )
        _ = say(.told(.announce(source), by: after), to: &service)
        service.handle(.told(.leave(source.member), by: after), at: .zero)
        var told: [GatewayID] = []
        while case .tell(let message, let gateway, _)? = service.nextOutput() {
            if message == .treeEnded(tree: tree(1)) { told.append(gateway) }
        }
        #expect(told == [after])
    }

    // MARK: Gateways

    private func makeGateway() -> Gateway {
        Gateway(options: options, security: .test(), random: SeededGenerator(seed: 4))
    }

    /// What is said to services, and which clients are told something.
    private func say(_ input: Gateway.Input, to gateway: inout Gateway) -> (
        up: [(ToTree, NodeSession?)], emits: [String]
    ) {
        gateway.handle(input, at: .zero)
        var (up, emits): ([(ToTree, NodeSession?)], [String]) = ([], [])
        while let output = gateway.nextOutput() {
            if case .send(let message, let service) = output { up.append((message, service)) }
            if case .emit(let id, let event, _) = output { emits.append("\(id) \(event)") }
        }
        return (up, emits)
    }

    private func member(_ socket: String, _ term: SlotTerm, in tree: String) -> ToGateway {
        let token = ResumeToken(
            term: term,
            number: 7,
            expiry: .max,
            isSource: false,
            isEncrypted: false,
            layout: .single,
            interiorStripe: 0,
            capacity: 4,
            sourceCapacity: 4,
            treeID: tree,
            ids: [socket]
        )
        return .entered(socket: socket, isNative: true, token)
    }

    @Test(
        "A gateway says nothing of a slot until it knows who has it; whoever waits is asked for then, and again elsewhere"
    )
    func learnsOwners() throws {
        var gateway = makeGateway()
        let slot = Slot(ofTree: tree(1))
        _ = say(.connected(id: "V", address: nil, token: nil), to: &gateway)
        let discover: JSONValue = ["treeID": .string(tree(1)), "peerTree": ["v": 2]]
        let asked = say(.event(id: "V", name: "simple-signal[discover]", arguments: [discover]), to: &gateway)
        #expect(asked.up.isEmpty && asked.emits.isEmpty)
        for (service, term) in [(3, 5), (4, 6)] as [(UInt32, SlotTerm)] {
            let told = say(.learned([slot: SlotOwner(NodeSession(service), term: term)]), to: &gateway).up
            #expect(told.map(\.1) == [NodeSession(service)])
            guard case .enter(let entry)? = told.first?.0 else { return #expect(Bool(false), "\(told)") }
            #expect(entry.wish == Wish(socket: "V", number: 1))
        }
        // Old news are none.
        #expect(say(.learned([slot: SlotOwner(NodeSession(3), term: 5)]), to: &gateway).up.isEmpty)
        #expect(say(.goingAway, to: &gateway).up.map(\.1) == [nil])
    }

    @Test("What an owner says that was replaced is passed over, and a greater term is believed before it is learned")
    func fences() throws {
        var gateway = makeGateway()
        let slot = Slot(ofTree: tree(1))
        _ = say(.connected(id: "V", address: nil, token: nil), to: &gateway)
        _ = say(.learned([slot: SlotOwner(NodeSession(3), term: 5)]), to: &gateway)
        func told(_ message: ToGateway, term: SlotTerm) -> [String] {
            say(.told(message, FencingToken(slot: slot, term: term)), to: &gateway).emits
        }
        let place = MemberSocket(tree: tree(1), number: 7, socket: "V")
        #expect(told(member("V", 5, in: tree(1)), term: 5).isEmpty)
        #expect(told(.emit(place, .suspect, ["id": "W"]), term: 5) == ["V peer-tree[suspect]"])
        #expect(told(.emit(place, .suspect, ["id": "W"]), term: 4).isEmpty)
        #expect(told(.replaced(place), term: 4).isEmpty)
        #expect(told(.emit(place, .suspect, ["id": "W"]), term: 6) == ["V peer-tree[suspect]"])
        #expect(told(.replaced(place), term: 6) == ["V peer-tree[error]"])
    }
}

import JSON
import PeerTreeCore
import PeerTreeSignalling
import Testing

@testable import PeerTreeSignallingWire

/// The form as `protoc --encode` writes it of the schema, so that neither can change unnoticed.
@Suite("The form of messages between nodes, byte for byte", .timeLimit(.minutes(5)))
struct GoldenTests {
    private let options = SignallingOptions()
    private let member = MemberSocket(tree: "t1", number: 0x102, socket: "s1")
    private let wish = Wish(socket: "s1", number: 2)
    private let error = SignallingError(code: "full", message: "Full.")

    private func expect(_ message: ToTree, _ digits: String) throws {
        #expect(Text(hexadecimal: message.written()) == Text(Array(digits.utf8)))
        let bytes = try #require(Text(Array(digits.utf8)).unhexed)
        #expect(try ToTree(written: bytes, options: options) == message)
    }

    private func expect(_ message: ToGateway, _ digits: String) throws {
        #expect(Text(hexadecimal: message.written()) == Text(Array(digits.utf8)))
        let bytes = try #require(Text(Array(digits.utf8)).unhexed)
        #expect(try ToGateway(written: bytes, options: options) == message)
    }

    private func request(
        createsTree: Bool = false,
        stripes: Int = 1,
        parity: Int = 0,
        proof: TreeProof? = nil,
        capacity: Int? = nil,
        resumeToken: String? = nil,
        agent: String? = nil,
        place: ClaimedPlace = ClaimedPlace()
    ) -> PeerTreeSignalling.DiscoverRequest {
        PeerTreeSignalling.DiscoverRequest(
            createsTree: createsTree,
            treeID: nil,
            isNative: true,
            stripes: stripes,
            parity: parity,
            isEncrypted: false,
            key: proof?.key,
            proof: proof,
            capacity: capacity,
            resumeToken: resumeToken,
            agent: agent,
            place: place
        )
    }

    @Test("A slot is frozen, and stays")
    func frozen() throws {
        try expect(ToTree.held(Slot(number: 1_023)), "520308ff07")
        try expect(ToGateway.hold, "7200")
        try expect(ToGateway.carryOn, "7a00")
    }

    @Test("A client comes back")
    func comesBack() throws {
        let parent = ClaimedPlace.Neighbour(stripe: 0, id: "p", sessionID: "x")
        let request = request(
            stripes: 5,
            parity: 1,
            capacity: 3,
            resumeToken: "r",
            agent: "Firefox 153",
            place: ClaimedPlace(
                parents: [0: .init(neighbour: parent, epoch: 2)],
                children: [.init(stripe: 1, id: "c", sessionID: nil)]
            )
        )
        let token = ResumeToken(
            term: SlotTerm(incarnation: 1, revision: 2),
            number: 2,
            expiry: 3,
            isSource: false,
            isEncrypted: true,
            layout: .ofMedia,
            interiorStripe: 0,
            capacity: 3,
            sourceCapacity: 4,
            treeID: "t1",
            ids: ["a", "b"]
        )
        let wish = Wish(socket: "s1", number: 300)
        try expect(
            .enter(Entry(wish: wish, tree: "t1", address: 7, request: request, token: token)),
            "0a7a0a070a02733110ac0212027431190700000000000000222b18012005280148035201725a0b46697265666f782031"
                + "353362110a0810021a0170220178120508011201632a350a120901000000000000001102000000000000001102000000"
                + "0000000018032801300538014000480350045a027431620161620162"
        )
    }

    @Test("A source makes a signed tree")
    func creates() throws {
        let key = try #require(SourceKey([UInt8](repeating: 1, count: SourceKey.length)))
        let signature = try #require(Signature([UInt8](repeating: 2, count: Signature.length)))
        let request = request(createsTree: true, proof: TreeProof(key: key, signature: signature, host: "h"))
        let wish = Wish(socket: "s1", number: 1)
        try expect(
            .enter(Entry(wish: wish, tree: "t1", address: nil, request: request)),
            "0a7d0a060a027331100112027431226f0801180120013a20" + String(repeating: "01", count: 32) + "42450a40"
                + String(repeating: "02", count: 64) + "120168"
        )
    }

    @Test("A gateway says where a member was")
    func announced() throws {
        let parent = ClaimedPlace.Neighbour(stripe: 0, id: "p", sessionID: "x")
        let announcement = Announcement(
            socket: "s1",
            address: 7,
            isNative: true,
            token: token,
            place: ClaimedPlace(
                parents: [0: .init(neighbour: parent, epoch: 2), 3: .init(neighbour: nil, epoch: 9)],
                children: [.init(stripe: 1, id: "c", sessionID: nil, isWhole: true)]
            ),
            agent: "Firefox 153",
            key: nil
        )
        try expect(
            .announce(announcement),
            "4a700a027331110700000000000000180122370a12090100000000000000110200000000000000110200000000000000"
                + "18032801300538014000480450055a02743162027330620273312a190a0810021a01702201780a040803100912070801"
                + "1201632001320b46697265666f7820313533"
        )
    }

    private var token: ResumeToken {
        ResumeToken(
            term: SlotTerm(incarnation: 1, revision: 2),
            number: 2,
            expiry: 3,
            isSource: false,
            isEncrypted: true,
            layout: .ofMedia,
            interiorStripe: 0,
            capacity: 4,
            sourceCapacity: 5,
            treeID: "t1",
            ids: ["s0", "s1"]
        )
    }

    @Test("What else goes to trees")
    func toTree() throws {
        try expect(.withdraw(tree: "t1", socket: "s1"), "12080a02743112027331")
        try expect(.release(member, for: wish), "1a1b0a110a0274311102010000000000001a02733112060a0273311002")
        try expect(
            .event(member, .status, ["lag": 1.5]),
            "2a220a110a0274311102010000000000001a02733110111a0b7b226c6167223a312e357d"
        )
        try expect(.asked(tree: "t1", watcher: -1, .look), "3a1108ffffffffffffffffff01120274312200")
        try expect(.goingAway, "4200")
    }

    @Test("What goes to gateways")
    func toGateway() throws {
        try expect(
            .entered(socket: "s1", isNative: true, token),
            "0a3f0a02733110011a370a12090100000000000000110200000000000000110200000000000000180328013005380140"
                + "00480450055a0274316202733062027331"
        )
        try expect(
            .renewed(member, token),
            "6a4c0a110a0274311102010000000000001a02733112370a120901000000000000001102000000000000001102000000"
                + "0000000018032801300538014000480450055a0274316202733062027331"
        )
        try expect(.answered(wish, hasMadeTree: true), "120a0a060a02733110021001")
        try expect(.refused(wish, error), "1a170a060a0273311002120d0a0466756c6c120546756c6c2e")
        try expect(
            .emit(member, .place, ["depth": 2]),
            "32220a110a0274311102010000000000001a027331100a1a0b7b226465707468223a327d"
        )
        try expect(
            .refuse(member, event: "e", error),
            "3a250a110a0274311102010000000000001a0273311201651a0d0a0466756c6c120546756c6c2e"
        )
        try expect(.probe(member), "42110a0274311102010000000000001a027331")
        try expect(.treeEnded(tree: "t1"), "5a040a027431")
    }

    @Test("What dashboards are told")
    func dashboards() throws {
        var activity = TreeActivity()
        activity.joins = 1
        activity.leaves = 2
        activity.repairs = 3
        activity.moves = 4
        activity.forgeries = 5
        let changed = DashboardChanges.Peer(
            label: "a",
            parents: ["b", nil],
            isAttached: true,
            isNative: true,
            isConnected: true,
            report: PeerReport(rate: 1, agent: "x")
        )
        let changes = DashboardChanges(
            sequence: 1,
            peers: [changed],
            gone: ["d"],
            isComplete: true,
            isOver: false,
            viewers: 2,
            activity: activity
        )
        try expect(
            .answer(watcher: 3, .changes(changes)),
            "623908031a350801121e0a016112030a01621200180120012801320c09000000000000f03f220178"
                + "1a0164200130023a0a08011002180320042805"
        )
        let peer = TreeShape.Peer(label: "b", parents: ["a"], depth: 1, isNative: true, isConnected: false)
        let shape = TreeShape(source: "a", stripes: 1, parity: 0, viewers: 1, depth: 1, peers: [peer])
        try expect(.answer(watcher: 3, .shape(shape)), "621b080322170a0161100120012801320c0a016212030a016118012001")
    }
}

import PeerTreeCore
import PeerTreeSignalling
import TestSupport
import Testing

@testable import PeerTreeSignallingWire

@Suite("Frames between nodes", .timeLimit(.minutes(2)))
struct NodeFrameTests {
    private let options = SignallingOptions()
    private static let fence = FencingToken(slot: Slot(number: 5), term: SlotTerm(incarnation: 1, revision: 2))

    /// As `protoc --encode` writes them of the schema.
    static let golden: [(NodeFrame, String)] = [
        (.greeting(run: 7, version: "1.2"), "0a0e0907000000000000001203312e32"),
        (
            .owned(
                [
                    FencingToken(slot: Slot(number: 3), term: SlotTerm(incarnation: 1, revision: 2)),
                    FencingToken(slot: Slot(number: 1_023), term: SlotTerm(incarnation: 1, revision: 4)),
                ],
                inherited: []
            ),
            "12310a16080312120901000000000000001102000000000000000a1708ff07121209010000000000000011040000000000"
                + "0000"
        ),
        (
            .toTrees(
                from: 1,
                [
                    LetterToTree(slot: Slot(number: 5), message: Array("ab".utf8)),
                    LetterToTree(slot: Slot(number: 0), message: Array("c".utf8)),
                ]
            ), "1a0f080112060805120261621203120163"
        ),
        (
            .toGateway(
                to: 2,
                [
                    LetterToGateway(
                        fence: FencingToken(slot: Slot(number: 5), term: SlotTerm(incarnation: 0, revision: 9)),
                        message: Array("ab".utf8)
                    )
                ]
            ), "2217080212130a0d0805120911090000000000000012026162"
        ),
        (
            .owned(
                [FencingToken(slot: Slot(number: 3), term: SlotTerm(incarnation: 1, revision: 2))],
                inherited: [FencingToken(slot: Slot(number: 3), term: SlotTerm(incarnation: 1, revision: 1))]
            ),
            "12300a1608031212090100000000000000110200000000000000121608031212090100000000000000110100000000000000"
        ),
        (
            .snapshot(
                fence,
                gateways: [GatewayName(node: ("a", 7), number: 1), GatewayName(node: nil, number: 2)]
            ), "4a2c0a1608051212090100000000000000110200000000000000120e0a0161110700000000000000180112021802"
        ),
        (.piece(fence, Array("ab".utf8)), "521c0a160805121209010000000000000011020000000000000012026162"),
        (.heard(fence), "2a1608051212090100000000000000110200000000000000"),
        (.offered(fence), "321608051212090100000000000000110200000000000000"),
        (.declined(fence), "3a1608051212090100000000000000110200000000000000"),
        (
            .report(NodeReport(clients: 3, trees: 1, peers: 300, isConfirmed: true, isLeaving: false)),
            "42090803100118ac022001"
        ),
        (
            .report(
                NodeReport(
                    clients: 3,
                    trees: 1,
                    peers: 300,
                    isConfirmed: true,
                    isLeaving: false,
                    largest: [DashboardTree(treeID: "c0123456789abcdefghijklmn", viewers: 299, depth: 4)]
                )
            ), "422b0803100118ac02200132200a1963303132333435363738396162636465666768696a6b6c6d6e10ab021804"
        ),
    ]

    @Test("The form of every kind, byte for byte", arguments: golden.indices)
    func form(number: Int) throws {
        let (frame, digits) = Self.golden[number]
        #expect(Text(hexadecimal: frame.written()) == Text(Array(digits.utf8)))
        let bytes = try #require(Text(Array(digits.utf8)).unhexed)
        #expect(try NodeFrame(written: bytes, options: options) == frame)
    }

    @Test(
        "What is out of bounds is refused, and named",
        arguments: [
            ("1202 0a00", nil),
            ("2a03 088008", "slot"),
            ("2a0e 0805 120a 09ffffffffffffffff 00", nil),
            ("2a0d 0805 1209 09ffffffffffffffff", "SlotTerm"),
            ("", "NodeFrame.frame"),
            ("4a00", "SnapshotHead.fence"),
            ("5200", "SnapshotPiece.fence"),
            ("5a00", "NodeFrame.frame"),
            ("0a0b 0901000000000000001200", "Greeting.version"),
            ("4207 3205 0a033c623e", "ListedTree.id"),
            (
                "4228 3226 0a1963303132333435363738396162636465666768696a6b6c6d6e 10ffffffffffffffffff01",
                "ListedTree.viewers"
            ),
            ("42ca01" + String(repeating: "3200", count: 101), "NodeReport.largest"),
        ] as [(String, String?)]
    )
    func outOfBounds(digits: String, field: String?) throws {
        let bytes = try #require(Text(digits.utf8.filter { $0 != UInt8(ascii: " ") }).unhexed)
        do throws(WrittenFormError) {
            let frame = try NodeFrame(written: bytes, options: options)
            // A slot of which nothing is said is the first one, in the first term.
            #expect(field == nil && frame == .owned([FencingToken(slot: Slot(number: 0), term: .none)], inherited: []))
        } catch .badField(let name, _) {
            #expect(name == field)
        } catch {
            #expect(field == nil)
        }
    }

    @Test("Damaged frames are refused, or are frames", arguments: 0..<40)
    func damaged(seed: UInt64) throws {
        var mutations = Mutations(seed: seed)
        var accepted = 0
        for (frame, _) in Self.golden {
            var bytes = frame.written()
            for _ in 0..<40 {
                mutations.mutate(&bytes, with: Self.golden[mutations.upTo(Self.golden.count - 1)].0.written())
                guard let read = try? NodeFrame(written: bytes, options: options) else { continue }
                accepted += 1
                try #require(try NodeFrame(written: read.written(), options: options) == read, "seed \(seed)")
            }
        }
        #expect(accepted > 5, "seed \(seed): nothing got through, which shows nothing")
    }
}

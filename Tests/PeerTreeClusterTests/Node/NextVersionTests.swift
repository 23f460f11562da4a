import NIOCore
import NodeLinks
import PeerTreeCore
import PeerTreeSignalling
import PeerTreeSignallingWire
import Testing

@testable import PeerTreeCluster

/// Nodes are replaced one after the other, so that for a while some speak a later version: with fields, frames and messages
/// that this one does not know, and an earlier one, without fields that this one has.
@Suite("A node beside one of another version", .timeLimit(.minutes(2)))
struct NextVersionTests {
    /// Fields that no version has: a number, and text.
    private static let unknown: [UInt8] = [0xC0, 0x3E, 0x96, 0x01, 0xCA, 0x3E, 0x03, 0x6E, 0x65, 0x77]
    /// A frame, or a message, of a kind that no version has.
    private static let unknownKind: [UInt8] = [0xF2, 0x3E, 0x02, 0x08, 0x01]

    private static func strange(_ field: String) -> String {
        "\(field) of a message from another node must be one that this version knows. "
            + "Bring all nodes to the same version and options."
    }

    private var node: ClusterNode
    private let other: NodeID
    private let name: NodeName

    init() throws {
        other = try #require(NodeID(name: "b", run: 2))
        name = try #require(NodeName("b"))
        node = ClusterNode(try #require(NodeID(name: "a", run: 1)), version: "1", options: SignallingOptions())
    }

    private mutating func hear(_ inputs: [ClusterNode.Input]) -> [ClusterNode.Output] {
        var outputs: [ClusterNode.Output] = []
        for input in inputs {
            node.handle(input)
            while let output = node.nextOutput() { outputs.append(output) }
        }
        return outputs
    }

    private func frame(_ bytes: [UInt8]) -> ClusterNode.Input { .link(name, .received(ByteBuffer(bytes: bytes))) }

    /// The frame as a later version may write it: with fields behind those that are known, inside and outside.
    private func widened(_ frame: NodeFrame) throws -> [UInt8] {
        let bytes = frame.written()
        let (tag, length) = (try #require(bytes.first), bytes.count - 2)
        try #require(bytes[1] == UInt8(length) && length + Self.unknown.count < 128, "a frame with a short length")
        return [tag, UInt8(length + Self.unknown.count)] + bytes[2...] + Self.unknown + Self.unknown
    }

    private mutating func meet() throws -> [ClusterNode.Output] {
        var random = SystemRandomNumberGenerator()
        return hear([
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .reachable),
            .link(name, .sessionStarted(LinkID(using: &random))),
            frame(try widened(.greeting(run: other.run, version: "2"))),
        ])
    }

    private func letter(_ member: UInt64, _ extra: [UInt8] = []) -> LetterToTree {
        let message = ToTree.leave(MemberSocket(tree: "tree", number: member, socket: "socket"))
        return LetterToTree(slot: Slot(ofTree: "tree"), message: message.written() + extra)
    }

    @Test("Fields of a later version are passed over: it is known, and what it owns")
    mutating func fields() throws {
        let outputs = try meet()
        #expect(outputs.contains { if case .noticed(.met(other, version: "2")) = $0 { true } else { false } })
        let fence = FencingToken(slot: Slot(number: 3), term: SlotTerm(incarnation: 1, revision: 2))
        let learned = hear([frame(try widened(.owned([fence], inherited: [])))])
        #expect(learned.contains { if case .tell(.learned) = $0 { true } else { false } })
        #expect(node.owners[fence.slot]?.term == fence.term)
        #expect(node.counts.unreadable == 0)
    }

    @Test("A frame of a kind that is not known is left out and counted; those before and behind it are not")
    mutating func frames() throws {
        _ = try meet()
        let letters = NodeFrame.toTrees(from: 0, [letter(1)])
        let outputs = hear([frame(letters.written()), frame(Self.unknownKind), frame(try widened(letters))])
        #expect(outputs.count { if case .toTrees([letter(1)], by: _) = $0 { true } else { false } } == 2)
        let notices = outputs.compactMap { output in
            if case .noticed(let notice) = output { notice.description } else { nil }
        }
        #expect(notices == ["what node 'b' has sent was left out: \(Self.strange("NodeFrame.frame"))"])
        #expect(node.counts == ClusterCounts(termChanges: 0, refusals: 0, lostSessions: 0, unreadable: 1))
        // The session goes on.
        #expect(node.nodes[name]?.greeted?.id == other)
    }

    @Test("A message of a kind that is not known is left out and told; the others of its frame are read in their order")
    func messages() throws {
        let strange = LetterToTree(slot: Slot(ofTree: "tree"), message: Self.unknownKind)
        var told: [String] = []
        let read = NodeMail.read(
            [letter(1), strange, letter(2, Self.unknown), strange, letter(3)],
            by: GatewayID(0, at: NodeSession(1)),
            options: SignallingOptions()
        ) { told.append($0) }
        let members = read.compactMap { message in
            if case .toTree(.leave(let member), by: _) = message { member.number } else { nil }
        }
        #expect(members == [1, 2, 3])
        #expect(told == Array(repeating: Self.strange("ToTree.message"), count: 2))
    }

    @Test("To gateways, too")
    func messagesToGateways() throws {
        let fence = FencingToken(slot: Slot(number: 3), term: SlotTerm(incarnation: 1, revision: 2))
        let answer = ToGateway.answered(Wish(socket: "s", number: 1), hasMadeTree: false)
        let known = LetterToGateway(fence: fence, message: answer.written() + Self.unknown)
        var told: [String] = []
        let read = NodeMail.read(
            [known, LetterToGateway(fence: fence, message: Self.unknownKind), known],
            options: SignallingOptions()
        ) { told.append($0) }
        #expect(read.count { if case .toGateway(answer, fence) = $0 { true } else { false } } == 2)
        #expect(told == [Self.strange("ToGateway.message")])
    }

    @Test("What an earlier version does not say has its default: a greeting without a version, a report of nothing")
    mutating func missing() throws {
        var random = SystemRandomNumberGenerator()
        let run: [UInt8] = [0x0A, 0x09, 0x09, 2, 0, 0, 0, 0, 0, 0, 0]
        _ = hear([
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .reachable),
            .link(name, .sessionStarted(LinkID(using: &random))),
            frame(run),
        ])
        #expect(node.nodes[name]?.greeted?.id == other && node.nodes[name]?.version == nil)
        let full = NodeFrame.report(
            NodeReport(clients: 0, trees: 0, peers: 0, isConfirmed: false, isLeaving: false)
        ).written()
        _ = hear([frame(full)])
        #expect(node.nodes[name]?.report?.isLeaving == false)
        #expect(node.counts.unreadable == 0)
    }

    @Test(
        "A node whose links speak no version that this one speaks gets none, is counted, and both say which are spoken"
    )
    mutating func links() throws {
        let words = hear([
            .ownership([.joined(other, address: "127.0.0.1:7000")]),
            .link(name, .refused(.version(.spoken), by: .this)),
            .link(nil, .refused(.said("only versions 2 to 3 are spoken here"), by: .other)),
        ]).compactMap { output in if case .noticed(.refused) = output { output } else { nil } }.map { output in
            if case .noticed(let notice) = output { notice.description } else { "" }
        }
        #expect(
            words == [
                "a connection of node 'b' was refused: only versions 1 to 1 are spoken here",
                "a stranger refuses this node: only versions 2 to 3 are spoken here",
            ]
        )
        #expect(node.counts.refusals == 2)
    }
}

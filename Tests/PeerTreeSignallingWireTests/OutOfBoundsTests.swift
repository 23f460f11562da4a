import PeerTreeCore
import PeerTreeSignalling
import SwiftProtobuf
import TestSupport
import Testing

@testable import PeerTreeSignallingWire

@Suite("Messages out of bounds", .timeLimit(.minutes(5)))
struct OutOfBoundsTests {
    private let options = SignallingOptions()

    /// A client that comes back with all that it may bring along.
    private func entry() throws -> Entry {
        let key = try #require(SourceKey([UInt8](repeating: 1, count: SourceKey.length)))
        let signature = try #require(Signature([UInt8](repeating: 2, count: Signature.length)))
        let neighbour = ClaimedPlace.Neighbour(stripe: 0, id: "n", sessionID: "x")
        let request = PeerTreeSignalling.DiscoverRequest(
            createsTree: false,
            treeID: "t",
            isNative: true,
            stripes: 5,
            parity: 1,
            isEncrypted: true,
            key: key,
            proof: TreeProof(key: key, signature: signature, host: "h"),
            capacity: 3,
            resumeToken: "r",
            agent: "Firefox 153",
            place: ClaimedPlace(
                parents: [neighbour.stripe: .init(neighbour: neighbour, epoch: 1)],
                children: [neighbour]
            )
        )
        var messages = RandomMessages(seed: 1)
        let wish = Wish(socket: "s", number: 1)
        return Entry(wish: wish, tree: "t", address: 7, request: request, token: messages.token())
    }

    @Test("to trees are refused by the field's name", arguments: OutOfBounds.toTree)
    func toTree(_ part: OutOfBounds<WrittenToTree>) throws {
        var written = WrittenToTree(.enter(try entry()))
        #expect(throws: Never.self) { try ToTree(written: written.serializedBytes(), options: options) }
        part.change(&written)
        let bytes: [UInt8] = try written.serializedBytes()
        let error = #expect(throws: WrittenFormError.self) { try ToTree(written: bytes, options: options) }
        expect(error, part.field)
    }

    @Test("to gateways are refused by the field's name", arguments: OutOfBounds.toGateway)
    func toGateway(_ part: OutOfBounds<WrittenToGateway>) throws {
        var written = WrittenToGateway(.treeEnded(tree: "t"))
        part.change(&written)
        let bytes: [UInt8] = try written.serializedBytes()
        let error = #expect(throws: WrittenFormError.self) { try ToGateway(written: bytes, options: options) }
        expect(error, part.field)
    }

    private func expect(_ error: WrittenFormError?, _ field: String) {
        guard case .badField(let name, _)? = error else {
            Issue.record("\(field) was to be named, not: \(error.map { "\($0)" } ?? "nothing")")
            return
        }
        #expect(name == field)
        #expect(error?.description.hasPrefix("\(field) of a message from another node must be ") == true)
    }

    @Test("Text that is no UTF-8 is refused")
    func invalidText() {
        // ToTree.leave.socket = FF
        #expect(throws: WrittenFormError.unreadable) {
            try ToTree(written: [0x22, 0x03, 0x1A, 0x01, 0xFF], options: options)
        }
    }

    @Test("An operator's limits hold here, too")
    func otherLimits() throws {
        var narrow = options
        narrow.maximumStringBytes = 3
        let message = ToTree.withdraw(tree: "t", socket: "four")
        #expect(try ToTree(written: message.written(), options: options) == message)
        #expect(throws: WrittenFormError.badField("Withdrawal.socket", expected: "text of 1 to 3 bytes")) {
            try ToTree(written: message.written(), options: narrow)
        }
    }
}

import JSON
import PeerTreeCore
import PeerTreeSignalling
import SwiftProtobuf
import Testing

@testable import PeerTreeSignallingWire

@Suite("Messages between versions", .timeLimit(.minutes(5)))
struct VersionTests {
    private let options = SignallingOptions()
    private let member = MemberSocket(tree: "tree", number: 0x0102_0304_0506_0708, socket: "socket")

    /// Fields that no version has: a number, text, eight bytes, four.
    private let unknown: [UInt8] = [
        0xC0, 0x3E, 0x96, 0x01, 0xCA, 0x3E, 0x03, 0x6E, 0x65, 0x77, 0xD1, 0x3E, 1, 2, 3, 4, 5, 6, 7, 8, 0xDD, 0x3E, 1,
        2,
        3, 4,
    ]

    private func part(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }

    @Test("A field that is not known is passed over, wherever it stands")
    func newFields() throws {
        let event = ToTree.event(member, .status, ["lag": 1])
        #expect(try ToTree(written: event.written() + unknown, options: options) == event)
        #expect(try ToTree(written: unknown + event.written(), options: options) == event)

        let leave = ToTree.leave(member)
        let inside = try WrittenMemberSocket(member).serializedBytes() as [UInt8]
        #expect(try ToTree(written: part(4, unknown + inside + unknown), options: options) == leave)

        let wish = try WrittenWish(Wish(socket: "s", number: 1)).serializedBytes() as [UInt8]
        let answered = part(2, part(1, wish + unknown) + unknown) + unknown
        #expect(
            try ToGateway(written: answered, options: options)
                == .answered(Wish(socket: "s", number: 1), hasMadeTree: false)
        )
    }

    @Test("A kind of message that is not known is an error, which names it")
    func newKinds() {
        #expect(throws: WrittenFormError.badField("ToTree.message", expected: "one that this version knows")) {
            try ToTree(written: unknown, options: options)
        }
        #expect(throws: WrittenFormError.badField("ToGateway.message", expected: "one that this version knows")) {
            try ToGateway(written: unknown, options: options)
        }
    }

    @Test("A message that says two things says the latter")
    func twice() throws {
        let both = ToTree.leave(member).written() + ToTree.goingAway.written()
        #expect(try ToTree(written: both, options: options) == .goingAway)
    }
}

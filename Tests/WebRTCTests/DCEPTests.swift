import NIOCore
import Testing

@testable import WebRTC

@Suite("DCEP", .timeLimit(.minutes(5)))
struct DCEPTests {
    @Test(
        "Every kind of channel is encoded and decoded the same",
        arguments: [true, false],
        [DataChannelReliability.reliable, .maxRetransmits(3), .maxPacketLifeTime(1500)]
    )
    func roundTrip(ordered: Bool, reliability: DataChannelReliability) throws {
        let open = DCEPMessage.Open(
            label: "grüße 🌳",
            subprotocol: "p",
            ordered: ordered,
            reliability: reliability,
            priority: .medium
        )
        #expect(try DCEPMessage(DCEPMessage.open(open).encoded()) == .open(open))
    }

    @Test("The bytes are those of RFC 8832 section 5")
    func layout() {
        let open = DCEPMessage.Open(label: "ab", subprotocol: "c", ordered: false, reliability: .maxRetransmits(7))
        let bytes: [UInt8] = [3, 0x81, 1, 0, 0, 0, 0, 7, 0, 2, 0, 1, 0x61, 0x62, 0x63]
        #expect(DCEPMessage.open(open).encoded() == ByteBuffer(bytes: bytes))
        #expect(DCEPMessage.acknowledge.encoded() == ByteBuffer(bytes: [2]))
    }

    @Test("What is cut short, unknown or not UTF-8 is refused")
    func malformed() {
        let bytes: [UInt8] = [3, 0, 1, 0, 0, 0, 0, 7, 0, 2, 0, 1, 0x61, 0x62, 0x63]
        for length in 0..<bytes.count {
            #expect(throws: DCEPError.truncated) { try DCEPMessage(ByteBuffer(bytes: bytes[..<length])) }
        }
        #expect(throws: DCEPError.unknownType(9)) { try DCEPMessage(ByteBuffer(bytes: [9])) }
        var unknown = bytes
        unknown[1] = 0x05
        #expect(throws: DCEPError.unknownChannelType(5)) { try DCEPMessage(ByteBuffer(bytes: unknown)) }
        var notText = bytes
        notText[12] = 0xFF
        #expect(throws: DCEPError.notUTF8) { try DCEPMessage(ByteBuffer(bytes: notText)) }
    }
}

import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Engine.IO packets")
    struct EngineIOPacketTests {
        @Test(
            "Packets are encoded as in the protocol's table, and decoded to the same",
            arguments: [
                (EngineIOPacket.open(ByteBuffer(string: "{}")), "0{}"), (.close, "1"), (.ping(isProbe: false), "2"),
                (.ping(isProbe: true), "2probe"), (.pong(isProbe: false), "3"), (.pong(isProbe: true), "3probe"),
                (.message(.text(ByteBuffer(string: "hellé"))), "4hellé"), (.message(.text(ByteBuffer())), "4"),
                (.upgrade, "5"), (.noop, "6"),
            ] as [(EngineIOPacket, String)]
        )
        func text(packet: EngineIOPacket, text: String) throws {
            #expect(packet.frame == .text(ByteBuffer(string: text)))
            #expect(packet.payloadSize == text.utf8.count)
            #expect(try EngineIOPacket(text: ByteBuffer(string: text)) == packet)
        }

        @Test("Binary messages are frames of their own, and base 64 in payloads")
        func binary() throws {
            let packet = EngineIOPacket.message(.binary(ByteBuffer(bytes: [1, 2, 3, 4])))
            #expect(packet.frame == .binary(ByteBuffer(bytes: [1, 2, 3, 4])))
            var payload = ByteBuffer()
            packet.writePayload(into: &payload)
            #expect(String(buffer: payload) == "bAQIDBA==")
            #expect(packet.payloadSize == 9)
        }

        @Test("A payload is split at its separators")
        func payload() throws {
            var payload = ByteBuffer(string: "4hello\u{1e}2\u{1e}4world\u{1e}bAQIDBA==")
            var packets: [EngineIOPacket] = []
            while let packet = try EngineIOPacket.next(of: &payload) { packets.append(packet) }
            #expect(
                packets == [
                    .message(.text(ByteBuffer(string: "hello"))), .ping(isProbe: false),
                    .message(.text(ByteBuffer(string: "world"))), .message(.binary(ByteBuffer(bytes: [1, 2, 3, 4]))),
                ]
            )
        }

        @Test(
            "Malformed packets are refused with the reason",
            arguments: [
                ([], .emptyPacket), (Array("abc".utf8), .unknownType(UInt8(ascii: "a"))), ([0xFF], .unknownType(0xFF)),
                (Array("7".utf8), .unknownType(UInt8(ascii: "7"))), (Array("2x".utf8), .unexpectedData),
                (Array("3probes".utf8), .unexpectedData), (Array("1x".utf8), .unexpectedData),
                (Array("5x".utf8), .unexpectedData), (Array("6x".utf8), .unexpectedData),
                ([0x34, 0xC3, 0x28], .invalidUTF8),
            ] as [([UInt8], EngineIOParseError)]
        )
        func malformed(bytes: [UInt8], error: EngineIOParseError) {
            #expect(throws: error) { try EngineIOPacket(text: ByteBuffer(bytes: bytes)) }
        }

        @Test(
            "Malformed payloads are refused with the reason",
            arguments: [
                ("\u{1e}", .emptyPacket), ("4a\u{1e}", .emptyPacket), ("\u{1e}4a", .emptyPacket),
                ("bA===", .invalidBase64),
                ("bAQ", .invalidBase64), ("bAQI!", .invalidBase64), ("bAQ==BA==", .invalidBase64),
                ("b====", .invalidBase64),
            ] as [(String, EngineIOParseError)]
        )
        func malformedPayload(text: String, error: EngineIOParseError) {
            #expect(throws: error) { try Self.decodeAll(text) }
        }

        private static func decodeAll(_ text: String) throws {
            var payload = ByteBuffer(string: text)
            while try EngineIOPacket.next(of: &payload) != nil {}
        }

        @Test("Base 64 of every length survives a round trip")
        func base64() {
            for count in 0..<70 {
                let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
                var text = ByteBuffer()
                Base64.encode(bytes, into: &text)
                #expect(text.readableBytes == (count + 2) / 3 * 4)
                #expect(Base64.decode(text.readableBytesView) == ByteBuffer(bytes: bytes))
            }
        }

        @Test("Identifiers have 20 characters of base64url and do not repeat")
        func identifiers() {
            var generator = SystemRandomNumberGenerator()
            let identifiers = (0..<1000).map { _ in Base64.randomIdentifier(using: &generator) }
            #expect(Set(identifiers).count == 1000)
            #expect(identifiers.allSatisfy { $0.utf8.count == 20 })
            let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
            #expect(identifiers.allSatisfy { $0.allSatisfy(allowed.contains) })
            #expect(Set(identifiers.joined()).count == 64)
        }

        @Test("Random payloads never trap")
        func fuzz() {
            let seed: UInt64 = 0x5EED_0020
            var random = SeededGenerator(seed: seed)
            let alphabet = Array("0123456789babcAQ==probe\u{1e}\u{1e}".utf8) + [0xFF, 0x00]
            for _ in 0..<30_000 {
                let count = Int.random(in: 0...24, using: &random)
                var payload = ByteBuffer(bytes: (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 })
                while let packet = try? EngineIOPacket.next(of: &payload) {
                    var encoded = ByteBuffer()
                    packet.writePayload(into: &encoded)
                    if encoded.readableBytes != packet.payloadSize { Issue.record("seed \(seed) \(packet)") }
                }
            }
        }
    }
}

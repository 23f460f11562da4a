import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Socket.IO packets")
    struct SocketIOPacketTests {
        private static let bytes = ByteBuffer(bytes: [1, 2, 3])
        private static let more = ByteBuffer(bytes: [4])

        @Test(
            "Packets are encoded as the protocol's own examples, and decoded to the same",
            arguments: [
                (SocketIOPacket(.connect(nil)), "0"),
                (SocketIOPacket(namespace: "/admin", .connect(["token": "123"])), #"0/admin,{"token":"123"}"#),
                (SocketIOPacket(.connect(["sid": "oSO0OpakMV_3jnilAAAA"])), #"0{"sid":"oSO0OpakMV_3jnilAAAA"}"#),
                (SocketIOPacket(.connectError(["message": "Not authorized"])), #"4{"message":"Not authorized"}"#),
                (SocketIOPacket(.connectError("no")), #"4"no""#),
                (SocketIOPacket(.disconnect), "1"),
                (SocketIOPacket(namespace: "/admin", .disconnect), "1/admin,"),
                (SocketIOPacket(.event(name: "foo", arguments: [], acknowledgement: nil)), #"2["foo"]"#),
                (
                    SocketIOPacket(namespace: "/admin", .event(name: "bar", arguments: [1, nil], acknowledgement: 12)),
                    #"2/admin,12["bar",1,null]"#
                ),
                (SocketIOPacket(.acknowledgement(id: 0, arguments: [])), "30[]"),
                (
                    SocketIOPacket(namespace: "/admin", .acknowledgement(id: 13, arguments: ["bar"])),
                    #"3/admin,13["bar"]"#
                ),
            ]
        )
        func plain(packet: SocketIOPacket, text: String) throws {
            #expect(packet.encode() == EncodedPacket(text: ByteBuffer(string: text), attachments: []))
            var decoder = SocketIOPacketDecoder()
            #expect(try decoder.decode(.text(ByteBuffer(string: text)), limits: PacketLimits()) == packet)
        }

        @Test(
            "Binary packets travel with placeholders and attachments",
            arguments: [
                (
                    SocketIOPacket(.event(name: "baz", arguments: [JSONValue(bytes)], acknowledgement: nil)),
                    #"51-["baz",{"_placeholder":true,"num":0}]"#, [bytes]
                ),
                (
                    SocketIOPacket(
                        namespace: "/admin",
                        .event(name: "a", arguments: [["x": [JSONValue(bytes)]], JSONValue(more)], acknowledgement: 7)
                    ),
                    #"52-/admin,7["a",{"x":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]"#,
                    [bytes, more]
                ),
                (
                    SocketIOPacket(namespace: "/admin", .acknowledgement(id: 456, arguments: [JSONValue(bytes)])),
                    #"61-/admin,456[{"_placeholder":true,"num":0}]"#, [bytes]
                ),
            ]
        )
        func binary(packet: SocketIOPacket, text: String, attachments: [ByteBuffer]) throws {
            #expect(packet.encode() == EncodedPacket(text: ByteBuffer(string: text), attachments: attachments))
            var decoder = SocketIOPacketDecoder()
            var decoded = try decoder.decode(.text(ByteBuffer(string: text)), limits: PacketLimits())
            for attachment in attachments {
                #expect(decoded == nil)
                #expect(decoder.isAwaitingAttachments)
                decoded = try decoder.decode(.binary(attachment), limits: PacketLimits())
            }
            #expect(decoded == packet)
            #expect(!decoder.isAwaitingAttachments)
        }

        @Test("A namespace's query is not part of its name, a numeric event name is its digits")
        func oddities() throws {
            var decoder = SocketIOPacketDecoder()
            let connect = try decoder.decode(.text(ByteBuffer(string: "0/admin?token=1,{}")), limits: PacketLimits())
            #expect(connect == SocketIOPacket(namespace: "/admin", .connect([:])))
            let event = try decoder.decode(.text(ByteBuffer(string: "2[7,1]")), limits: PacketLimits())
            #expect(event?.content == .event(name: "7", arguments: [1], acknowledgement: nil))
            let bare = try decoder.decode(.text(ByteBuffer(string: "0/random")), limits: PacketLimits())
            #expect(bare == SocketIOPacket(namespace: "/random", .connect(nil)))
        }

        @Test(
            "Malformed packets are refused with the reason",
            arguments: [
                ("", .emptyPacket), ("7", .unknownType(UInt8(ascii: "7"))), ("abc", .unknownType(UInt8(ascii: "a"))),
                ("5", .illegalAttachmentCount), ("5-[]", .illegalAttachmentCount), ("5x-[]", .illegalAttachmentCount),
                (#"511-["a"]"#, .illegalAttachmentCount), (#"599999999999999999999-["a"]"#, .illegalAttachmentCount),
                (#"51["a"]"#, .illegalAttachmentCount), ("2", .illegalPayload), ("2{}", .illegalPayload),
                ("2[]", .illegalPayload), ("2[null]", .illegalPayload), ("2[{}]", .illegalPayload),
                ("2[true]", .illegalPayload),
                (#"2["connect"]"#, .reservedEvent("connect")), (#"2["disconnect"]"#, .reservedEvent("disconnect")),
                ("0[]", .illegalPayload), ("0null", .illegalPayload), (#"0"x""#, .illegalPayload),
                ("1{}", .illegalPayload),
                ("4", .illegalPayload), ("4[]", .illegalPayload), ("41", .illegalPayload), ("3[]", .illegalIdentifier),
                ("31", .illegalPayload), ("31{}", .illegalPayload),
                (#"2["a""#, .illegalJSON(.unexpectedEnd)), ("21234567890123456[]", .illegalIdentifier),
                (#"2["a"]x"#, .illegalJSON(.unexpectedByte(UInt8(ascii: "x"), offset: 5))),
            ] as [(String, SocketIOParseError)]
        )
        func malformed(text: String, error: SocketIOParseError) {
            var decoder = SocketIOPacketDecoder()
            #expect(throws: error) { try decoder.decode(.text(ByteBuffer(string: text)), limits: PacketLimits()) }
        }

        @Test("Attachments must have been announced, and must come before anything else")
        func attachmentOrder() throws {
            var decoder = SocketIOPacketDecoder()
            #expect(throws: SocketIOParseError.unexpectedBinary) {
                try decoder.decode(.binary(Self.bytes), limits: PacketLimits())
            }
            let header = ByteBuffer(string: #"51-["a",{"_placeholder":true,"num":0}]"#)
            #expect(try decoder.decode(.text(header), limits: PacketLimits()) == nil)
            #expect(throws: SocketIOParseError.unexpectedText) {
                try decoder.decode(.text(ByteBuffer(string: #"2["a"]"#)), limits: PacketLimits())
            }
        }

        @Test(
            "A placeholder must name an attachment",
            arguments: ["1", "-1", "0.5", "null", "\"0\"", "1e99", "9223372036854775808"]
        )
        func placeholders(number: String) throws {
            var decoder = SocketIOPacketDecoder()
            let header = ByteBuffer(string: #"51-["a",{"_placeholder":true,"num":\#(number)}]"#)
            #expect(try decoder.decode(.text(header), limits: PacketLimits()) == nil)
            #expect(throws: SocketIOParseError.illegalPlaceholder) {
                try decoder.decode(.binary(Self.bytes), limits: PacketLimits())
            }
        }

        @Test("Namespaces are bounded and must be UTF-8")
        func namespaces() throws {
            var decoder = SocketIOPacketDecoder()
            let long = "0/" + String(repeating: "n", count: 256) + ","
            #expect(throws: SocketIOParseError.illegalNamespace) {
                try decoder.decode(.text(ByteBuffer(string: long)), limits: PacketLimits())
            }
            #expect(throws: SocketIOParseError.illegalNamespace) {
                try decoder.decode(.text(ByteBuffer(bytes: [0x30, 0x2F, 0xFF, 0x2C])), limits: PacketLimits())
            }
        }

        @Test("Random texts never trap, and what is accepted survives a round trip")
        func fuzz() throws {
            let seed: UInt64 = 0x5EED_0010
            var random = SeededGenerator(seed: seed)
            let alphabet = Array("0123456-/,[]{}\"abc:,_placeholder true num\\".utf8)
            var accepted = 0
            for round in 0..<30_000 {
                var decoder = SocketIOPacketDecoder()
                var bytes = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? 0
                }
                if round % 2 == 0 { bytes = Array("2\(round)[\"a\",".utf8) + bytes + Array("]".utf8) }
                let message = EngineIOMessage.text(ByteBuffer(bytes: bytes))
                guard let packet = try? decoder.decode(message, limits: PacketLimits()) else { continue }
                accepted += 1
                var again = SocketIOPacketDecoder()
                let decoded = try again.decode(.text(packet.encode().text), limits: PacketLimits())
                if decoded != packet { Issue.record("seed \(seed) round \(round) bytes \(bytes)") }
            }
            #expect(accepted > 100)
        }
    }
}

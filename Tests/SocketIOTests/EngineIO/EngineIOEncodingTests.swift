import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Engine.IO encodings")
    struct EngineIOEncodingTests {
        private let text = EngineIOPacket.message(.text(ByteBuffer(string: "é😀")))
        private let binary = EngineIOPacket.message(.binary(ByteBuffer(bytes: [1, 2, 3, 4])))
        private static let all: [EngineIOEncoding] = [
            .standard, EngineIOEncoding(revision: .v4, supportsBinary: false), EngineIOEncoding(revision: .v3),
            EngineIOEncoding(revision: .v3, supportsBinary: false),
        ]

        @Test("Payloads of every encoding are written as the specifications say")
        func payloads() {
            let expected: [(body: [UInt8], isBinary: Bool)] = [
                (Array("4é😀\u{1e}bAQIDBA==\u{1e}6".utf8), false), (Array("4é😀\u{1e}bAQIDBA==\u{1e}6".utf8), false),
                ([0, 7, 255] + Array("4é😀".utf8) + [1, 5, 255, 4, 1, 2, 3, 4, 0, 1, 255, 0x36], true),
                (Array("4:4é😀10:b4AQIDBA==1:6".utf8), false),
            ]
            for (encoding, expected) in zip(Self.all, expected) {
                let payload = encoding.payload([self.text, self.binary, .noop])
                #expect(Array(payload.body.readableBytesView) == expected.body, "\(encoding)")
                #expect(payload.isBinary == expected.isBinary, "\(encoding)")
            }
            #expect(EngineIOEncoding(revision: .v3).payload([self.text]).isBinary == false)
        }

        @Test("WebSocket messages of every encoding are written as the specifications say")
        func frames() {
            let base64 = { (text: String) in EngineIOFrame.text(ByteBuffer(string: text)) }
            let expected: [EngineIOFrame] = [
                .binary(ByteBuffer(bytes: [1, 2, 3, 4])), base64("bAQIDBA=="),
                .binary(ByteBuffer(bytes: [4, 1, 2, 3, 4])), base64("b4AQIDBA=="),
            ]
            for (encoding, expected) in zip(Self.all, expected) {
                #expect(encoding.frame(self.binary) == expected, "\(encoding)")
                #expect(encoding.frame(self.text) == base64("4é😀"), "\(encoding)")
            }
        }

        @Test("Random packets survive every encoding, by payload and by WebSocket")
        func roundTrip() throws {
            let seed: UInt64 = 0x5EED_0021
            var random = SeededGenerator(seed: seed)
            let characters: [Character] = ["a", "é", "€", "😀", "\u{1F468}\u{200D}\u{1F469}", "7", ":", "\n", "\u{0}"]
            for _ in 0..<3000 {
                let packets = (0..<Int.random(in: 1...5, using: &random)).map { _ -> EngineIOPacket in
                    let count = Int.random(in: 0...12, using: &random)
                    switch Int.random(in: 0...3, using: &random) {
                    case 0: return .message(.binary(ByteBuffer(bytes: random.bytes(count))))
                    case 1: return [.ping(isProbe: false), .pong(isProbe: true), .noop, .close][count % 4]
                    default:
                        let text = (0..<count).compactMap { _ in characters.randomElement(using: &random) }
                        return .message(.text(ByteBuffer(string: String(text))))
                    }
                }
                for encoding in Self.all {
                    var body = encoding.payload(packets).body
                    var decoded: [EngineIOPacket] = []
                    while let packet = try encoding.next(of: &body) { decoded.append(packet) }
                    #expect(decoded == packets, "seed \(seed) \(encoding)")
                    for packet in packets {
                        #expect(try encoding.packet(of: encoding.frame(packet)) == packet, "seed \(seed) \(encoding)")
                    }
                }
            }
        }

        @Test(
            "Malformed payloads of revision 3 are refused with the reason",
            arguments: [
                (Array("9:4a".utf8), .invalidLength), (Array("1:4a".utf8), .invalidLength),
                (Array(":4a".utf8), .invalidLength), (Array("a".utf8), .invalidLength),
                (Array("0:".utf8), .emptyPacket), (Array("1234567890:4".utf8), .invalidLength),
                (Array("2:4😀".utf8), .invalidLength), (Array("2:4".utf8) + [0xFF], .invalidLength),
                (Array("1:7".utf8), .unknownType(UInt8(ascii: "7"))), (Array("1:b".utf8), .unexpectedData),
                (Array("3:b2A".utf8), .unknownType(UInt8(ascii: "2"))), (Array("3:b4A".utf8), .invalidBase64),
                ([0], .invalidLength), ([0, 1], .invalidLength), ([0, 10, 255], .invalidLength),
                ([0, 255], .emptyPacket), ([1, 255], .emptyPacket), ([1, 2, 255, 4], .invalidLength),
                ([1, 1, 255, 2], .unknownType(2)), ([0, 2, 255, 0x34, 0xFF], .invalidUTF8),
            ] as [([UInt8], EngineIOParseError)]
        )
        func malformed(bytes: [UInt8], error: EngineIOParseError) {
            #expect(throws: error) {
                var payload = ByteBuffer(bytes: bytes)
                while try EngineIOEncoding(revision: .v3).next(of: &payload) != nil {}
            }
        }

        @Test("Forms of polling by script tags keep their line ends; callbacks are numbers only")
        func script() {
            let form = { (text: String) in
                JSONPolling.payload(ofForm: ByteBuffer(string: text)).map { String(buffer: $0) }
            }
            #expect(form("x=1&d=4a%5Cnb%5C%5Cnc+%2B%C3%A9") == "4a\nb\\nc +é")
            #expect(form("d=") == "")
            #expect(form("x=1") == nil)
            #expect(form("d=%zz") == nil)
            #expect(form("d=%C3") == nil)
            #expect(JSONPolling.callback("0);alert(1)//2") == "012")
            let script = JSONPolling.script(ByteBuffer(string: "4\"\u{2028}</script>\n"), callback: "0")
            #expect(String(buffer: script) == #"___eio[0]("4\"\u2028</script>\n");"#)
        }
    }
}

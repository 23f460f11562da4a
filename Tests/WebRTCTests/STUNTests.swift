import Testing

@testable import WebRTC

@Suite("STUN", .timeLimit(.minutes(5)))
struct STUNTests {
    /// RFC 5769 section 2.1: a request with short-term credentials.
    static let request = bytes(
        """
        00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
        00 24 00 04 6e 00 01 ff
        80 29 00 08 93 2f f9 b1 51 26 3b 36
        00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
        00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2
        80 28 00 04 e5 7a 3b cf
        """
    )
    /// RFC 5769 section 2.2: a response with an IPv4 address.
    static let responseIPv4 = bytes(
        """
        01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
        00 20 00 08 00 01 a1 47 e1 12 a6 43
        00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
        80 28 00 04 c0 7d 4c 96
        """
    )
    /// RFC 5769 section 2.3: a response with an IPv6 address.
    static let responseIPv6 = bytes(
        """
        01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
        80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
        00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
        00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
        80 28 00 04 c8 fb 0b 4c
        """
    )
    static let password = "VOkJxbRl1RmTxUk/WvJxBt"

    static func bytes(_ text: String) -> [UInt8] {
        text.split { $0 == " " || $0 == "\n" }.compactMap { UInt8($0, radix: 16) }
    }

    @Test("The request of RFC 5769 is understood and authentic")
    func rfcRequest() throws {
        let decoder = try STUNDecoder(Self.request)
        #expect(decoder.message.messageClass == .request)
        #expect(decoder.message.method == STUNMessage.bindingMethod)
        #expect(decoder.message.username == "evtj:h6vY")
        #expect(decoder.message.priority == 0x6E00_01FF)
        #expect(decoder.message.controlled == 0x932F_F9B1_5126_3B36)
        #expect(decoder.isAuthentic(password: Self.password))
        #expect(!decoder.isAuthentic(password: "another password, as long"))
    }

    @Test("The responses of RFC 5769 are understood and authentic")
    func rfcResponses() throws {
        let v4 = try STUNDecoder(Self.responseIPv4)
        #expect(v4.message.mappedAddress == TransportAddress(ip: "192.0.2.1", port: 32853))
        #expect(v4.isAuthentic(password: Self.password))
        let v6 = try STUNDecoder(Self.responseIPv6)
        #expect(v6.message.mappedAddress == TransportAddress(ip: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853))
        #expect(v6.isAuthentic(password: Self.password))
    }

    @Test("What is encoded is decoded the same, and authentic")
    func roundTrip() throws {
        var message = STUNMessage(
            messageClass: .request,
            transactionID: STUNTransactionID(connection: 7, nonce: 0x0123_4567_89AB_CDEF)
        )
        message.username = "left:right"
        message.priority = 12345
        message.useCandidate = true
        message.controlling = 99
        message.mappedAddress = TransportAddress(ip: "2001:db8::7", port: 9)
        message.errorCode = 487
        let decoder = try STUNDecoder(message.encoded(password: "secret"))
        #expect(decoder.message == message)
        #expect(decoder.isAuthentic(password: "secret"))
        #expect(!decoder.isAuthentic(password: "Secret"))
        #expect(try !STUNDecoder(message.encoded(password: nil)).isAuthentic(password: ""))
    }

    @Test("A relayed datagram is not copied: it is a part of the message that it came in")
    func relayedData() throws {
        let datagram = [UInt8](repeating: 9, count: 1100)
        let message = TURNTestServer.data(datagram, from: TransportAddress(ipv4: 0x0102_0304, port: 5))
        let data = try #require(try STUNDecoder(message).message.turn.data)
        #expect(Array(data) == datagram)
        message.withUnsafeBytes { whole in
            data.withUnsafeBytes { part in
                let start = part.baseAddress.map { $0 - (whole.baseAddress ?? $0) } ?? -1
                #expect(start > 20 && start < whole.count, "copied to elsewhere")
            }
        }
    }

    @Test("A single flipped bit is noticed anywhere but in the type of FINGERPRINT, which nothing protects")
    func flippedBits() {
        let unprotected = (Self.request.count - 8) * 8..<(Self.request.count - 6) * 8
        for position in 0..<(Self.request.count * 8) where !unprotected.contains(position) {
            var bytes = Self.request
            bytes[position / 8] ^= 1 << UInt8(position % 8)
            let isAccepted = (try? STUNDecoder(bytes))?.isAuthentic(password: Self.password) ?? false
            #expect(!isAccepted, "bit \(position)")
        }
    }

    @Test("A message cut short anywhere is refused")
    func truncated() {
        for length in 0..<Self.request.count {
            #expect(throws: STUNError.self) { try STUNDecoder(Array(Self.request[..<length])) }
        }
    }

    @Test("Attributes that must be understood and are not are reported; others are skipped")
    func unknownAttributes() throws {
        var bytes: [UInt8] = [0, 1, 0, 16, 0x21, 0x12, 0xA4, 0x42] + [UInt8](repeating: 1, count: 12)
        bytes += [0x7F, 0x01, 0, 4, 1, 2, 3, 4, 0xFF, 0x01, 0, 4, 1, 2, 3, 4]
        #expect(try STUNDecoder(bytes).message.unknownRequired == [0x7F01])
    }
}

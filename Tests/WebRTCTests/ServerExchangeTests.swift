import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("STUN servers, URLs and streams", .timeLimit(.minutes(5)))
struct ServerExchangeTests {
    private static let mapped = TransportAddress(ipv4: 0xCB00_7109, port: 4_000)

    private static func answer(to bytes: [UInt8], mapped: TransportAddress) -> STUNDecoder? {
        guard let request = try? STUNDecoder(bytes).message else { return nil }
        var response = STUNMessage(messageClass: .success, transactionID: request.transactionID)
        response.mappedAddress = mapped
        return try? STUNDecoder(response.encoded(key: nil))
    }

    @Test("A STUN server is asked again and again, and only a new address is told")
    func binding() {
        var binding = STUNBinding(id: 3, configuration: ICEConfiguration(), random: SeededGenerator(seed: 1))
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var told: [TransportAddress] = []
        var sent = 0
        var mapped = Self.mapped
        binding.handle(.start, at: now)
        for round in 0..<10 {
            if round == 5 { mapped = mapped.with(port: 4_001) }
            while let output = binding.nextOutput() {
                switch output {
                case .send(let bytes):
                    sent += 1
                    if let answer = Self.answer(to: bytes, mapped: mapped) { binding.handle(.message(answer), at: now) }
                case .mapped(let address): told.append(address)
                case .failed, .discarded: Issue.record("round \(round)")
                }
            }
            now = binding.deadline ?? now
            binding.handle(.timeout, at: now)
        }
        #expect(told == [Self.mapped, Self.mapped.with(port: 4_001)])
        #expect(sent == 10)
        #expect(now - NIODeadline.uptimeNanoseconds(1_000_000_000) == ICEConfiguration().serverKeepAlive * 10)
    }

    @Test("An answer to another question is no answer")
    func wrongAnswer() throws {
        var binding = STUNBinding(id: 3, configuration: ICEConfiguration(), random: SeededGenerator(seed: 1))
        let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        binding.handle(.start, at: now)
        _ = binding.nextOutput()
        var forged = STUNMessage(messageClass: .success, transactionID: .init(connection: 3, nonce: 12))
        forged.mappedAddress = Self.mapped
        binding.handle(.message(try STUNDecoder(forged.encoded(key: nil))), at: now)
        guard case .discarded? = binding.nextOutput() else {
            Issue.record("a guessed answer was taken")
            return
        }
        #expect(binding.mapped == nil)
    }

    @Test("A STUN server that does not answer fails once, and is asked again later")
    func silentServer() {
        var binding = STUNBinding(id: 3, configuration: ICEConfiguration(), random: SeededGenerator(seed: 1))
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var failures = 0
        var sent = 0
        binding.handle(.start, at: now)
        for _ in 0..<6 {
            while let output = binding.nextOutput() {
                if case .failed = output { failures += 1 }
                if case .send = output { sent += 1 }
            }
            now = binding.deadline ?? now
            binding.handle(.timeout, at: now)
        }
        #expect(failures == 1 && sent == 5)
        #expect(binding.deadline != nil)
    }

    @Test(
        "URLs of RFC 7064 and RFC 7065 are understood",
        arguments: [
            ("stun:stun.example.org", "stun:stun.example.org:3478"),
            ("STUN:stun.example.org:19302", "stun:stun.example.org:19302"),
            ("turn:192.0.2.1?transport=udp", "turn:192.0.2.1:3478?transport=udp"),
            ("turn:[2001:db8::1]:5000?transport=tcp", "turn:[2001:db8::1]:5000?transport=tcp"),
            ("turns:turn.example.org", "turns:turn.example.org:5349"),
            ("turns:turn.example.org:443?transport=tcp", "turns:turn.example.org:443"),
        ]
    )
    func urls(text: String, expected: String) throws {
        #expect(try ICEServerURL(text).description == expected)
    }

    @Test(
        "URLs that cannot be used are refused with the reason",
        arguments: [
            "", "turn", "http://example.org", "stuns:example.org", "stun:", "stun:host:0", "stun:host:99999",
            "stun:a:b:c",
            "turn:host?transport=dtls", "turns:host?transport=udp", "turn:[::1", "turn:ho st",
            "stun:host?transport=udp",
            "turn:user@host", "turn:host/path",
        ]
    )
    func badURLs(text: String) {
        #expect(throws: WebRTCError.self) { try ICEServerURL(text) }
    }

    @Test("A TURN server without credentials is refused, before anything is sent")
    func withoutCredentials() {
        #expect(throws: WebRTCError.self) { try ResolvedServer.parse([ICEServer(urls: ["turn:example.org"])]) }
    }

    @Test("A stream is cut into the same frames however it comes in pieces", arguments: 1...50 as ClosedRange<UInt64>)
    func framer(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var stream: [UInt8] = []
        var expected: [TURNStreamFramer.Frame] = []
        for _ in 0..<20 {
            if Bool.random(using: &random) {
                var message = STUNMessage(messageClass: .indication, transactionID: .init(connection: 1, nonce: 2))
                message.turn.data = ArraySlice(repeating: 5, count: .random(in: 0...2_000, using: &random))
                let bytes = message.encoded(key: nil)
                stream += bytes
                expected.append(.message(bytes[...]))
            } else {
                let payload = [UInt8](repeating: 6, count: Int.random(in: 0...2_000, using: &random))
                let number = UInt16.random(in: 0x4000...0x4FFF, using: &random)
                stream.append(bigEndian: number)
                stream.append(bigEndian: UInt16(payload.count))
                stream += payload
                while stream.count % 4 != 0 { stream.append(0) }
                expected.append(.channelData(number, payload[...]))
            }
        }
        var framer = TURNStreamFramer()
        var frames: [TURNStreamFramer.Frame] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let count = min(rest.count, Int.random(in: 1...3_000, using: &random))
            framer.append(rest.prefix(count))
            rest = rest.dropFirst(count)
            while let frame = try framer.next() { frames.append(frame) }
        }
        #expect(frames == expected, "seed \(seed)")
    }

    @Test("A stream of something else ends at once", arguments: [[0x80, 0, 0, 0], [0xFF, 0xFF, 0, 4], [0, 1, 0, 3]])
    func notTURN(bytes: [Int]) {
        var framer = TURNStreamFramer()
        framer.append(bytes.map { UInt8($0) })
        #expect(throws: TURNStreamFramer.Malformed.self) { try framer.next() }
    }

    @Test("Host candidates take IPv6 and IPv4 in turn, the wide before the narrow, loopback last")
    func order() {
        let host = ["127.0.0.1", "10.0.0.1", "192.0.2.9", "fd00::1", "2001:db8::1"].compactMap {
            TransportAddress(ip: $0, port: 0)
        }
        let bound = ["0.0.0.0", "::"].compactMap { TransportAddress(ip: $0, port: 5000) }
        let candidates = HostCandidates.candidates(bound: bound, host: host)
        #expect(
            candidates.map(\.candidate.address.ip) == ["2001:db8::1", "10.0.0.1", "fd00::1", "192.0.2.9", "127.0.0.1"]
        )
        #expect(candidates.map(\.base) == [1, 0, 1, 0, 0])
        let priorities = candidates.map(\.candidate.priority)
        #expect(priorities == priorities.sorted(by: >) && Set(priorities).count == 5)
    }

    @Test(
        "Names of the local network are candidates to look up; other names are not",
        arguments: [
            ("1f4712db-ea17-4bcf-a596-105139dfd8bf.local", true), ("printer.local", true), ("example.org", false),
            ("a.b.local", false), (".local", false), ("local", false), ("evil_name.local", false),
        ]
    )
    func names(name: String, isTaken: Bool) {
        let line = "candidate:1 1 udp 2113937151 \(name) 54091 typ host generation 0"
        let named = HostNameCandidate(parsing: line)
        #expect((named != nil) == isTaken)
        #expect(named?.candidate.address.port == (isTaken ? 54_091 : nil))
        #expect(named?.candidate(at: Self.mapped).address == (isTaken ? Self.mapped : nil))
    }
}

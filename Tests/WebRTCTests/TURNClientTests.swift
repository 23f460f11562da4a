import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// A client and a server joined in simulated time.
private struct TURNHarness {
    var client: TURNClient
    var server = TURNTestServer()
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var allocated: [TransportAddress] = []
    var permitted: [TransportAddress] = []
    var denied: [TransportAddress] = []
    var data: [(bytes: [UInt8], from: TransportAddress)] = []
    var errors: [TURNError] = []
    var redirections: [TransportAddress] = []
    var discarded = 0
    var sent = 0

    static let peer = TransportAddress(ipv4: 0xC633_6402, port: 7_000)

    init(
        password: String = "secret",
        family: TransportAddress.Family = .ipv4,
        isStream: Bool = false,
        maximumPeers: Int = 100
    ) {
        var configuration = ICEConfiguration()
        configuration.maximumRelayedPeers = maximumPeers
        self.client = TURNClient(
            id: 7,
            credentials: .init(username: "user", password: password),
            family: family,
            configuration: TURNConfiguration(configuration, isStream: isStream),
            random: SeededGenerator(seed: 1)
        )
    }

    mutating func feed(_ input: TURNClient.Input) {
        self.client.handle(input, at: self.now)
        var answers: [[UInt8]] = []
        while let output = self.client.nextOutput() {
            switch output {
            case .send(let bytes):
                self.sent += 1
                if let answer = self.server.answer(bytes) { answers.append(answer) }
            case .allocated(let relayed, _): self.allocated.append(relayed)
            case .permitted(let host): self.permitted.append(host)
            case .denied(let host): self.denied.append(host)
            case .data(let bytes, let peer): self.data.append((Array(bytes), peer))
            case .discarded: self.discarded += 1
            case .redirected(let server): self.redirections.append(server)
            case .failed(let error): self.errors.append(error)
            }
        }
        for answer in answers { self.deliver(answer) }
    }

    mutating func deliver(_ bytes: [UInt8]) {
        guard let decoder = try? STUNDecoder(bytes) else { return }
        self.feed(.message(decoder))
    }

    /// Lets time pass, from deadline to deadline.
    mutating func run(for duration: TimeAmount) {
        let end = self.now + duration
        while let due = self.client.deadline, due <= end {
            self.now = max(self.now, due)
            self.feed(.timeout)
        }
        self.now = end
    }
}

@Suite("TURN client", .timeLimit(.minutes(5)))
struct TURNClientTests {
    @Test("An allocation takes two requests: one to learn realm and nonce, one with credentials")
    func allocates() {
        var harness = TURNHarness()
        harness.feed(.start)
        #expect(harness.allocated == [TURNTestServer.relayed])
        #expect(harness.server.requests == [STUNMessage.allocateMethod, STUNMessage.allocateMethod])
    }

    @Test("A wrong password is reported as such, without trying for ever")
    func wrongPassword() {
        var harness = TURNHarness(password: "wrong")
        harness.feed(.start)
        #expect(harness.errors == [.unauthorized])
        #expect(harness.sent == 2 && harness.client.deadline == nil)
    }

    @Test("The allocation is refreshed in time for as long as it is wanted, and given back at the end")
    func refreshes() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.run(for: .hours(1))
        #expect(harness.server.requests.count(where: { $0 == STUNMessage.refreshMethod }) == 6)
        #expect(harness.errors.isEmpty && harness.server.hasAllocation)
        harness.feed(.close)
        #expect(!harness.server.hasAllocation)
        #expect(harness.client.deadline == nil)
    }

    @Test("A stale nonce costs one more request, whenever it comes")
    func staleNonce() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.server.nonce = Array("nonce-2".utf8)
        harness.feed(.permit(TURNHarness.peer))
        #expect(harness.permitted == [TURNHarness.peer.with(port: 0)])
        harness.server.nonce = Array("nonce-3".utf8)
        harness.run(for: .minutes(10))
        #expect(harness.errors.isEmpty && harness.server.hasAllocation)
    }

    @Test("A server that finds every nonce stale is given up")
    func staleForEver() {
        var harness = TURNHarness()
        harness.server.isAlwaysStale = true
        harness.feed(.start)
        #expect(harness.errors == [.unauthorized])
        #expect(harness.sent == 4)
    }

    @Test("Lost requests are sent again; a server that never answers is unreachable after seven and a half seconds")
    func unreachable() {
        var harness = TURNHarness()
        harness.server.isDead = true
        harness.feed(.start)
        harness.run(for: .milliseconds(7_400))
        #expect(harness.sent == 5 && harness.errors.isEmpty)
        harness.run(for: .milliseconds(200))
        #expect(harness.errors == [.unreachable])
    }

    @Test("Over a stream nothing is sent twice")
    func stream() {
        var harness = TURNHarness(isStream: true)
        harness.server.isDead = true
        harness.feed(.start)
        harness.run(for: .seconds(60))
        #expect(harness.sent == 1 && harness.errors == [.unreachable])
    }

    @Test(
        "Errors of the server are told apart",
        arguments: [
            (437, TURNError.mismatch), (441, .unauthorized), (442, .refused(code: 442)), (486, .noCapacity(code: 486)),
            (508, .noCapacity(code: 508)), (440, .unsupportedFamily),
        ] as [(Int, TURNError)]
    )
    func errors(code: Int, error: TURNError) {
        var harness = TURNHarness()
        harness.server.refusal = code
        harness.feed(.start)
        #expect(harness.errors == [error])
    }

    @Test("A server without IPv6 is asked for a relay of IPv4 instead")
    func family() {
        var harness = TURNHarness(family: .ipv6)
        harness.server.supportsIPv6 = false
        harness.feed(.start)
        #expect(harness.allocated == [TURNTestServer.relayed] && harness.errors.isEmpty)
        #expect(harness.server.requests.count == 3)
    }

    @Test("ALTERNATE-SERVER leads elsewhere")
    func alternate() {
        var harness = TURNHarness()
        let other = TransportAddress(ipv4: 0xCB00_7122, port: 3478)
        harness.server.alternate = other
        harness.feed(.start)
        #expect(harness.redirections == [other] && harness.errors.isEmpty)
    }

    @Test("A success that proves no knowledge of the password counts for nothing")
    func forgedSuccess() {
        var harness = TURNHarness()
        harness.server.omitsIntegrity = true
        harness.feed(.start)
        #expect(harness.allocated.isEmpty && harness.discarded == 1)
    }

    @Test("Data goes out once the peer is permitted, by indication, and by channel once one is bound")
    func framing() {
        var harness = TURNHarness()
        harness.feed(.start)
        #expect(harness.client.framing(to: TURNHarness.peer) == .blocked)
        harness.feed(.permit(TURNHarness.peer))
        #expect(harness.client.framing(to: TURNHarness.peer) == .indication)
        for count in 0...4 {
            let payload = Array(1...5 as ClosedRange<UInt8>).prefix(count)
            let header = harness.client.sendIndication(of: count, to: TURNHarness.peer, nonce: 9)
            _ = harness.server.answer(header + payload + [UInt8](repeating: 0, count: -count & 3))
            #expect(harness.server.relayedData.last?.peer == TURNHarness.peer)
            #expect(harness.server.relayedData.last?.data == Array(payload))
        }
        harness.feed(.bindChannel(TURNHarness.peer))
        #expect(harness.client.framing(to: TURNHarness.peer) == .channel(0x4000))
        #expect(harness.client.peer(ofChannel: 0x4000) == TURNHarness.peer)
        let other = TURNHarness.peer.with(port: 1)
        #expect(harness.client.framing(to: other) == .indication, "a permission is for the whole host")
        #expect(harness.client.peer(ofChannel: 0x4001) == nil)
    }

    @Test("A peer that the server refuses is denied, and not asked for again at once")
    func forbidden() {
        var harness = TURNHarness()
        harness.server.forbidden = [TURNHarness.peer.with(port: 0)]
        harness.feed(.start)
        harness.feed(.permit(TURNHarness.peer))
        #expect(harness.denied == [TURNHarness.peer.with(port: 0)])
        let sent = harness.sent
        harness.feed(.permit(TURNHarness.peer))
        #expect(harness.sent == sent)
        #expect(harness.client.framing(to: TURNHarness.peer) == .blocked)
        harness.run(for: .minutes(2))
        harness.server.forbidden = []
        harness.feed(.permit(TURNHarness.peer))
        #expect(harness.permitted == [TURNHarness.peer.with(port: 0)])
    }

    @Test("Data from a peer without a permission is dropped, whoever pretends to relay it")
    func unpermitted() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.feed(.permit(TURNHarness.peer))
        harness.deliver(TURNTestServer.data([1], from: TransportAddress(ipv4: 0x0102_0304, port: 5)))
        #expect(harness.data.isEmpty && harness.discarded == 1)
        harness.deliver(TURNTestServer.data([2], from: TURNHarness.peer.with(port: 99)))
        #expect(harness.data.map(\.bytes) == [[2]])
    }

    @Test("Permissions and channels in use are renewed, others lapse")
    func renewal() {
        var harness = TURNHarness()
        let idle = TransportAddress(ipv4: 0xC633_6463, port: 1)
        harness.feed(.start)
        harness.feed(.bindChannel(TURNHarness.peer))
        harness.feed(.permit(idle))
        for _ in 0..<200 {
            _ = harness.client.framing(to: TURNHarness.peer)
            harness.run(for: .seconds(10))
        }
        #expect(harness.client.framing(to: TURNHarness.peer) == .channel(0x4000))
        #expect(harness.client.framing(to: idle) == .blocked)
        let renewed = harness.server.permissions.count { $0 == TURNHarness.peer.with(port: 0) }
        #expect(renewed >= 6, "2,000 seconds need a permission of 300 seconds at least six times more")
        harness.run(for: .minutes(30))
        #expect(harness.client.channels.isEmpty && harness.client.permissions.isEmpty)
        #expect(harness.client.peer(ofChannel: 0x4000) == nil)
    }

    @Test("However many peers there are, permissions, channels and requests stay bounded")
    func bounded() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.server.isDead = true
        for number in 0..<1_000 as Range<UInt32> {
            let peer = TransportAddress(ipv4: 0x0B00_0000 + number, port: 1)
            harness.feed(.permit(peer))
            harness.feed(.bindChannel(peer))
        }
        let limit = harness.client.configuration.maximumPeers
        #expect(harness.client.permissions.count <= limit && harness.client.channels.count <= limit)
        #expect(harness.client.transactions.count <= 2 * limit)
    }

    @Test("After a change of the network a server that has forgotten the client is noticed at once")
    func networkChanged() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.feed(.probe)
        #expect(harness.errors.isEmpty)
        harness.server.forgetAllocation()
        harness.feed(.probe)
        #expect(harness.errors == [.mismatch])
    }

    @Test(
        "A server that was restarted is found to have lost the allocation, however it says so",
        arguments: [true, false]
    )
    func restarted(saysStale: Bool) {
        var harness = TURNHarness()
        harness.server.saysStale = saysStale
        harness.feed(.start)
        harness.feed(.bindChannel(TURNHarness.peer))
        harness.server.restart(realm: "other.example")
        harness.feed(.probe)
        #expect(harness.errors == [.mismatch])
        #expect(harness.client.deadline == nil)
    }

    @Test("A new permission and a new channel find out, too", arguments: [true, false])
    func restartedUnderRequests(isChannel: Bool) {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.server.restart(realm: "example.org")
        harness.feed(isChannel ? .bindChannel(TURNHarness.peer) : .permit(TURNHarness.peer))
        #expect(harness.errors == [.mismatch])
    }

    @Test("An allocation that the server kept while it could not be reached makes room for a new one")
    func leftover() {
        var harness = TURNHarness()
        harness.feed(.start)
        var again = TURNHarness()
        again.server = harness.server
        again.feed(.start)
        #expect(again.allocated == [TURNTestServer.relayed] && again.errors.isEmpty)
        // Where that does not help, as with somebody else's allocation, it is tried once.
        var stubborn = TURNHarness()
        stubborn.server.refusal = 437
        stubborn.feed(.start)
        #expect(stubborn.errors == [.mismatch])
    }

    @Test("A question is asked only once at a time")
    func oneProbe() {
        var harness = TURNHarness()
        harness.feed(.start)
        harness.server.isDead = true
        let before = harness.sent
        for _ in 0..<5 { harness.feed(.probe) }
        #expect(harness.sent == before + 1)
    }

    @Test("Garbage from the server's address neither traps nor grows it", arguments: [1, 2, 3] as [UInt64])
    func garbage(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var harness = TURNHarness()
        harness.feed(.start)
        harness.feed(.permit(TURNHarness.peer))
        for round in 0..<3_000 {
            var message = STUNMessage(
                messageClass: [.request, .success, .error, .indication][round % 4],
                method: UInt16.random(in: 0...10, using: &random),
                transactionID: STUNTransactionID(
                    connection: 7,
                    nonce: harness.client.transactions.keys.randomElement(using: &random) ?? random.next()
                )
            )
            message.errorCode = [nil, 300, 401, 403, 437, 438, 440, 486, 500].randomElement(using: &random) ?? nil
            message.turn.nonce = Bool.random(using: &random) ? [1, 2] : nil
            message.turn.realm = Bool.random(using: &random) ? "r" : nil
            message.turn.relayedAddress = Bool.random(using: &random) ? TURNTestServer.relayed : nil
            message.turn.lifetime = Bool.random(using: &random) ? UInt32.random(in: 0 ... .max, using: &random) : nil
            message.turn.peerAddresses = [TransportAddress(ipv4: UInt32(round), port: 1)]
            message.turn.data = [1, 2, 3]
            harness.deliver(message.encoded(key: nil))
            if round % 10 == 0 { harness.run(for: .seconds(30)) }
            if harness.client.deadline == nil { harness = TURNHarness() }
            if round % 50 == 0 { harness.feed(.start) }
            harness.feed(.permit(TransportAddress(ipv4: UInt32(round), port: 1)))
        }
        #expect(harness.client.transactions.count <= 2 * 100 + 8, "seed \(seed)")
    }

    @Test("The key of long-term credentials is that of RFC 5769 section 2.4")
    func rfcKey() throws {
        let request = STUNTests.bytes(
            """
            00 01 00 60 21 12 a4 42 78 ad 34 33 c6 ad 72 c0 29 da 41 2e
            00 06 00 12 e3 83 9e e3 83 88 e3 83 aa e3 83 83 e3 82 af e3 82 b9 00 00
            00 15 00 1c 66 2f 2f 34 39 39 6b 39 35 34 64 36 4f 4c 33 34 6f 4c 39 46 53 54 76 79 36 34 73 41
            00 14 00 0b 65 78 61 6d 70 6c 65 2e 6f 72 67 00
            00 08 00 14 f6 70 24 65 6d d6 4a 3e 02 b8 e0 71 2e 85 c9 a2 8c a8 96 66
            """
        )
        let decoder = try STUNDecoder(request)
        let username = try #require(decoder.message.username)
        #expect(decoder.message.turn.realm == "example.org")
        let key = LongTermKey.key(username: username, realm: "example.org", password: "TheMatrIX")
        #expect(decoder.isAuthentic(key: key))
        #expect(!decoder.isAuthentic(key: LongTermKey.key(username: username, realm: "example.org", password: "x")))
    }
}

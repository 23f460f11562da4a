import NIOCore
import Testing

@testable import WebRTC

/// A peer that puts somebody else's address on its requests must not have that somebody flooded.
@Suite("Amplification", .timeLimit(.minutes(5)))
struct AmplificationTests {
    private static let address = TransportAddress(ipv4: 0x7F00_0001, port: 9)
    private static let datagram = [UInt8](repeating: 22, count: 100)

    @Test("Three times what came from an address may go there, and all else once it has answered")
    func threeTimes() {
        var destination = DTLSDestination.unproved(Self.address, base: 0, received: 100)
        let admitted = (0..<20).filter { _ in Self.datagram.withUnsafeBytes { destination.admits($0) } }
        #expect(admitted == [0, 1, 2])
        // What comes later pays for the oldest that waits.
        #expect(destination.received(33).isEmpty, "99 bytes are too few")
        #expect(destination.received(1).count == 1)
        #expect(!Self.datagram.withUnsafeBytes { destination.admits($0) }, "order is kept")
        #expect(destination.prove().count == 8)
        #expect(destination.isProved)
        #expect((0..<20).allSatisfy { _ in Self.datagram.withUnsafeBytes { destination.admits($0) } })
    }

    private static let peerPassword = "a password of 22 and more".filter { $0 != " " } + "xx"

    /// A connection to a peer that offers to be the DTLS client.
    private static func connection(
        on transport: WebRTCTransport,
        fingerprint: DataSessionDescription.Fingerprint
    ) throws -> PeerConnection {
        let connection = try transport.makePeerConnection()
        var offer = DataSessionDescription()
        offer.sections = [
            .init(kind: "application", transport: "UDP/DTLS/SCTP", formats: "webrtc-datachannel", mid: "0")
        ]
        (offer.usernameFragment, offer.password) = ("peer", peerPassword)
        offer.fingerprints = [fingerprint]
        offer.setup = .active
        let sdp = offer.written(sessionID: 1, version: 2)
        try connection.setRemoteDescription(SessionDescription(type: .offer, sdp: sdp))
        _ = try connection.createAnswer()
        return connection
    }

    /// A peer that asks from an address that is not its own.
    @Test("A handshake with an address that does not answer sends it three times what came, however long it lasts")
    func unansweredAddress() async throws {
        let victim = try UDPListener()
        let context = try DTLSContext()
        let strangers = try SessionPair(client: context, server: context)
        let hello = try #require(strangers.toServer.first)
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let loop = transport.eventLoop
        let fingerprint = context.fingerprint
        let injected = try await loop.submit {
            let connection = try Self.connection(on: transport, fingerprint: fingerprint)
            let (fragment, password) = connection.localCredentials
            var request = STUNMessage(messageClass: .request, transactionID: .init(connection: 1, nonce: 1))
            request.username = fragment + ":peer"
            request.priority = 1
            request.controlling = 1
            let check = request.encoded(password: password)
            let source = try SocketAddress(ipAddress: victim.address.ip, port: Int(victim.address.port))
            transport.inject(datagram: check, from: source)
            transport.inject(datagram: hello, from: source)
            return check.count + hello.count
        }.get()
        // Flights are sent again after 200, 400 and 800 ms.
        try await loop.scheduleTask(in: .milliseconds(1_700)) {}.futureResult.get()
        let handshake = victim.take().filter { $0.first == 22 }
        #expect(!handshake.isEmpty, "the first flight leaves, so that no round trip is lost")
        #expect(handshake.reduce(0) { $0 + $1.count } <= 3 * injected)
    }
    /// A peer of two address families is heard from one last, and answers from the other first.
    @Test("What waited for one address to be proved goes to the one that is")
    func otherAddressProved() async throws {
        let (asking, answering) = (try UDPListener(), try UDPListener())
        let context = try DTLSContext()
        let hello = try #require(SessionPair(client: context, server: context).toServer.first)
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let loop = transport.eventLoop
        let fingerprint = context.fingerprint
        let sources = try [answering, asking].map {
            try SocketAddress(ipAddress: $0.address.ip, port: Int($0.address.port))
        }
        let connection = try await loop.submit {
            let connection = try Self.connection(on: transport, fingerprint: fingerprint)
            let (fragment, password) = connection.localCredentials
            for (number, source) in sources.enumerated() {
                let transaction = STUNTransactionID(connection: 1, nonce: UInt64(number))
                var request = STUNMessage(messageClass: .request, transactionID: transaction)
                request.username = fragment + ":peer"
                request.priority = 1
                request.controlling = 1
                transport.inject(datagram: request.encoded(password: password), from: source)
            }
            transport.inject(datagram: hello, from: sources[0])
            return NIOLoopBound(connection, eventLoop: loop)
        }.get()
        var checks: [[UInt8]] = []
        while checks.isEmpty {
            try await loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
            checks = answering.take().filter { $0.first == 0 && $0[1] == 1 }
        }
        let check = try #require(checks.first)
        try await loop.submit {
            let transaction = try STUNDecoder(check).message.transactionID
            var answer = STUNMessage(messageClass: .success, transactionID: transaction)
            answer.mappedAddress = transport.localAddresses[0]
            transport.inject(datagram: answer.encoded(password: Self.peerPassword), from: sources[0])
        }.get()
        var flight: [[UInt8]] = []
        while flight.isEmpty {
            try await loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
            flight = answering.take().filter { $0.first == 22 }
        }
        // What is sent again has a later number; this is the first of its epoch (RFC 6347 section 4.1).
        #expect(flight[0][3..<11].allSatisfy { $0 == 0 })
        try await loop.submit { connection.value.close() }.get()
    }
}

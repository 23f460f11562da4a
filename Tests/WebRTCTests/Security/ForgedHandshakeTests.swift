import NIOCore
import Testing

@testable import WebRTC

/// Somebody who sees nothing, but can send datagrams with the peer's address while a handshake is under way.
@Suite("Forged handshake messages", .timeLimit(.minutes(5)))
struct ForgedHandshakeTests {
    /// A handshake message whole in one record of epoch 0.
    private static func record(_ type: UInt8, _ sequence: UInt8, _ body: [UInt8], length: Int? = nil) -> [UInt8] {
        let total = length ?? body.count
        var message: [UInt8] = [type, UInt8(total >> 16), UInt8(total >> 8 & 0xFF), UInt8(total & 0xFF), 0, sequence]
        message += [0, 0, 0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
        let header: [UInt8] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, sequence]
        return header + [UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
    }

    private static let alert: [UInt8] = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]

    /// Every flight of a handshake between strangers: well-formed, and of no use to anybody else.
    private static func foreignFlights() throws -> (forServer: [[UInt8]], forClient: [[UInt8]]) {
        let pair = try SessionPair(client: DTLSContext(), server: DTLSContext())
        var flights: (forServer: [[UInt8]], forClient: [[UInt8]]) = ([], [])
        while !pair.areConnected {
            let (forServer, forClient) = (pair.toServer, pair.toClient)
            (pair.toServer, pair.toClient) = ([], [])
            for datagram in forServer { _ = pair.deliver(datagram, to: pair.server) }
            for datagram in forClient { _ = pair.deliver(datagram, to: pair.client) }
            flights.forServer += forServer
            flights.forClient += forClient
        }
        return flights
    }

    /// What no peer sends at that point, and some of what one could.
    private static func nuisances() -> [[UInt8]] {
        var all = [Self.alert]
        for type: UInt8 in [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 22, 255] {
            for sequence: UInt8 in 0...6 {
                all.append(Self.record(type, sequence, [UInt8](repeating: 0xEE, count: 48)))
                all.append(Self.record(type, sequence, []))
                all.append(Self.record(type, sequence, [1, 2, 3], length: 0xFF_FFFF))
            }
        }
        return all
    }

    @Test(
        "A malformed message, or an alert in the clear, changes nothing for either end, at any point of the handshake"
    )
    func malformed() throws {
        let context = try DTLSContext()
        let harmless =
            [Self.alert]
            + Self.nuisances().filter { datagram in
                // Of a kind that has no place there, or too short or long for its kind.
                datagram[13] == 0 || datagram[13] == 4 || datagram[13] >= 20 || datagram.count == 25
                    || datagram.count == 28
            }
        for nuisance in harmless where nuisance[0] == 21 || nuisance[13] != 14 {
            let pair = try SessionPair(client: context, server: context)
            for _ in 0..<4 {
                _ = pair.deliver(nuisance, to: pair.server)
                _ = pair.deliver(nuisance, to: pair.client)
                let (forServer, forClient) = (pair.toServer, pair.toClient)
                (pair.toServer, pair.toClient) = ([], [])
                for datagram in forServer { _ = pair.deliver(datagram, to: pair.server) }
                for datagram in forClient { _ = pair.deliver(datagram, to: pair.client) }
            }
            #expect(pair.areConnected, "\(nuisance.prefix(25))")
        }
    }

    @Test("An alert in the clear is believed when nothing else comes, not when the handshake goes on")
    func alerts() throws {
        let context = try DTLSContext()
        let pair = try SessionPair(client: context, server: context)
        let client = try #require(pair.client)
        #expect(client.guardDeadline == nil)
        _ = pair.deliver(Self.alert, to: client)
        #expect(client.state == .handshaking && client.heldAlert == 40)
        let deadline = try #require(client.guardDeadline)
        #expect(!client.isOvertaken(at: deadline - .milliseconds(1)))
        #expect(client.isOvertaken(at: deadline))
        pair.exchange()
        #expect(pair.areConnected)
        #expect(!client.isOvertaken(at: deadline + .seconds(9)))
    }

    @Test("A server notices that its client began anew, and goes on with the newer hello")
    func newHello() throws {
        let context = try DTLSContext()
        let first = try SessionPair(client: context, server: context)
        let server = try #require(first.server)
        for datagram in first.toServer { _ = first.deliver(datagram, to: server) }
        let second = try SessionPair(client: context, server: context)
        let hello = try #require(second.toServer.first)
        _ = first.deliver(hello, to: server)
        #expect(server.challenge == hello)
        let deadline = try #require(server.guardDeadline)
        #expect(server.isOvertaken(at: deadline))
        // Were the first client still there, its next message would settle it.
        first.toServer = []
        first.exchange()
        #expect(server.state == .connected && !server.isOvertaken(at: deadline))
    }

    private static func inject(_ bytes: [UInt8], into side: Pair.Side, as peer: Pair.Side) {
        let source = peer.transport.localAddresses[0]
        guard let address = try? SocketAddress(ipAddress: source.ip, port: Int(source.port)) else { return }
        side.transport.inject(datagram: bytes, from: address)
    }

    /// A server's first flight, forged before the true one: the client cannot tell until a signature fails.
    private static func breakOnce(restarts: Int) async throws -> (state: PeerConnectionState, attempts: Int) {
        let flights = try Self.foreignFlights()
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumHandshakeRestarts = restarts
        let bound = try await BoundPair.make(configuration, configuration)
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("chat", at: pair.a)
            try pair.signal()
            // B, the client, has begun as soon as it knows where to: its first flight is on its way.
            let begin = pair.b.connection.onICEConnectionStateChange
            pair.b.connection.onICEConnectionStateChange = { state in
                begin?(state)
                guard state == .connected else { return }
                WebRTCEventLoop.loop.assumeIsolated().execute {
                    for datagram in flights.forClient { Self.inject(datagram, into: pair.b, as: pair.a) }
                }
            }
        }
        try await bound.until { pair in
            pair.b.opened == ["chat"] || pair.b.connection.connectionState == .failed
        }
        return try await bound.run { ($0.b.connection.connectionState, $0.b.connection.handshake.restarts) }
    }

    @Test("A handshake that a forged flight breaks is begun anew; without leave to, the connection fails")
    func restart() async throws {
        let with = try await Self.breakOnce(restarts: 8)
        #expect(with.state == .connected && with.attempts > 0)
        let without = try await Self.breakOnce(restarts: 0)
        #expect(without.state == .failed && without.attempts == 0)
    }
}

import NIOCore
import TestSupport
import Testing

@testable import WebRTC

/// What somebody can do who is not on the path between two peers, but can send from any address.
@Suite("Off-path senders", .timeLimit(.minutes(5)))
struct OffPathTests {
    private static let stranger = TransportAddress(ipv4: 0x7F00_0063, port: 6_666)

    private static func inject(_ bytes: [UInt8], into side: Pair.Side, from source: TransportAddress) throws {
        let address = try SocketAddress(ipAddress: source.ip, port: Int(source.port))
        let envelope = AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes))
        let core = side.transport.core.value
        core.receive(envelope, base: 0)
        core.readComplete()
    }

    /// Whether messages still go both ways.
    private static func check(_ bound: BoundPair) async throws {
        try await bound.run { pair in
            try pair.a.channels["chat"]?.send("still")
            try pair.b.channels["chat"]?.send("there")
        }
        try await bound.until { pair in
            pair.a.messages.last.map { String(buffer: $0.message) } == "there"
                && pair.b.messages.last.map { String(buffer: $0.message) } == "still"
        }
    }

    @Test("Requests, responses and data that nobody authenticated get no answer and move nothing")
    func unauthenticated() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let agent = pair.b.connection.ice.agent
                let selected = agent.selected?.remote.address
                let before = pair.b.transport.counters
                let source = try #require(selected)
                for from in [Self.stranger, source] {
                    for kind in [STUNMessage.Class.request, .success, .error, .indication] {
                        for method in [1, 3, 4, 6, 7, 8, 9] as [UInt16] {
                            var message = STUNMessage(
                                messageClass: kind,
                                method: method,
                                transactionID: .init(connection: pair.b.connection.id, nonce: UInt64(method))
                            )
                            message.username =
                                agent.local.usernameFragment + ":" + (agent.remote?.usernameFragment ?? "")
                            message.useCandidate = true
                            message.controlling = 1
                            message.errorCode = 487
                            message.turn.peerAddresses = [source]
                            message.turn.data = [20, 254, 253, 0]
                            try Self.inject(
                                message.encoded(password: "a wrong password, of some length"),
                                into: pair.b,
                                from: from
                            )
                            try Self.inject(message.encoded(key: nil), into: pair.b, from: from)
                        }
                    }
                    // Channel data of a TURN server that nobody uses.
                    try Self.inject([0x40, 0, 0, 4, 1, 2, 3, 4], into: pair.b, from: from)
                }
                let after = pair.b.transport.counters
                #expect(
                    after.sentDatagrams == before.sentDatagrams,
                    "an answer to a stranger can be used against others"
                )
                // From each of the two addresses 57 datagrams. A Binding indication is a keep-alive (RFC 8445 section 11):
                // it asks for nothing, and is nothing that could be dropped.
                let dropped = [
                    after.droppedUnauthenticSTUN - before.droppedUnauthenticSTUN,
                    after.droppedUnexpectedSTUN - before.droppedUnexpectedSTUN,
                    after.droppedUnpermittedRelayData - before.droppedUnpermittedRelayData,
                    after.droppedMalformedSTUN - before.droppedMalformedSTUN,
                ]
                #expect(dropped.reduce(0, +) == 2 * (57 - 2), "what is dropped is counted: \(dropped)")
                #expect(pair.b.connection.ice.agent.selected?.remote.address == selected)
                #expect(pair.b.connection.ice.agent.checklist.pairs.count == agent.checklist.pairs.count)
            }
            try await Self.check(bound)
        }
    }

    @Test("A flood of requests for one connection leaves others, and its own memory, alone")
    func flood() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let agent = pair.b.connection.ice.agent
                let routes = pair.b.connection.ice.routes.count
                for number in 0..<20_000 as Range<UInt32> {
                    var message = STUNMessage(
                        messageClass: .request,
                        transactionID: .init(connection: 1, nonce: UInt64(number))
                    )
                    message.username = agent.local.usernameFragment + ":x"
                    let source = TransportAddress(ipv4: 0x0A00_0000 + number, port: 9)
                    try Self.inject(message.encoded(password: "wrong"), into: pair.b, from: source)
                }
                #expect(pair.b.connection.ice.agent.checklist.pairs.count == agent.checklist.pairs.count)
                #expect(pair.b.connection.ice.routes.count == routes)
            }
            try await Self.check(bound)
        }
    }
}

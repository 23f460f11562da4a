import NIOCore
import TestSupport
import Testing

@testable import SCTP
@testable import WebRTC

@Suite("Bursts", .timeLimit(.minutes(5)))
struct BurstTests {
    private static let window = 10 * 1000

    @Test("The first window is ten packets")
    func initialWindow() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let sctp = try #require(pair.a.connection.getStats().sctpTransport)
                // Where the machine stood still for so long that something was sent again, the window has collapsed.
                #expect(sctp.congestionWindow >= Self.window || sctp.retransmittedPackets > 0, "\(sctp)")
            }
        }
    }

    /// Sends a message over a path that is said to be long, and that the association has not measured yet. Returns what left at
    /// once and what waits.
    private static func send(_ message: ByteBuffer, _ pair: Pair) throws -> (sent: Int, waiting: Int) {
        let connection = pair.a.connection
        connection.ice.roundTrip = .milliseconds(50)
        connection.association?.sender?.estimator = RoundTripEstimator(
            AssociationConfiguration { _ in [] }
        )
        let before = connection.traffic.sentBytes
        try pair.a.channels["chat"]?.send(message)
        connection.settleChannels()
        return (Int(connection.traffic.sentBytes - before), try #require(connection.association).bufferedBytes)
    }

    /// A pair whose window has grown, with nothing on its way.
    private static func withGrownWindow(_ body: (BoundPair) async throws -> Void) async throws {
        try await withConnectedPair { bound in
            try await bound.run { try $0.a.channels["chat"]?.send(ByteBuffer(repeating: 1, count: 200_000)) }
            try await bound.until { $0.b.messages.count == 1 }
            try await eventually { try await bound.run { !$0.a.connection.hasUnacknowledgedData } }
            try await body(bound)
        }
    }

    @Test("At some distance a message leaves in a burst of ten packets and then bit by bit, and arrives whole")
    func paced() async throws {
        try await Self.withGrownWindow { bound in
            let message = ByteBuffer(bytes: (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
            try await bound.run { pair in
                let (sent, waiting) = try Self.send(message, pair)
                #expect(sent > 0 && sent <= 15_000, "\(sent) bytes left at once")
                #expect(waiting >= 35_000, "\(waiting) wait")
            }
            try await bound.until { $0.b.messages.count == 2 }
            try await bound.run { #expect($0.b.messages.last?.message == message) }
        }
    }

    @Test("What the pacing holds back leaves before the connection closes, as far as the window lets it")
    func closing() async throws {
        try await Self.withGrownWindow { bound in
            try await bound.run { pair in
                let window = try #require(pair.a.connection.getStats().sctpTransport?.congestionWindow)
                let before = pair.a.connection.traffic.sentBytes
                _ = try Self.send(ByteBuffer(repeating: 1, count: 50_000), pair)
                pair.a.connection.close()
                #expect(Int(pair.a.connection.traffic.sentBytes - before) >= min(window, 50_000))
            }
        }
    }
}

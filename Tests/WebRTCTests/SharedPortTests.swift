import NIOCore
import Testing

@testable import WebRTC

@Suite("Many connections between the same two ports", .timeLimit(.minutes(5)))
struct SharedPortTests {
    private static let count = 100

    /// Pairs whose sides share two transports, joined one after the other.
    private func withPairs(
        _ body: (_ transports: [WebRTCTransport], _ pairs: [BoundPair]) async throws -> Void
    ) async throws {
        let transports = [try await WebRTCTransport.bind(.loopback()), try await WebRTCTransport.bind(.loopback())]
        defer { for transport in transports { transport.close() } }
        var pairs: [BoundPair] = []
        for _ in 0..<Self.count {
            let pair = try await WebRTCEventLoop.loop.submit {
                let pair = try Pair(transports[0], transports[1])
                try pair.create("chat", at: pair.a)
                try pair.signal()
                return NIOLoopBound(pair, eventLoop: WebRTCEventLoop.loop)
            }.get()
            let bound = BoundPair(pair: pair, transports: [])
            try await bound.until { $0.a.opened.count == 1 && $0.b.opened.count == 1 }
            pairs.append(bound)
        }
        try await body(transports, pairs)
    }

    @Test("They are told apart, and end separately")
    func apart() async throws {
        try await self.withPairs { _, pairs in
            for pair in pairs { try await pair.run { try $0.b.channels["chat"]?.send("hello") } }
            for pair in pairs { try await pair.until { $0.a.messages.count == 1 } }
            for pair in pairs { try await pair.run { $0.a.connection.close() } }
            for pair in pairs { try await pair.until { $0.b.connection.connectionState == .closed } }
        }
    }

    @Test("Whose a datagram is, is searched for once a session; then it is known")
    func searches() async throws {
        try await self.withPairs { transports, pairs in
            func exchange(_ rounds: Int, total: Int) async throws {
                for pair in pairs {
                    try await pair.run { pair in
                        for _ in 0..<rounds {
                            try pair.a.channels["chat"]?.send("there")
                            try pair.b.channels["chat"]?.send("and back")
                        }
                    }
                }
                for pair in pairs {
                    try await pair.until { $0.a.messages.count == total && $0.b.messages.count == total }
                }
            }
            func searches() async throws -> [UInt64] {
                try await WebRTCEventLoop.loop.submit { transports.map { $0.core.value.table.shared.searches } }.get()
            }
            try await exchange(1, total: 1)
            let before = try await searches()
            try await exchange(6, total: 7)
            #expect(try await searches() == before)
        }
    }
}

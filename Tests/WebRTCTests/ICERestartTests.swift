import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("ICE restart through real UDP", .timeLimit(.minutes(5)))
struct ICERestartTests {
    /// Sends numbered messages both ways, one every turn of the loop, until told to stop.
    private static func send(_ range: Range<Int>, over pair: Pair) throws {
        for number in range {
            try pair.a.channels["chat"]?.send("\(number)")
            try pair.b.channels["chat"]?.send("\(number)")
        }
    }

    private static func restart(_ first: Pair.Side, _ second: Pair.Side) throws {
        let offer = try first.connection.createOffer(iceRestart: true)
        try second.connection.setRemoteDescription(offer)
        try first.connection.setRemoteDescription(try second.connection.createAnswer())
    }

    @Test("Either side can restart, again and again; credentials are new each time, and no message is lost")
    func restarts() async throws {
        try await withConnectedPair { bound in
            let before = try await bound.run { $0.a.connection.ice.agent.local }
            try await bound.run { pair in
                try Self.send(0..<50, over: pair)
                try Self.restart(pair.a, pair.b)
                try Self.send(50..<100, over: pair)
            }
            try await bound.untilRestarted()
            #expect(try await bound.run { $0.a.connection.ice.agent.local } != before)
            try await bound.run { pair in
                try Self.restart(pair.b, pair.a)
                try Self.send(100..<150, over: pair)
            }
            try await bound.untilRestarted()
            try await bound.run { try Self.send(150..<200, over: $0) }
            try await bound.until { $0.a.messages.count == 200 && $0.b.messages.count == 200 }
            try await bound.run { pair in
                for side in [pair.a, pair.b] {
                    #expect(side.messages.map { String(buffer: $0.message) } == (0..<200).map(String.init))
                    #expect(side.connection.connectionState == .connected)
                }
            }
        }
    }

    @Test("A restart that the peer never answers leaves the old path as it was")
    func unanswered() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                _ = try pair.a.connection.createOffer(iceRestart: true)
                #expect(pair.a.connection.iceConnectionState == .connected)
                try Self.send(0..<100, over: pair)
            }
            try await bound.until { $0.a.messages.count == 100 && $0.b.messages.count == 100 }
        }
    }

    @Test("When both sides restart at once, the first offerer's restart goes ahead")
    func glare() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let first = try pair.a.connection.createOffer(iceRestart: true)
                let second = try pair.b.connection.createOffer(iceRestart: true)
                #expect(throws: WebRTCError.self) { try pair.a.connection.setRemoteDescription(second) }
                try pair.b.connection.setRemoteDescription(first)
                try pair.a.connection.setRemoteDescription(try pair.b.connection.createAnswer())
                try Self.send(0..<100, over: pair)
            }
            try await bound.untilRestarted()
            try await bound.until { $0.a.messages.count == 100 && $0.b.messages.count == 100 }
        }
    }

    @Test("A restart cannot smuggle in another certificate")
    func otherCertificate() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let offer = try pair.a.connection.createOffer(iceRestart: true)
                let other = "a=fingerprint:sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")
                let lines = offer.sdp.split(separator: "\r\n").map { line in
                    line.hasPrefix("a=fingerprint:") ? other : String(line)
                }
                let forged = SessionDescription(type: .offer, sdp: lines.joined(separator: "\r\n") + "\r\n")
                #expect(throws: WebRTCError.self) { try pair.b.connection.setRemoteDescription(forged) }
                #expect(pair.b.connection.ice.previousAgent == nil)
            }
        }
    }

    @Test("Each further description of a session has a higher version, however often it is looked at")
    func versions() async throws {
        @Sendable func version(_ description: SessionDescription?) -> UInt64? {
            let origin = description?.sdp.split(separator: "\r\n").first { $0.hasPrefix("o=") }
            return origin.flatMap { UInt64($0.split(separator: " ")[2]) }
        }
        try await withConnectedPair { bound in
            try await bound.run { pair in
                #expect(version(pair.a.connection.localDescription) == 2)
                let offer = try pair.a.connection.createOffer(iceRestart: true)
                #expect(version(offer) == 3)
                #expect(version(pair.a.connection.localDescription) == 3)
                #expect(version(pair.a.connection.localDescription) == 3)
                try pair.b.connection.setRemoteDescription(offer)
                #expect(version(try pair.b.connection.createAnswer()) == 3)
            }
        }
    }

    @Test("Before the first answer a restart is an ordinary offer")
    func early() async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        try await bound.run { pair in
            let first = try pair.a.connection.createOffer()
            #expect(try pair.a.connection.createOffer(iceRestart: true) == first)
        }
    }
}

extension BoundPair {
    /// Waits until both sides have left the old path.
    fileprivate func untilRestarted() async throws {
        try await eventually {
            try await self.run { pair in
                [pair.a, pair.b].allSatisfy {
                    $0.connection.ice.previousAgent == nil && $0.connection.ice.agent.selected?.isNominated == true
                }
            }
        }
    }
}

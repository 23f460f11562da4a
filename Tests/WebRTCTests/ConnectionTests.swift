import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("Two peers through real UDP", .timeLimit(.minutes(5)))
struct ConnectionTests {
    @Test("Text, binary and empty messages arrive as what they were sent as")
    func kinds() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let channel = try #require(pair.a.channels["chat"])
                try channel.send("grüße")
                try channel.send(ByteBuffer(bytes: [0, 1, 255]))
                try channel.send(ByteBuffer(), as: .text)
                try channel.send(ByteBuffer(), as: .binary)
            }
            try await bound.until { $0.b.messages.count == 4 }
            try await bound.run { pair in
                let messages = pair.b.messages
                #expect(messages.map(\.kind) == [.text, .binary, .text, .binary])
                #expect(String(buffer: messages[0].message) == "grüße")
                #expect(messages[1].message == ByteBuffer(bytes: [0, 1, 255]))
                #expect(messages[2].message.readableBytes == 0 && messages[3].message.readableBytes == 0)
            }
        }
    }

    @Test("A message of 200 KB arrives whole in both directions")
    func large() async throws {
        let message = ByteBuffer(bytes: (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
        try await withConnectedPair { bound in
            try await bound.run { pair in
                try pair.a.channels["chat"]?.send(message)
                try pair.b.channels["chat"]?.send(message)
            }
            try await bound.until { $0.a.messages.count == 1 && $0.b.messages.count == 1 }
            try await bound.run { pair in
                #expect(pair.a.messages[0].message == message)
                #expect(pair.b.messages[0].message == message)
            }
        }
    }

    @Test("No datagram is larger than configured, and full ones waste less than four bytes", arguments: [1200, 1400])
    func datagramSize(limit: Int) async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumDatagramSize = limit
        try await withConnectedPair(configuration, configuration) { bound in
            try await bound.run { pair in
                for size in (1000...1500).reversed() {
                    try pair.a.channels["chat"]?.send(ByteBuffer(repeating: 0, count: size))
                }
            }
            try await bound.until { $0.b.messages.count == 501 }
            try await bound.run { pair in
                let largest = pair.a.transport.counters.largestSentDatagram
                #expect(largest <= limit && largest > limit - 4)
            }
        }
    }

    @Test("A thousand small messages keep their order")
    func ordered() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                for number in 0..<1000 { try pair.a.channels["chat"]?.send("\(number)") }
            }
            try await bound.until { $0.b.messages.count == 1000 }
            try await bound.run { pair in
                #expect(pair.b.messages.map { String(buffer: $0.message) } == (0..<1000).map(String.init))
            }
        }
    }

    @Test("An unordered channel says so to the peer and delivers everything")
    func unordered() async throws {
        var configuration = DataChannelConfiguration()
        configuration.ordered = false
        configuration.reliability = .maxRetransmits(5)
        configuration.subprotocol = "chat-1"
        try await withConnectedPair(channel: configuration) { bound in
            try await bound.run { pair in
                let channel = try #require(pair.b.channels["chat"])
                #expect(!channel.ordered && channel.reliability == .maxRetransmits(5))
                #expect(channel.subprotocol == "chat-1")
                for number in 0..<200 { try pair.a.channels["chat"]?.send("\(number)") }
            }
            try await bound.until { $0.b.messages.count == 200 }
            try await bound.run { pair in
                #expect(Set(pair.b.messages.map { String(buffer: $0.message) }) == Set((0..<200).map(String.init)))
            }
        }
    }

    @Test("Both sides can open channels, before and after connecting, and each gets its own stream")
    func severalChannels() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                try pair.create("a2", at: pair.a)
                try pair.create("b1", at: pair.b)
                try pair.create("b2", at: pair.b)
            }
            try await bound.until { Set($0.a.opened) == ["chat", "a2", "b1", "b2"] && $0.b.opened.count == 4 }
            try await bound.run { pair in
                #expect(Set(pair.a.channels.values.compactMap(\.id)).count == 4)
                for (label, channel) in pair.a.channels { try channel.send(label) }
            }
            try await bound.until { $0.b.messages.count == 4 }
            try await bound.run { pair in
                for (label, message, _) in pair.b.messages { #expect(String(buffer: message) == label) }
            }
        }
    }

    @Test("Channels with an agreed id need no announcement")
    func negotiated() async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        try await bound.run { pair in
            var configuration = DataChannelConfiguration()
            configuration.negotiatedID = 42
            try pair.create("left", at: pair.a, configuration)
            try pair.create("right", at: pair.b, configuration)
            try pair.signal()
        }
        try await bound.until { $0.a.opened == ["left"] && $0.b.opened == ["right"] }
        try await bound.run { try $0.a.channels["left"]?.send("hi") }
        try await bound.until { $0.b.messages.count == 1 && $0.b.messages[0].label == "right" }
    }

    @Test("Closing a channel delivers what is queued, then closes it on both sides", arguments: [true, false])
    func closeChannel(byOfferer: Bool) async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let side = byOfferer ? pair.a : pair.b
                for _ in 0..<50 { try side.channels["chat"]?.send(ByteBuffer(repeating: 7, count: 60_000)) }
                side.channels["chat"]?.close()
                #expect(side.channels["chat"]?.readyState == .closing)
                #expect(throws: DataChannelError.closed) { try side.channels["chat"]?.send("late") }
            }
            try await bound.until { $0.a.closed == ["chat"] && $0.b.closed == ["chat"] }
            try await bound.run { pair in
                #expect((byOfferer ? pair.b : pair.a).messages.count == 50)
                #expect(pair.a.connection.connectionState == .connected)
                // The stream is free again, and a further channel works.
                try pair.create("second", at: pair.a)
            }
            try await bound.until { $0.b.opened == ["chat", "second"] }
        }
    }

    @Test("Closing a connection closes the peer's, too, and may be repeated", arguments: [true, false])
    func closeConnection(byOfferer: Bool) async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let side = byOfferer ? pair.a : pair.b
                side.connection.close()
                side.connection.close()
                #expect(side.closed == ["chat"])
                #expect(throws: WebRTCError.closed) { try side.connection.createOffer() }
            }
            try await bound.until {
                $0.a.connection.connectionState == .closed && $0.b.connection.connectionState == .closed
            }
            try await bound.run { #expect($0.a.closed == ["chat"] && $0.b.closed == ["chat"]) }
        }
    }

    @Test("bufferedAmount counts what waits, falls to zero, and the low event comes once")
    func bufferedAmount() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let channel = try #require(pair.a.channels["chat"])
                channel.bufferedAmountLowThreshold = 100_000
                for _ in 0..<100 { try channel.send(ByteBuffer(repeating: 1, count: 50_000)) }
                #expect(channel.bufferedAmount == 5_000_000)
            }
            try await bound.until { $0.b.messages.count == 100 && $0.a.channels["chat"]?.bufferedAmount == 0 }
            try await bound.run { #expect($0.a.lows == ["chat"]) }
        }
    }

    @Test("A full queue and a message that is too large are refused, and leave the channel usable")
    func limits() async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumBufferedAmount = 1_000_000
        configuration.maximumMessageSize = 100_000
        try await withConnectedPair(configuration) { bound in
            try await bound.run { pair in
                let channel = try #require(pair.a.channels["chat"])
                #expect(throws: DataChannelError.messageTooLarge(size: 100_001, limit: 100_000)) {
                    try channel.send(ByteBuffer(repeating: 0, count: 100_001))
                }
                #expect(throws: DataChannelError.bufferFull(limit: 1_000_000)) {
                    for _ in 0..<100 { try channel.send(ByteBuffer(repeating: 0, count: 100_000)) }
                }
                // The peer learnt our limit from the description.
                #expect(throws: DataChannelError.messageTooLarge(size: 100_001, limit: 100_000)) {
                    try pair.b.channels["chat"]?.send(ByteBuffer(repeating: 0, count: 100_001))
                }
            }
            try await bound.until { $0.a.channels["chat"]?.bufferedAmount == 0 }
            try await bound.run { try $0.a.channels["chat"]?.send("still here") }
            try await bound.until { $0.b.messages.last.map { String(buffer: $0.message) } == "still here" }
        }
    }

    @Test("IPv6 works")
    func ipv6() async throws {
        try await withConnectedPair(.loopback("::1"), .loopback("::1")) { bound in
            try await bound.run { pair in
                #expect(pair.a.connection.getStats().candidatePair?.remote.address.family == .ipv6)
                try pair.a.channels["chat"]?.send("hi")
            }
            try await bound.until { $0.b.messages.count == 1 }
        }
    }

    @Test("Two connections between the same two ports do not disturb each other")
    func sharedAddresses() async throws {
        try await withConnectedPair { bound in
            let first = try await bound.run { NIOLoopBound($0, eventLoop: WebRTCEventLoop.loop) }
            let second = try await bound.run { pair in
                let second = try Pair(pair.a.transport, pair.b.transport)
                try second.create("other", at: second.b)
                try second.signal()
                return NIOLoopBound(second, eventLoop: WebRTCEventLoop.loop)
            }
            let other = BoundPair(pair: second, transports: [])
            try await other.until { $0.a.opened == ["other"] && $0.b.opened == ["other"] }
            try await bound.run { _ in
                for number in 0..<100 {
                    try first.value.a.channels["chat"]?.send("first \(number)")
                    try second.value.b.channels["other"]?.send("second \(number)")
                }
            }
            try await bound.until { $0.b.messages.count == 100 }
            try await other.until { $0.a.messages.count == 100 }
            try await bound.run { _ in second.value.a.connection.close() }
            try await bound.run { try $0.b.channels["chat"]?.send("alone") }
            try await bound.until { $0.a.messages.count == 1 }
        }
    }

    @Test("A certificate with another fingerprint than the description's is refused, and nothing is delivered")
    func wrongFingerprint() async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("chat", at: pair.a)
            try pair.signal { sdp in
                sdp.split(separator: "\r\n").map { line in
                    guard line.hasPrefix("a=fingerprint:") else { return String(line) }
                    return "a=fingerprint:sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")
                }.joined(separator: "\r\n") + "\r\n"
            }
        }
        try await bound.until { $0.a.connection.connectionState == .failed }
        try await bound.run { pair in
            #expect(pair.a.connection.closeReason?.contains("fingerprint") == true)
            #expect(pair.a.opened.isEmpty && pair.a.closed == ["chat"])
        }
    }

    @Test("Calls that do not fit the state are refused with a reason")
    func invalidStates() async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        try await bound.run { pair in
            #expect(throws: WebRTCError.self) { try pair.a.connection.createAnswer() }
            let offer = try pair.a.connection.createOffer()
            #expect(try pair.a.connection.createOffer() == offer)
            #expect(throws: WebRTCError.self) { try pair.a.connection.setRemoteDescription(offer) }
            #expect(throws: WebRTCError.self) {
                try pair.b.connection.setRemoteDescription(SessionDescription(type: .answer, sdp: offer.sdp))
            }
            #expect(throws: WebRTCError.invalidCandidate("nonsense")) {
                try pair.a.connection.addICECandidate(IceCandidate(candidate: "nonsense"))
            }
            let channel = try pair.a.connection.createDataChannel(label: "x")
            #expect(throws: DataChannelError.notOpen) { try channel.send("early") }
        }
    }

    @Test("A peer that vanishes without a word is given up on when consent expires")
    func vanishedPeer() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                for socket in pair.b.transport.core.value.sockets { socket.close() }
                // The agent's clock is the test's: a second at a time, until consent has expired.
                let connection = pair.a.connection
                let start = NIODeadline.now()
                let consent = ICEConfiguration().consentTimeout
                var elapsed = TimeAmount.zero
                while connection.connectionState != .failed, elapsed <= consent + .seconds(5) {
                    elapsed = elapsed + .seconds(1)
                    connection.ice.agent.handle(.timeout, at: start + elapsed)
                    connection.drainAgent()
                }
                #expect(connection.connectionState == .failed && elapsed >= consent - .seconds(5))
            }
            try await bound.run { pair in
                #expect(pair.a.closed == ["chat"])
                let reason = try #require(pair.a.connection.closeReason)
                #expect(pair.a.errors == [.connectionLost(reason)])
            }
        }
    }

    @Test("Thousands of garbage datagrams, even with the peer's address, change nothing and are counted")
    func garbage() async throws {
        let other = try await WebRTCTransport.bind(.loopback())
        defer { other.close() }
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let target = pair.a.transport.localAddresses[0]
                let stranger = other.core.value.sockets[0]
                var random = SeededGenerator(seed: 1)
                // First bytes of STUN, DTLS of every kind, and neither.
                let kinds: [[UInt8]] = [
                    [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [20, 254, 253], [21, 254, 253], [22], [200],
                ]
                for number in 0..<5000 {
                    var bytes = kinds[number % kinds.count]
                    bytes += (0..<Int.random(in: 0...100, using: &random)).map { _ in
                        UInt8(truncatingIfNeeded: random.next())
                    }
                    let spoofed = pair.b.transport.core.value.sockets[0]
                    let socket = number % 2 == 0 ? stranger : spoofed
                    bytes.withUnsafeBytes { socket.append($0, to: target) }
                    if number % 100 == 0 { socket.flush() }
                }
                stranger.flush()
                pair.b.transport.core.value.sockets[0].flush()
                try pair.b.channels["chat"]?.send("still here")
            }
            try await bound.until { $0.a.messages.count == 1 }
            try await bound.run { pair in
                #expect(pair.a.connection.connectionState == .connected)
                #expect(pair.b.connection.connectionState == .connected)
                let counters = pair.a.transport.counters
                #expect(counters.droppedUnknownProtocol > 500)
                #expect(counters.droppedMalformedSTUN > 500)
                #expect(counters.droppedUnroutedDTLS > 500)
                #expect(counters.droppedInvalidDTLS > 500)
            }
        }
    }
}

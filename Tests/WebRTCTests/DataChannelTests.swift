import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("Data channels", .timeLimit(.minutes(5)))
struct DataChannelTests {
    static let configurations: [DataChannelConfiguration] = [
        .init(),
        .init(ordered: false, subprotocol: "grüße-1", priority: .veryLow),
        .init(ordered: true, reliability: .maxRetransmits(0), priority: .medium),
        .init(ordered: false, reliability: .maxRetransmits(65_535), priority: .high),
        .init(ordered: false, reliability: .maxPacketLifeTime(1), priority: .init(rawValue: 7)),
        .init(ordered: true, reliability: .maxPacketLifeTime(65_535), subprotocol: "x"),
    ]

    @Test("The peer's side of a channel has all that its creator asked for", arguments: configurations)
    func fields(configuration: DataChannelConfiguration) async throws {
        try await withConnectedPair { bound in
            try await bound.run { try $0.create("Kanal 🌳", at: $0.a, configuration) }
            try await bound.until { $0.b.opened == ["chat", "Kanal 🌳"] }
            try await bound.run { pair in
                let channel = try #require(pair.b.channels["Kanal 🌳"])
                #expect(channel.configuration == configuration)
                #expect(!channel.negotiated && channel.id == pair.a.channels["Kanal 🌳"]?.id)
                try pair.a.channels["Kanal 🌳"]?.send("there")
                try channel.send("and back")
            }
            try await bound.until { $0.a.messages.count == 1 && $0.b.messages.count == 1 }
        }
    }

    @Test("A label or subprotocol longer than DCEP can carry is refused")
    func longLabel() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let long = String(repeating: "x", count: 65_536)
                #expect(throws: DataChannelError.self) { try pair.a.connection.createDataChannel(label: long) }
                #expect(throws: DataChannelError.self) {
                    try pair.a.connection.createDataChannel(label: "", .init(subprotocol: long))
                }
            }
        }
    }

    @Test("A negotiated id that is taken, or that the peer has no stream for, is refused")
    func negotiatedIDs() async throws {
        var few = WebRTCConfiguration.loopback()
        few.maximumDataChannels = 8
        let bound = try await BoundPair.make(.loopback(), few)
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("low", at: pair.a, .init(negotiatedID: 15))
            try pair.create("high", at: pair.a, .init(negotiatedID: 16))
            #expect(throws: DataChannelError.self) { try pair.create("again", at: pair.a, .init(negotiatedID: 15)) }
            #expect(throws: DataChannelError.self) { try pair.create("no", at: pair.a, .init(negotiatedID: 65_535)) }
            try pair.create("low", at: pair.b, .init(negotiatedID: 15))
            try pair.signal()
        }
        // How many streams the peer takes is known only now.
        try await bound.until { $0.a.opened == ["low"] && $0.b.opened == ["low"] && $0.a.closed == ["high"] }
        try await bound.run { pair in
            #expect(pair.a.errors.count == 1)
            #expect(throws: DataChannelError.self) { try pair.create("late", at: pair.a, .init(negotiatedID: 16)) }
            #expect(pair.a.channels["low"]?.negotiated == true)
            try pair.a.channels["low"]?.send("hi")
        }
        try await bound.until { $0.b.messages.count == 1 }
    }

    // MARK: - Large messages

    /// Bytes of which each tells where it belongs.
    static func pattern(_ count: Int) -> ByteBuffer {
        ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ $0 >> 16) })
    }

    static var large: WebRTCConfiguration {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumMessageSize = 16 << 20
        return configuration
    }

    @Test("Messages far above the window to begin with arrive whole, both ways, between those of other channels")
    func farAboveTheWindow() async throws {
        let message = Self.pattern(8 << 20)
        try await withConnectedPair(Self.large, Self.large) { bound in
            try await bound.run { pair in
                try pair.create("other", at: pair.a, .init(priority: .high))
                try pair.a.channels["chat"]?.send(message)
                try pair.b.channels["chat"]?.send(message)
                try pair.b.channels["chat"]?.send("after")
            }
            try await bound.until { $0.a.opened.contains("other") }
            try await bound.run { pair in
                for number in 0..<100 { try pair.a.channels["other"]?.send("\(number)") }
                try pair.a.channels["chat"]?.send("after")
            }
            try await bound.until { $0.a.messages.count == 2 && $0.b.messages.count == 102 }
            try await bound.run { pair in
                #expect(pair.a.messages.map(\.message) == [message, ByteBuffer(string: "after")])
                let chat = pair.b.messages.filter { $0.label == "chat" }.map(\.message)
                #expect(chat == [message, ByteBuffer(string: "after")])
                let other = pair.b.messages.filter { $0.label == "other" }.map { String(buffer: $0.message) }
                #expect(other == (0..<100).map(String.init))
                #expect(pair.a.channels.values.allSatisfy { $0.bufferedAmount == 0 })
            }
        }
    }

    @Test("Closing after a large message delivers it first")
    func closeAfterLarge() async throws {
        let message = Self.pattern(3 << 20)
        try await withConnectedPair(Self.large, Self.large) { bound in
            try await bound.run { pair in
                try pair.a.channels["chat"]?.send(message)
                pair.a.channels["chat"]?.close()
            }
            try await bound.until { $0.a.closed == ["chat"] && $0.b.closed == ["chat"] }
            try await bound.run { #expect($0.b.messages.map(\.message) == [message]) }
        }
    }

    @Test("A channel that the peer closes amid a large message does not block the others")
    func closedAmidLarge() async throws {
        try await withConnectedPair(Self.large, Self.large) { bound in
            try await bound.run { pair in
                try pair.create("other", at: pair.a)
                try pair.a.channels["chat"]?.send(Self.pattern(16 << 20))
                pair.b.channels["chat"]?.close()
            }
            try await bound.until { $0.a.closed == ["chat"] && $0.a.opened.contains("other") }
            try await bound.run { try $0.a.channels["other"]?.send(Self.pattern(1 << 20)) }
            try await bound.until { $0.b.messages.last?.message == Self.pattern(1 << 20) }
            try await bound.run { #expect($0.b.messages.count == 1) }
        }
    }

    @Test("The peer's limit is respected, and 0 means none", arguments: [(0, 300_000), (70_000, 70_000)])
    func announcedLimit(announced: Int, expected: Int) async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumMessageSize = 300_000
        let bound = try await BoundPair.make(configuration, configuration)
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("chat", at: pair.a)
            try pair.signal { $0.replacing("a=max-message-size:300000", with: "a=max-message-size:\(announced)") }
        }
        try await bound.until { $0.a.opened == ["chat"] }
        try await bound.run { pair in
            let channel = try #require(pair.a.channels["chat"])
            #expect(throws: DataChannelError.messageTooLarge(size: expected + 1, limit: expected)) {
                try channel.send(ByteBuffer(repeating: 0, count: expected + 1))
            }
            try channel.send(Self.pattern(expected))
        }
        try await bound.until { $0.b.messages.map(\.message) == [Self.pattern(expected)] }
    }

    @Test("A peer that sends more than was announced is cut off before it fills the memory")
    func oversized() async throws {
        var (greedy, strict) = (WebRTCConfiguration.loopback(), WebRTCConfiguration.loopback())
        greedy.maximumMessageSize = 10_000_000
        strict.maximumMessageSize = 100_000
        let bound = try await BoundPair.make(greedy, strict)
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("chat", at: pair.a)
            try pair.signal { $0.replacing("a=max-message-size:100000", with: "a=max-message-size:0") }
        }
        try await bound.until { $0.a.opened == ["chat"] && $0.b.opened == ["chat"] }
        try await bound.run { try $0.a.channels["chat"]?.send(ByteBuffer(repeating: 0, count: 5_000_000)) }
        try await bound.until { $0.b.closed == ["chat"] && $0.a.closed == ["chat"] }
        try await bound.run { pair in
            #expect(pair.b.messages.isEmpty)
            #expect(pair.b.connection.closeReason?.contains("100000") == true)
        }
    }

    // MARK: - Many channels

    static var wide: WebRTCConfiguration {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumDataChannels = 1024
        return configuration
    }

    @Test("1,024 channels opened by one side carry messages both ways, one more is refused, and all can close")
    func thousandChannels() async throws {
        try await withConnectedPair(Self.wide, Self.wide) { bound in
            try await bound.run { pair in
                for number in 1..<1024 { try pair.create("\(number)", at: pair.a) }
                #expect(throws: DataChannelError.tooManyChannels(limit: 1024)) { try pair.create("no", at: pair.a) }
            }
            try await bound.until { $0.a.opened.count == 1024 && $0.b.opened.count == 1024 }
            try await bound.run { pair in
                #expect(Set(pair.a.channels.values.compactMap(\.id)).count == 1024)
                for channel in pair.a.channels.values { try channel.send(channel.label) }
                for channel in pair.b.channels.values { try channel.send(channel.label) }
            }
            try await bound.until { $0.a.messages.count == 1024 && $0.b.messages.count == 1024 }
            try await bound.run { pair in
                #expect(pair.b.messages.allSatisfy { $0.label == String(buffer: $0.message) })
                // Half of them from either side.
                for (index, channel) in pair.a.channels.values.enumerated() {
                    (index % 2 == 0 ? channel : pair.b.channels[channel.label])?.close()
                }
            }
            try await bound.until { $0.a.closed.count == 1024 && $0.b.closed.count == 1024 }
            try await bound.run { pair in
                #expect(pair.a.connection.dataChannels.isEmpty && pair.b.connection.dataChannels.isEmpty)
                try pair.create("afterwards", at: pair.a)
            }
            try await bound.until { $0.b.opened.last == "afterwards" }
        }
    }

    @Test("Channels beyond the peer's limit are closed by it, and the others work")
    func beyondThePeersLimit() async throws {
        var few = WebRTCConfiguration.loopback()
        few.maximumDataChannels = 4
        var many = WebRTCConfiguration.loopback()
        many.maximumDataChannels = 64
        // The peer has eight streams, four of them ours.
        try await withConnectedPair(many, few) { bound in
            try await bound.run { pair in
                for number in 0..<5 { try pair.create("\(number)", at: pair.a) }
            }
            try await bound.until { $0.a.closed.count == 2 && $0.b.opened.count == 4 }
            try await bound.run { try $0.a.channels["2"]?.send("hi") }
            try await bound.until { $0.b.messages.count == 1 }
        }
    }

    @Test("The ids of closed channels are used again, however often", arguments: [true, false])
    func reuse(byOfferer: Bool) async throws {
        var few = WebRTCConfiguration.loopback()
        few.maximumDataChannels = 3
        try await withConnectedPair(few, few) { bound in
            for round in 0..<100 {
                try await bound.run { try $0.create("\(round)", at: $0.a) }
                try await bound.until { $0.b.opened.last == "\(round)" }
                try await bound.run { pair in
                    try pair.a.channels["\(round)"]?.send("from a")
                    try pair.b.channels["\(round)"]?.send("from b")
                    (byOfferer ? pair.a : pair.b).channels["\(round)"]?.close()
                }
                try await bound.until { $0.a.closed.last == "\(round)" && $0.b.closed.last == "\(round)" }
            }
            try await bound.run { pair in
                #expect(pair.a.errors.isEmpty && pair.b.errors.isEmpty)
                // What the side that closes has received before counts; nothing came to the wrong channel.
                let messages = (byOfferer ? pair.b : pair.a).messages
                #expect(messages.map(\.label) == (0..<100).map(String.init))
            }
        }
    }

    @Test("A channel made while another closes gets a working stream at once")
    func openInOnClose() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let channel = try #require(pair.a.channels["chat"])
                let adopted = try #require(channel.onClose)
                channel.onClose = {
                    adopted()
                    try? pair.create("next", at: pair.a)
                }
                channel.close()
            }
            try await bound.until { $0.a.opened == ["chat", "next"] && $0.b.opened == ["chat", "next"] }
            try await bound.run { try $0.a.channels["next"]?.send("hi") }
            try await bound.until { $0.b.messages.map(\.label) == ["next"] }
        }
    }

    // MARK: - Sharing

    @Test("While channels wait, each gets bytes in proportion to its priority")
    func priorities() async throws {
        // No more on the way than the socket's buffer holds, whatever the system allows: a lost datagram changes order.
        var small = WebRTCConfiguration.loopback()
        small.maximumMessageSize = 16_384
        small.initialReceiveWindow = 64 << 10
        small.maximumReceiveWindow = 64 << 10
        try await withConnectedPair(.loopback(), small) { bound in
            try await bound.run { pair in
                try pair.create("low", at: pair.a, .init(priority: .veryLow))
                try pair.create("high", at: pair.a, .init(priority: .high))
            }
            try await bound.until { $0.a.opened.count == 3 && $0.b.opened.count == 3 }
            try await bound.run { pair in
                for name in ["low", "high"] {
                    for _ in 0..<200 { try pair.a.channels[name]?.send(ByteBuffer(repeating: 0, count: 16_384)) }
                }
            }
            try await bound.until { $0.b.messages.count == 400 }
            try await bound.run { pair in
                // Eight to one, but for what was on its way before the other came.
                let labels = pair.b.messages.map(\.label)
                let afterStart = labels.drop { $0 == "low" }
                let whileBoth = afterStart.prefix(upTo: afterStart.lastIndex(of: "high") ?? afterStart.endIndex)
                let low = whileBoth.count { $0 == "low" }
                #expect((15...35).contains(low), "\(low) of low priority passed beside 200 of high priority")
                #expect(labels.prefix { $0 == "low" }.count < 40)
            }
        }
    }

    @Test("bufferedAmount is each channel's own, and the low event comes once to each that crosses its threshold")
    func bufferedAmounts() async throws {
        try await withConnectedPair { bound in
            try await bound.run { try $0.create("other", at: $0.a) }
            try await bound.until { $0.b.opened.count == 2 }
            try await bound.run { pair in
                let (chat, other) = (try #require(pair.a.channels["chat"]), try #require(pair.a.channels["other"]))
                chat.bufferedAmountLowThreshold = 500_000
                for _ in 0..<100 { try chat.send(ByteBuffer(repeating: 1, count: 20_000)) }
                try other.send("")
                #expect(chat.bufferedAmount == 2_000_000 && other.bufferedAmount == 0)
                try other.send("four")
                #expect(other.bufferedAmount == 4)
            }
            try await bound.until { pair in
                pair.b.messages.count == 102 && pair.a.channels.values.allSatisfy { $0.bufferedAmount == 0 }
            }
            try await bound.run { #expect($0.a.lows.sorted() == ["chat", "other"]) }
        }
    }

    @Test("Messages whose lifetime has passed while the peer did not read are dropped; later ones arrive")
    func expired() async throws {
        let configuration = DataChannelConfiguration(ordered: true, reliability: .maxPacketLifeTime(20))
        var small = WebRTCConfiguration.loopback()
        small.maximumMessageSize = 64 << 10
        small.initialReceiveWindow = 128 << 10
        small.maximumReceiveWindow = 128 << 10
        try await withConnectedPair(small, small, channel: configuration) { [small] bound in
            try await bound.run { pair in
                pair.b.connection.readingPauses += 1
                for _ in 0..<100 { try pair.a.channels["chat"]?.send(ByteBuffer(repeating: 0, count: 30_000)) }
            }
            // Nothing but time passing makes a message expire.
            try await Task.sleep(for: .milliseconds(100))
            try await bound.run { pair in
                pair.b.connection.readingPauses -= 1
                pair.b.connection.resumeReading()
            }
            // A fresh message expires, too, if the machine has no time for it: the next one does not.
            try await eventually {
                try await bound.run { pair in
                    try pair.a.channels["chat"]?.send("fresh")
                    return pair.b.messages.contains { $0.kind == .text }
                }
            }
            try await bound.run { pair in
                // What had room in the peer's window, and the one that filled it.
                let old = pair.b.messages.prefix { $0.kind == .binary }
                let room = small.initialReceiveWindow / 30_000 + 1
                #expect(old.count <= room, "\(old.count) of 100 came")
                #expect(old.allSatisfy { $0.message.readableBytes == 30_000 })
                #expect(pair.b.messages.dropFirst(old.count).allSatisfy { $0.kind == .text })
            }
        }
    }

    // MARK: - Statistics

    @Test("The statistics count what was sent and received, and name the path")
    func statistics() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                #expect(pair.a.connection.getStats().peerConnection.dataChannelsOpened == 1)
                for _ in 0..<10 { try pair.a.channels["chat"]?.send(ByteBuffer(repeating: 1, count: 10_000)) }
                try pair.a.channels["chat"]?.send("")
            }
            try await bound.until { $0.b.messages.count == 11 && $0.a.channels["chat"]?.bufferedAmount == 0 }
            try await bound.run { pair in
                let (sender, receiver) = (pair.a.connection.getStats(), pair.b.connection.getStats())
                #expect(sender.dataChannels.count == 1 && receiver.dataChannels.count == 1)
                #expect(sender.dataChannels[0].messagesSent == 11 && sender.dataChannels[0].bytesSent == 100_000)
                #expect(receiver.dataChannels[0].messagesReceived == 11)
                #expect(receiver.dataChannels[0].bytesReceived == 100_000)
                #expect(sender.transport.bytesSent > 100_000 && receiver.transport.bytesReceived > 100_000)
                #expect(sender.transport.dtlsState == .connected && sender.transport.iceState == .connected)
                #expect(sender.transport.iceRole == .controlling && receiver.transport.iceRole == .controlled)
                #expect(sender.transport.dtlsCipher == "ECDHE-ECDSA-AES128-GCM-SHA256")
                #expect(sender.candidatePair?.remote.address == pair.b.transport.localAddresses.first)
                #expect(sender.candidatePair?.currentRoundTripTime != nil)
                let sctp = try #require(sender.sctpTransport)
                #expect(sctp.congestionWindow > 0 && sctp.receiverWindow > 0 && sctp.mtu > 1000)
                // Nothing is lost here, but a machine that stands still lets a time-out pass.
                #expect((sctp.retransmittedBytes == 0) == (sctp.retransmittedPackets == 0))
                pair.a.channels["chat"]?.close()
            }
            try await bound.until { $0.a.closed == ["chat"] && $0.b.closed == ["chat"] }
            try await bound.run { #expect($0.b.connection.getStats().peerConnection.dataChannelsClosed == 1) }
        }
    }
}

import NIOCore
import SCTP
import TestSupport
import Testing

@testable import WebRTC

/// A peer that passed the fingerprint check and then does what no honest stack does. `b` attacks `a`.
@Suite("A hostile peer", .timeLimit(.minutes(5)))
struct HostilePeerTests {
    /// What `b` sends as a message of its own making.
    private static func send(_ bytes: [UInt8], ppid: UInt32, stream: UInt16, from pair: Pair) throws {
        let association = try #require(pair.b.connection.association)
        let payload = ByteBuffer(bytes: bytes)
        try association.send(OutgoingMessage(stream: stream, protocolIdentifier: ppid, payload: payload))
        pair.b.transport.core.value.markDirty(pair.b.connection)
    }

    /// Waits until something that was sent after an attack has arrived: the connection has survived.
    private static func survives(_ bound: BoundPair) async throws {
        try await bound.run { try $0.b.channels["chat"]?.send("still here") }
        try await bound.until { $0.a.messages.contains { String(buffer: $0.message) == "still here" } }
        try await bound.run { #expect($0.a.connection.connectionState == .connected) }
    }

    @Test("A peer whose fingerprint is wrong is told nothing and delivers nothing, however eager it is")
    func eagerStranger() async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        try await bound.run { pair in
            try pair.create("chat", at: pair.a)
            try pair.create("eager", at: pair.b)
            try pair.signal { sdp in
                sdp.split(separator: "\r\n").map { line in
                    guard line.hasPrefix("a=fingerprint:") else { return String(line) }
                    return "a=fingerprint:sha-256 " + Array(repeating: "AB", count: 32).joined(separator: ":")
                }.joined(separator: "\r\n") + "\r\n"
            }
            // As soon as its own handshake is over, the stranger writes packets of every kind.
            let stranger = pair.b.connection
            pair.b.connection.onConnectionStateChange = { state in
                guard state == .connected else { return }
                for type in UInt8(0)...20 {
                    let packet: [UInt8] = [0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, type, 0, 0, 20]
                    (packet + [UInt8](repeating: 1, count: 16)).withUnsafeBytes {
                        _ = stranger.handshake.dtls?.write($0)
                    }
                }
            }
        }
        try await bound.until { $0.a.connection.connectionState == .failed }
        try await bound.run { pair in
            #expect(pair.a.messages.isEmpty && pair.a.opened.isEmpty)
            #expect(pair.a.connection.association == nil)
            #expect(pair.a.connection.getStats().transport.bytesReceived == 0)
        }
    }

    @Test("Channel announcements that make no sense are dropped and counted")
    func malformedAnnouncements() async throws {
        try await withConnectedPair { bound in
            let announcements: [[UInt8]] = [
                [],
                [3],
                [9, 9, 9],
                [3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                // A label that is longer than the message, and one that is no text.
                [3, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0x61],
                [3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xFF],
            ]
            try await bound.run { pair in
                for bytes in announcements where !bytes.isEmpty {
                    try Self.send(bytes, ppid: PayloadProtocol.dcep, stream: 20, from: pair)
                }
                // A stream in use, and one that is this side's to announce.
                let open: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x61]
                let taken = try #require(pair.a.channels["chat"]?.id)
                try Self.send(open, ppid: PayloadProtocol.dcep, stream: taken, from: pair)
                try Self.send(open, ppid: PayloadProtocol.dcep, stream: taken + 2, from: pair)
            }
            try await Self.survives(bound)
            try await bound.run { pair in
                #expect(pair.a.connection.dataChannels.map(\.label) == ["chat"])
                #expect(pair.a.transport.counters.droppedMalformedMessages == 7)
            }
        }
    }

    @Test("The longest label and protocol there can be are taken as they are")
    func longAnnouncement() async throws {
        try await withConnectedPair { bound in
            let label = [UInt8](repeating: 0x6C, count: 65_535)
            let header: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
            try await bound.run { pair in
                let stream: UInt16 = pair.b.connection.negotiation.dtlsRole == .client ? 20 : 21
                try Self.send(header + label + label, ppid: PayloadProtocol.dcep, stream: stream, from: pair)
            }
            try await bound.until { $0.a.opened.contains { $0.utf8.count == 65_535 } }
            try await Self.survives(bound)
        }
    }

    @Test("Messages on streams without a channel, and of unknown kinds, are dropped and counted")
    func strayMessages() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let stream = try #require(pair.a.channels["chat"]?.id)
                try Self.send([1], ppid: PayloadProtocol.binary, stream: stream + 40, from: pair)
                for ppid: UInt32 in [0, 1, 49, 55, 58, .max] {
                    try Self.send([1], ppid: ppid, stream: stream, from: pair)
                }
            }
            try await Self.survives(bound)
            try await bound.run { pair in
                #expect(pair.a.messages.count == 1)
                #expect(pair.a.transport.counters.droppedMalformedMessages == 7)
            }
        }
    }

    @Test("A peer that opens channels without end gets as many as are allowed; the others are closed again")
    func channelFlood() async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumDataChannels = 8
        try await withConnectedPair(configuration) { bound in
            try await bound.run { pair in
                for number in 0..<100 { try pair.create("flood \(number)", at: pair.b) }
            }
            try await bound.until { $0.b.closed.count == 93 }
            try await bound.run { #expect($0.a.connection.dataChannels.count == 8) }
            try await Self.survives(bound)
        }
    }

    @Test("A peer that opens and closes channels over and over leaves nothing behind")
    func churn() async throws {
        try await withConnectedPair { bound in
            for round in 1...20 {
                try await bound.run { pair in
                    for number in 0..<20 { try pair.create("\(round) \(number)", at: pair.b) }
                }
                try await bound.until { $0.a.opened.count == 1 + 20 * round }
                try await bound.run { pair in
                    for number in 0..<20 { pair.b.channels["\(round) \(number)"]?.close() }
                }
                try await bound.until { $0.a.closed.count == 20 * round && $0.b.closed.count == 20 * round }
            }
            try await Self.survives(bound)
            try await bound.until {
                $0.a.connection.streams.channels.count == 1 && $0.a.connection.streams.resets.isEmpty
            }
        }
    }

    @Test("A message above the announced limit ends the connection, and no part of it is delivered")
    func oversizedMessage() async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumMessageSize = 10_000
        try await withConnectedPair(configuration) { bound in
            try await bound.run { pair in
                let stream = try #require(pair.a.channels["chat"]?.id)
                let bytes = [UInt8](repeating: 1, count: 200_000)
                try Self.send(bytes, ppid: PayloadProtocol.binary, stream: stream, from: pair)
            }
            try await bound.until { $0.a.connection.connectionState == .closed }
            try await bound.run { pair in
                #expect(pair.a.messages.isEmpty)
                #expect(pair.a.connection.closeReason?.contains("10000") == true)
            }
        }
    }

    /// An INIT chunk in a packet of its own (RFC 9260 section 3.3.2).
    private static func initiation(from source: UInt16, to destination: UInt16) -> [UInt8] {
        var packet: [UInt8] = []
        packet.append(bigEndian: source)
        packet.append(bigEndian: destination)
        packet += [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20]
        packet.append(bigEndian: UInt32(0xDEAD_BEEF))
        packet.append(bigEndian: UInt32(65_536))
        packet.append(bigEndian: UInt16(10))
        packet.append(bigEndian: UInt16(10))
        packet.append(bigEndian: UInt32(1))
        return packet
    }

    @Test("Associations to or from other ports do not come about, and do not disturb")
    func wrongPorts() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                for (source, destination) in [(5001, 5000), (5000, 5001), (0, 5000), (5000, 0), (1, 1)]
                    as [(UInt16, UInt16)]
                {
                    for _ in 0..<50 {
                        Self.initiation(from: source, to: destination).withUnsafeBytes {
                            _ = pair.b.connection.handshake.dtls?.write($0)
                        }
                    }
                }
                // A bare, shortened or empty packet, too.
                for count in 0..<16 {
                    Self.initiation(from: 5000, to: 5000).prefix(count).withUnsafeBytes {
                        _ = pair.b.connection.handshake.dtls?.write($0)
                    }
                }
            }
            try await Self.survives(bound)
            try await bound.run { #expect($0.a.opened == ["chat"]) }
        }
    }

    @Test("A second association in place of the first ends the connection: channels must not be mixed up")
    func restart() async throws {
        try await withConnectedPair { bound in
            try await bound.run { pair in
                let attacker = pair.b.connection
                // It vanishes without a word, and another begins at the same port.
                attacker.messaging.alarm?.cancel()
                attacker.messaging = .init()
                attacker.startSCTP()
            }
            try await bound.until { $0.a.connection.connectionState == .closed }
            try await bound.run { pair in
                #expect(pair.a.closed == ["chat"])
                #expect(pair.a.connection.closeReason?.contains("restarted") == true)
            }
        }
    }
}

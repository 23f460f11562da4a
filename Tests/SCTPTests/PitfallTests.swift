import NIOCore
import TestSupport
import Testing

@testable import SCTP

/// What cost other implementations days, one test each.
@Suite("Pitfalls of others", .timeLimit(.minutes(5)))
struct PitfallTests {
    /// The types of a packet's chunks.
    private static func types(_ packet: [UInt8]) -> [UInt8] {
        packet.withUnsafeBytes { bytes in
            var reader = ChunkReader(bytes)
            var types: [UInt8] = []
            while let chunk = reader.next() { types.append(chunk.type) }
            return types
        }
    }

    private static func checksum(_ packet: [UInt8]) -> UInt32 {
        packet.withUnsafeBytes { CommonHeader($0)?.checksum ?? 0 }
    }

    @Test("RFC 9653 section 5.2: INIT and COOKIE ECHO carry a checksum even where zero is agreed on")
    func checksumsOfHandshake() throws {
        let pair = Pair()
        var packets: [[UInt8]] = []
        pair.a.tap = { packets.append($0) }
        pair.b.tap = { packets.append($0) }
        pair.connect()
        try pair.a.association.send(OutgoingMessage(0, [1]))
        pair.run(for: .seconds(1))
        let handshake = packets.filter { Self.types($0).contains { [1, 2, 10].contains($0) } }
        #expect(!handshake.isEmpty)
        for packet in handshake {
            #expect(packet.withUnsafeBytes { CRC32c.checksum(of: $0) } == Self.checksum(packet))
        }
        #expect(packets.contains { Self.types($0) == [ChunkType.interleavedData] && Self.checksum($0) == 0 })
    }

    @Test("RFC 9653: zero checksums are per direction; who does not offer them gets real ones, which it verifies")
    func checksumsPerDirection() throws {
        var plain = Pair.configuration()
        plain.isIntegrityProtected = false
        let pair = Pair.connected(b: plain)
        var zeros = 0
        pair.a.tap = { zeros += Self.checksum($0) == 0 ? 1 : 0 }
        try pair.a.association.send(OutgoingMessage(0, [1]))
        try pair.b.association.send(OutgoingMessage(0, [2]))
        pair.run(for: .seconds(1))
        #expect(pair.a.messages.count == 1 && pair.b.messages.count == 1)
        #expect(zeros == 0)
    }

    @Test("RFC 9260 section 3.2: what follows an unknown chunk that may be skipped is taken")
    func unknownChunk() throws {
        let pair = Pair.connected()
        try pair.a.association.send(OutgoingMessage(0, [1, 2, 3]))
        let packet = try #require(pair.a.nextPacket(at: pair.now))
        var longer = Array(packet[..<12]) + [0xC3, 0, 0, 4]
        longer += packet[12...]
        pair.b.receive(longer, at: pair.now)
        pair.run(for: .seconds(1))
        #expect(pair.b.messages.map(\.payload) == [[1, 2, 3]])
        #expect(pair.b.association.state == .established)
    }

    @Test(
        "RFC 3758: a fragmented message that expires before a closed window leaves, and later ones arrive",
        arguments: [true, false]
    )
    func closedWindow(interleaving: Bool) throws {
        var configuration = Pair.configuration()
        configuration.usesInterleaving = interleaving
        configuration.maximumMessageSize = 65_536
        configuration.initialReceiveWindow = 1
        configuration.maximumReceiveWindow = 1
        let pair = Pair.connected(a: configuration, b: configuration)
        pair.b.isPaused = true
        for _ in 0..<20 {
            let end = pair.now + .milliseconds(200)
            try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 1, count: 30_000), .until(end)))
        }
        pair.run(for: .seconds(5))
        pair.b.isPaused = false
        pair.run(for: .seconds(20))
        try pair.a.association.send(OutgoingMessage(0, [9]))
        pair.run(for: .seconds(20))
        #expect(pair.b.messages.last?.payload == [9])
        #expect(pair.b.messages.count < 12)
        #expect(pair.a.association.sender?.isDone == true && pair.b.association.receiver?.reassembly.held == 0)
    }

    @Test("A reliable burst into a closed window, whose tail was dropped, arrives once the window opens")
    func zeroWindow() throws {
        var configuration = Pair.configuration()
        configuration.maximumMessageSize = 16_384
        configuration.initialReceiveWindow = 1
        configuration.maximumReceiveWindow = 1
        configuration.maximumTimeouts = nil
        let pair = Pair.connected(a: configuration, b: configuration)
        pair.b.isPaused = true
        for number in 0..<60 {
            try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: UInt8(number), count: 5_000)))
        }
        pair.run(for: .seconds(30))
        #expect(pair.a.association.hasUnacknowledgedData)
        pair.b.isPaused = false
        pair.run(for: .seconds(30))
        #expect(pair.b.messages.map { $0.payload[0] } == (0..<60).map { UInt8($0) })
    }

    @Test("RFC 6525: a stream that is used again after its reset begins anew on both sides, also amid losses")
    func reusedStream() throws {
        for seed: UInt64 in 1...20 {
            var conditions = PathConditions(delay: .milliseconds(20), jitter: .milliseconds(20))
            conditions.loss = 0.1
            var configuration = Pair.configuration()
            configuration.maximumTimeouts = nil
            configuration.usesInterleaving = seed % 2 == 0
            let pair = Pair.connected(conditions, seed: seed, a: configuration, b: configuration)
            for round: UInt8 in 1...3 {
                // The first of a round was handed over while the stream was being reset.
                for number: UInt8 in (round == 1 ? 0 : 1)..<20 {
                    try pair.a.association.send(
                        OutgoingMessage(5, [round, number] + [UInt8](repeating: 0, count: 3_000))
                    )
                }
                pair.a.association.reset([5])
                if round < 3 { try pair.a.association.send(OutgoingMessage(5, [round + 1, 0])) }
                pair.run(for: .seconds(60)) {
                    pair.a.events.filter { $0 == .outgoingReset([5]) }.count == Int(round)
                }
            }
            pair.run(for: .seconds(60))
            let got = pair.b.messages.map { Array($0.payload.prefix(2)) }
            #expect(got == (1...3).flatMap { round in (0..<20).map { [UInt8(round), UInt8($0)] } }, "seed \(seed)")
            #expect(pair.b.events.filter { $0 == .incomingReset([5]) }.count == 3, "seed \(seed)")
        }
    }

    @Test("RFC 9260 section 5.2.2: an INIT on an association that is up changes nothing; a restart ends it")
    func restart() throws {
        let pair = Pair.connected()
        let stranger = End(Pair.configuration(), PathConditions(), seed: 99)
        stranger.association.connect(at: pair.now)
        let initiation = try #require(stranger.nextPacket(at: pair.now))
        pair.b.receive(initiation, at: pair.now)
        #expect(pair.b.association.state == .established)
        let answer = try #require(pair.b.nextPacket(at: pair.now))
        #expect(Self.types(answer) == [ChunkType.initiationAcknowledgement])
        try pair.a.association.send(OutgoingMessage(0, [1]))
        pair.run(for: .seconds(1))
        #expect(pair.b.messages.count == 1)
        stranger.receive(answer, at: pair.now)
        let echo = try #require(stranger.nextPacket(at: pair.now))
        #expect(Self.types(echo) == [ChunkType.cookieEcho])
        pair.b.receive(echo, at: pair.now)
        pair.b.drain(at: pair.now)
        #expect(pair.b.end == .restarted)
    }

    @Test("RFC 9260 section 5.1.5: a forged cookie is not believed, and a stale one only answered")
    func cookies() throws {
        let pair = Pair()
        pair.a.association.connect(at: pair.now)
        pair.b.receive(try #require(pair.a.nextPacket(at: pair.now)), at: pair.now)
        pair.a.receive(try #require(pair.b.nextPacket(at: pair.now)), at: pair.now)
        let echo = try #require(pair.a.nextPacket(at: pair.now))
        var forged = echo
        forged[40] ^= 1
        pair.b.receive(forged, at: pair.now)
        #expect(pair.b.association.state == .closed)
        let late = pair.now + .seconds(61)
        pair.b.receive(echo, at: late)
        #expect(pair.b.association.state == .closed)
        #expect(try Self.types(#require(pair.b.nextPacket(at: late))) == [ChunkType.error])
        pair.b.receive(echo, at: pair.now + .seconds(59))
        #expect(pair.b.association.state == .established)
    }

    @Test("A stack that drops an INIT with a parameter it does not know is reached by the next")
    func unknownParameters() {
        let pair = Pair()
        // The wish of this project, 0xBE55, in an INIT.
        pair.a.path.filter = { packet in
            packet[12] != ChunkType.initiation || !zip(packet, packet.dropFirst()).contains { $0 == (0xBE, 0x55) }
        }
        pair.a.association.connect(at: pair.now)
        pair.run(for: .seconds(3))
        #expect(pair.a.isConnected && pair.b.isConnected)
        #expect(pair.b.association.remote?.acknowledgements == nil)
    }

    @Test("RFC 9260 section 6.2.1: acknowledging what was never sent ends the association; gaps beyond it do not count")
    func impossibleAcknowledgements() throws {
        let pair = Pair.connected()
        try pair.a.association.send(OutgoingMessage(0, [1]))
        _ = try #require(pair.a.nextPacket(at: pair.now))
        let cumulative = UInt32(truncatingIfNeeded: try #require(pair.a.association.sender).chunks.cumulative)
        func sack(_ cumulative: UInt32, gap: (UInt16, UInt16)) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
                var writer = PacketWriter(UnsafeMutableRawBufferPointer(buffer))
                writer.write(pair.b.association.header(tag: pair.a.association.local.tag))
                writer.beginChunk(ChunkType.selectiveAcknowledgement)
                writer.write(cumulative)
                writer.write(UInt32(100_000))
                writer.write(UInt16(1))
                writer.write(UInt16(0))
                writer.write(gap.0)
                writer.write(gap.1)
                writer.endChunk()
                count = writer.count
            }
        }
        pair.a.receive(sack(cumulative, gap: (2, 65_535)), at: pair.now)
        pair.a.receive(sack(cumulative, gap: (9, 3)), at: pair.now)
        #expect(pair.a.association.state == .established && pair.a.association.hasUnacknowledgedData)
        pair.a.receive(sack(cumulative &+ 2, gap: (1, 1)), at: pair.now)
        #expect(pair.a.association.state == .ended)
    }

    @Test("What was reordered and sent again in vain gives the congestion window back")
    func undo() throws {
        let pair = Pair.connected(PathConditions(delay: .milliseconds(20)))
        for _ in 0..<40 { try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 20_000))) }
        pair.run(for: .milliseconds(300))
        let before = try #require(pair.a.association.statistics).congestionWindow
        pair.a.path.conditions.jitter = .milliseconds(60)
        for _ in 0..<10 { try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 20_000))) }
        pair.run(for: .seconds(5))
        let after = try #require(pair.a.association.statistics)
        #expect(after.spuriousRetransmissions > 0)
        #expect(after.congestionWindow >= before)
    }

    @Test("Tens of thousands of gaps cost little: a SACK is judged by what it brings")
    func manyGaps() throws {
        var chunks = OutstandingChunks(initialTSN: .max - 100)
        let first = chunks.first
        for _ in 0..<32_000 {
            let chunk = OutstandingChunk(
                state: .inFlight,
                flags: 3,
                length: 10,
                message: 0,
                offset: 0,
                fragment: 0,
                sentAt: .uptimeNanoseconds(0),
                stamp: DeliveryStamp(
                    delivered: 0,
                    deliveredAt: .uptimeNanoseconds(0),
                    firstSentAt: .uptimeNanoseconds(0),
                    isLimited: false
                )
            )
            _ = chunks.append(chunk)
        }
        for tsn in stride(from: first, to: first + 32_000, by: 2) { chunks.set(.lost, of: tsn) }
        #expect(chunks.inFlight == 160_000 && chunks.lostCount == 16_000)
        var count = 0
        while let tsn = chunks.firstLost() {
            #expect(tsn == first + 2 * count)
            chunks.set(.inFlight, of: tsn)
            count += 1
        }
        #expect(count == 16_000)
        while !chunks.isEmpty { chunks.removeFirst() }
        #expect(chunks.inFlight == 0 && chunks.acknowledgedCount == 0)
    }
}

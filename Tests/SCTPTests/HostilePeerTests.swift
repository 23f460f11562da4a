import NIOCore
import TestSupport
import Testing

@testable import SCTP

/// What only a broken or hostile peer sends. None of it does more than end the association.
@Suite("A hostile peer", .timeLimit(.minutes(5)))
struct HostilePeerTests {
    /// A packet of the first end's for the second, with whatever chunks.
    private static func packet(_ pair: Pair, tag: UInt32? = nil, _ body: (inout PacketWriter) -> Void) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 1_200) { buffer, count in
            var writer = PacketWriter(UnsafeMutableRawBufferPointer(buffer))
            writer.write(pair.a.association.header(tag: tag ?? pair.b.association.local.tag))
            body(&writer)
            count = writer.count
        }
    }

    /// Whether messages still go both ways.
    private static func works(_ pair: Pair) throws -> Bool {
        let (before, beforeBack) = (pair.b.messages.count, pair.a.messages.count)
        try pair.a.association.send(OutgoingMessage(0, [1]))
        try pair.b.association.send(OutgoingMessage(0, [2]))
        pair.run(for: .seconds(5))
        return pair.b.messages.count == before + 1 && pair.a.messages.count == beforeBack + 1
    }

    @Test("RFC 9260 section 3.2: a chunk that claims to be shorter than its header is skipped with all behind it")
    func shortChunks() throws {
        let pair = Pair.connected()
        for type: UInt8 in [0, 1, 3, 6, 10, 64, 130, 192, 194] {
            for length: UInt8 in 0...3 {
                pair.b.receive(Self.packet(pair) { $0.write([type, 3, 0, length]) }, at: pair.now)
            }
        }
        #expect(try Self.works(pair))
    }

    @Test("RFC 9260 section 8.5.1: an INIT that is not alone, or has a tag, is dropped")
    func bundledInitiation() throws {
        let pair = Pair.connected()
        let profile = pair.a.association.freshProfile()
        func initiation(_ writer: inout PacketWriter) {
            Initiation.write(profile, type: ChunkType.initiation, into: &writer)
        }
        let packets = [
            Self.packet(pair) { initiation(&$0) },
            Self.packet(pair, tag: 0) {
                initiation(&$0)
                initiation(&$0)
            },
            Self.packet(pair) {
                $0.beginChunk(ChunkType.cookieAcknowledgement)
                $0.endChunk()
                initiation(&$0)
            },
        ]
        for packet in packets { pair.b.receive(packet, at: pair.now) }
        #expect(pair.b.nextPacket(at: pair.now) == nil)
        #expect(try Self.works(pair))
    }

    @Test("RFC 9260 section 8.5: what carries a wrong tag does nothing, an ABORT neither")
    func wrongTags() throws {
        let pair = Pair.connected()
        for type in [ChunkType.abort, ChunkType.shutdown, ChunkType.shutdownComplete, ChunkType.data, ChunkType.error] {
            let packet = Self.packet(pair, tag: pair.b.association.local.tag &+ 1) {
                $0.write([type, 0, 0, 20] + [UInt8](repeating: 0, count: 16))
            }
            pair.b.receive(packet, at: pair.now)
        }
        #expect(try Self.works(pair))
    }

    @Test("TSNs beyond what gap reports can say are not taken, and neither is a FORWARD-TSN to there")
    func jumps() throws {
        let pair = Pair.connected()
        let next = try #require(pair.a.association.sender).chunks.next
        for jump in [65_600, 1 << 20, 1 << 30] {
            let tsn = UInt32(truncatingIfNeeded: next + jump)
            pair.b.receive(
                Self.packet(pair) {
                    $0.write([ChunkType.interleavedData, 2, 0, 24])
                    $0.write(tsn)
                    $0.write([UInt8](repeating: 0, count: 16))
                },
                at: pair.now
            )
            pair.b.receive(
                Self.packet(pair) {
                    $0.write([ChunkType.interleavedForwardTSN, 0, 0, 8])
                    $0.write(tsn)
                },
                at: pair.now
            )
        }
        #expect(pair.b.association.heldBytes == 0)
        #expect(try Self.works(pair))
    }

    @Test("RFC 8260 section 2.3.1: a FORWARD-TSN over what never was lets go of nothing that counts")
    func forwardOfNothing() throws {
        let pair = Pair.connected()
        let next = try #require(pair.a.association.sender).chunks.next
        pair.b.receive(
            Self.packet(pair) {
                $0.write([ChunkType.interleavedForwardTSN, 0, 0, 24])
                $0.write(UInt32(truncatingIfNeeded: next - 1))
                // Streams that nobody has used, and one beyond all.
                $0.write([0, 7, 0, 0, 0, 0, 0, 3, 0xFF, 0xFF, 0, 1, 0, 0, 0, 9])
            },
            at: pair.now
        )
        #expect(pair.b.association.heldBytes == 0)
        #expect(try Self.works(pair))
    }

    @Test("RFC 6525 section 5.2: resets of unknown streams, empty and malformed ones are refused or skipped")
    func resets() throws {
        var configuration = Pair.configuration()
        configuration.streams = 16
        let pair = Pair.connected(a: configuration, b: configuration)
        var number = try #require(pair.b.association.remote).initialTSN
        for streams: [UInt16] in [[16], [65_535, 0], [0, 1, 2, 900]] {
            let length = UInt16(16 + 2 * streams.count)
            pair.b.receive(
                Self.packet(pair) {
                    $0.beginChunk(ChunkType.reconfiguration)
                    $0.write(UInt16(13))
                    $0.write(length)
                    $0.write(number)
                    $0.write(UInt32(0))
                    $0.write(UInt32(truncatingIfNeeded: Int(pair.a.association.local.initialTSN) - 1))
                    for stream in streams { $0.write(stream) }
                    $0.endChunk()
                },
                at: pair.now
            )
            number &+= 1
        }
        for length: UInt16 in [0, 3, 8, 15, 60_000] {
            pair.b.receive(
                Self.packet(pair) {
                    $0.beginChunk(ChunkType.reconfiguration)
                    $0.write(UInt16(13))
                    $0.write(length)
                    $0.endChunk()
                },
                at: pair.now
            )
        }
        pair.run(for: .seconds(1))
        #expect(!pair.b.events.contains { if case .incomingReset = $0 { true } else { false } })
        #expect(try Self.works(pair))
    }

    @Test("RFC 9260 section 9: ABORT and SHUTDOWN by either side at every step end both", arguments: 0..<24)
    func endings(packets: Int) throws {
        for (isAbort, bySecond, loss) in [(true, false, 0), (true, true, 0), (false, false, 0.2), (false, true, 0.2)] {
            var configuration = Pair.configuration()
            configuration.maximumTimeouts = 10
            let conditions = PathConditions(delay: .milliseconds(10), loss: loss)
            let pair = Pair(conditions, seed: UInt64(packets) + 1, a: configuration, b: configuration)
            var count = 0
            pair.a.tap = { _ in count += 1 }
            pair.b.tap = { _ in count += 1 }
            pair.a.association.connect(at: pair.now)
            pair.b.association.connect(at: pair.now)
            for number: UInt8 in 0..<5 {
                let message = [number] + [UInt8](repeating: 0, count: 2_000)
                for end in [pair.a, pair.b] { try end.association.send(OutgoingMessage(0, message)) }
            }
            pair.run(for: .seconds(60)) { count >= packets }
            let wasUp = pair.a.association.state == .established && pair.b.association.state == .established
            let (ending, other) = bySecond ? (pair.b, pair.a) : (pair.a, pair.b)
            if isAbort {
                ending.association.abort("enough", at: pair.now)
            } else {
                ending.association.shutDown(at: pair.now)
            }
            pair.run(for: .seconds(300))
            let title = "\(packets) packets, \(isAbort ? "ABORT" : "SHUTDOWN") by the \(bySecond ? "second" : "first")"
            #expect(ending.association.state == .ended, "\(title)")
            #expect(ending.association.deadline == nil && ending.association.heldBytes == 0, "\(title)")
            guard wasUp else { continue }
            #expect(other.association.state == .ended, "\(title)")
            // A shutdown waits until all that had been sent has arrived (section 9.2).
            // Also when the last answer is lost (section 8.4, rule 5).
            guard !isAbort else { continue }
            #expect(other.messages.map { $0.payload[0] } == [0, 1, 2, 3, 4], "\(title)")
            #expect(ending.end == .shutDown && other.end == .shutDown, "\(title)")
        }
    }
}

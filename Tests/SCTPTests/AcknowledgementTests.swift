import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("Acknowledgements", .timeLimit(.minutes(5)))
struct AcknowledgementTests {
    private static func count(_ type: UInt8, in packets: [[UInt8]]) -> Int {
        packets.count { packet in
            packet.withUnsafeBytes { bytes in
                var reader = ChunkReader(bytes)
                while let chunk = reader.next() {
                    if chunk.type == type { return true }
                }
                return false
            }
        }
    }

    /// Sends half a megabyte and returns how many packets with DATA it took, and how many with SACK answered.
    private static func transfer(_ pair: Pair) throws -> (data: Int, sacks: Int) {
        var (sent, answered): ([[UInt8]], [[UInt8]]) = ([], [])
        pair.a.tap = { sent.append($0) }
        pair.b.tap = { answered.append($0) }
        for _ in 0..<10 { try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 50_000))) }
        pair.run(for: .seconds(60)) { !pair.a.association.hasUnacknowledgedData }
        #expect(pair.b.messages.count == 10)
        let data = Self.count(ChunkType.interleavedData, in: sent)
        return (data, Self.count(ChunkType.selectiveAcknowledgement, in: answered))
    }

    @Test("Thinned out for a stack that says it needs no more, and only for it: others get one for every second packet")
    func thinning() throws {
        let (data, few) = try Self.transfer(Pair.connected(PathConditions(delay: .milliseconds(20))))
        #expect(few * 4 < data, "\(few) for \(data)")
        let foreign = Pair(PathConditions(delay: .milliseconds(20)))
        // An INIT without the parameter, as everybody else's.
        foreign.a.association.local.acknowledgements = nil
        foreign.a.association.connect(at: foreign.now)
        foreign.run(for: .seconds(1)) { foreign.a.isConnected && foreign.b.isConnected }
        let (foreignData, many) = try Self.transfer(foreign)
        #expect(many * 2 >= foreignData, "\(many) for \(foreignData)")
    }

    @Test("RFC 7053: the last packet that can leave asks to be acknowledged at once, and is")
    func immediately() throws {
        let pair = Pair.connected(PathConditions(delay: .milliseconds(20)))
        let start = pair.now
        try pair.a.association.send(OutgoingMessage(0, [1]))
        pair.run(for: .seconds(1)) { !pair.a.association.hasUnacknowledgedData }
        // A round trip, without the 20 ms that an acknowledgement may otherwise wait.
        #expect(pair.now - start < .milliseconds(45), "\(pair.now - start)")
    }
}

import Testing

@testable import PeerTreeCore

/// Nothing gets behind the gate that the source has not signed.
@Suite("The gate before proven chunks", .timeLimit(.minutes(5)))
struct ProofGateTests {
    /// What came out, in short.
    private enum Outcome: Equatable {
        case control(UInt32)
        case chunk(UInt32, UInt64)
        case said(UInt32)
        case malformed(UInt32)
        case forged(UInt32)
        case contradicted(UInt32)
        case dropped(UInt32)
        case verify(UInt64)
    }

    private struct Gate {
        var gate: ProofGate<TestBuffer>
        var asked: [UInt64: ([UInt8], Signature)] = [:]

        init(perLink: Int = 1 << 20, inAll: Int = 4 << 20) {
            gate = ProofGate(maximumBytesPerLink: perLink, maximumBytes: inAll)
        }

        mutating func receive(_ frame: TestBuffer, on link: UInt32) -> [Outcome] {
            gate.receive(frame, on: LinkID(link))
            return drain()
        }

        /// The host answers, and says the truth.
        mutating func answer(_ ticket: UInt64) -> [Outcome] {
            guard let (statement, signature) = asked.removeValue(forKey: ticket) else { return [] }
            gate.verified(ticket, TestKey.hasSigned(statement, signature))
            return drain()
        }

        private mutating func drain() -> [Outcome] {
            var outcomes: [Outcome] = []
            while let output = gate.nextOutput() {
                switch output {
                case .control(let link, _): outcomes.append(.control(link.rawValue))
                case .chunk(let link, let chunk, _): outcomes.append(.chunk(link.rawValue, chunk.header.sequence))
                case .head(let link, _, _), .pulse(let link, _, _): outcomes.append(.said(link.rawValue))
                case .malformed(let link): outcomes.append(.malformed(link.rawValue))
                case .forged(let link): outcomes.append(.forged(link.rawValue))
                case .contradicted(let link): outcomes.append(.contradicted(link.rawValue))
                case .dropped(let link): outcomes.append(.dropped(link.rawValue))
                case .verify(let ticket, let statement, let signature):
                    asked[ticket] = (statement, signature)
                    outcomes.append(.verify(ticket))
                }
            }
            return outcomes
        }
    }

    private let heartbeat = TestBuffer(bytes: ControlFrame.heartbeat(timestamp: 1, echo: 0, held: 0).encoded())

    @Test("Heads and pulses wait for their signatures like chunks; a pulse is looked at only if it may be news")
    func words() {
        var (gate, writer) = (Gate(), BlockWriter())
        #expect(gate.receive(writer.pulse(clock: 5), on: 1) == [])
        #expect(gate.receive(writer.head(startedAt: 2), on: 1) == [.verify(1)])
        #expect(gate.receive(writer.pulse(clock: 5), on: 1) == [])
        #expect(gate.answer(1) == [.said(1), .verify(2)])
        #expect(gate.answer(2) == [.said(1)])
        // Known, and older than known.
        #expect(gate.receive(writer.pulse(clock: 5), on: 2) == [])
        #expect(gate.receive(writer.pulse(clock: 4).forged, on: 2) == [])
        #expect(gate.receive(writer.head(startedAt: 2), on: 2) == [.said(2)])
        #expect(gate.receive(writer.pulse(clock: 6).forged, on: 2) == [.verify(3)])
        #expect(gate.answer(3) == [.forged(2)])
        // An earlier stream of the source's.
        writer.signer = BlockSigner(streamID: SignedStreamID(high: 1, low: 1))
        #expect(gate.receive(writer.head(startedAt: 1), on: 1) == [.verify(4)])
        #expect(gate.answer(4) == [.said(1)])
        #expect(gate.receive(writer.pulse(clock: 7), on: 1) == [])
    }

    @Test("A link waits for its chunk's block, in order, and the others do not")
    func order() {
        var (gate, writer) = (Gate(), BlockWriter())
        let (first, second) = (writer.frames(of: [1]), writer.frames(of: [2]))
        var outcomes = gate.receive(first[0], on: 1)
        #expect(outcomes == [.verify(1)])
        outcomes = gate.receive(heartbeat, on: 1) + gate.receive(second[0], on: 1)
        #expect(outcomes.isEmpty)
        outcomes = gate.receive(heartbeat, on: 2)
        #expect(outcomes == [.control(2)])
        // The same block by another link is not checked twice.
        outcomes = gate.receive(first[0], on: 3)
        #expect(outcomes.isEmpty)
        outcomes = gate.answer(1)
        #expect(outcomes == [.chunk(1, 0), .control(1), .verify(2), .chunk(3, 0)])
        outcomes = gate.answer(2)
        #expect(outcomes == [.chunk(1, 1)])
        #expect(gate.gate.byteCount == 0)
    }

    @Test("One check does for all chunks of a block, whichever come, and again")
    func once() {
        var (gate, writer) = (Gate(), BlockWriter())
        let frames = writer.frames(of: Array(repeating: 1, count: 3 * SignedChunk.maximumPayload))
        var outcomes = gate.receive(frames[2], on: 1)
        #expect(outcomes == [.verify(1)])
        outcomes = gate.answer(1)
        #expect(outcomes == [.chunk(1, 2)])
        outcomes = gate.receive(frames[0], on: 1) + gate.receive(frames[1], on: 2) + gate.receive(frames[1], on: 2)
        #expect(outcomes == [.chunk(1, 0), .chunk(2, 1), .chunk(2, 1)])
    }

    @Test("A chunk changed anywhere is told from the true one, and its link from the honest one", arguments: 2..<180)
    func changed(offset: Int) {
        var (gate, writer) = (Gate(), BlockWriter())
        let frames = writer.frames(of: Array(repeating: 1, count: 2 * SignedChunk.maximumPayload))
        _ = gate.receive(frames[1], on: 1)
        var outcomes = gate.answer(1)
        #expect(outcomes == [.chunk(1, 1)])
        outcomes = gate.receive(frames[1].changed(at: offset), on: 2)
        if outcomes == [.verify(2)] { outcomes = gate.answer(2) }
        #expect(outcomes == [.forged(2)] || outcomes == [.malformed(2)])
        outcomes = gate.receive(frames[0], on: 1)
        #expect(outcomes == [.chunk(1, 0)])
    }

    @Test("A false proof empties its link's queue, and is known when it comes by another")
    func forged() {
        var (gate, writer) = (Gate(), BlockWriter())
        let (frame, other) = (writer.frames(of: [1])[0], writer.frames(of: [2])[0])
        var outcomes = gate.receive(frame.forged, on: 1) + gate.receive(other, on: 1) + gate.receive(heartbeat, on: 1)
        #expect(outcomes == [.verify(1)])
        outcomes = gate.answer(1)
        #expect(outcomes == [.forged(1)])
        #expect(gate.gate.byteCount == 0)
        outcomes = gate.receive(frame.forged, on: 2)
        #expect(outcomes == [.forged(2)])
        outcomes = gate.receive(frame, on: 3)
        #expect(outcomes == [.verify(2)])
    }

    @Test("Of two signed blocks of one number the first counts; the other is the source's fault, not the link's")
    func contradiction() {
        var gate = Gate()
        var (one, other) = (BlockWriter(), BlockWriter())
        var outcomes = gate.receive(one.frames(of: [1])[0], on: 1)
        outcomes += gate.answer(1)
        #expect(outcomes == [.verify(1), .chunk(1, 0)])
        let second = other.frames(of: [2])[0]
        outcomes = gate.receive(second, on: 2)
        outcomes += gate.answer(2)
        #expect(outcomes == [.verify(2), .contradicted(2)])
        outcomes = gate.receive(second, on: 3)
        #expect(outcomes == [.contradicted(3)])
    }

    @Test("What is unproven is bounded on each link and in all, and other frames still get through")
    func flood() {
        var gate = Gate(perLink: 10_000, inAll: 25_000)
        var writer = BlockWriter()
        var dropped = 0
        for link in 1...4 as ClosedRange<UInt32> {
            for _ in 0..<50 {
                let outcomes = gate.receive(writer.frames(of: Array(repeating: 1, count: 500))[0], on: link)
                if outcomes.contains(.dropped(link)) { dropped += 1 }
                #expect(gate.gate.byteCount <= 25_000)
            }
        }
        #expect(dropped > 100)
        let outcomes = gate.receive(heartbeat, on: 1)
        #expect(outcomes.isEmpty)
        // More of them than fit are dropped, too.
        for _ in 0..<10_000 { _ = gate.receive(heartbeat, on: 1) }
        #expect(gate.gate.byteCount <= 25_000 + 65_536)
    }

    @Test("A chunk without a proof, and what is cut off, is malformed")
    func unsigned() {
        var (gate, writer) = (Gate(), BlockWriter())
        var chunker = Chunker<TestBuffer>(stripes: 1)
        let plain = chunker.cut(TestBuffer(bytes: [1]), MessageOptions(), timestamp: 0)[0].frame
        let frame = writer.frames(of: [1])[0]
        var outcomes = gate.receive(plain, on: 1)
        #expect(outcomes == [.malformed(1)])
        outcomes = gate.receive(frame.slice(from: 0, to: 90), on: 1)
        #expect(outcomes == [.malformed(1)])
        outcomes = gate.receive(TestBuffer(bytes: []), on: 1)
        #expect(outcomes == [.control(1)])
    }

    @Test("Links that are gone are forgotten, and so are blocks after many others")
    func forgetting() {
        var (gate, writer) = (Gate(), BlockWriter())
        let first = writer.frames(of: [1])[0]
        _ = gate.receive(first, on: 1)
        gate.gate.retain { $0 != LinkID(1) }
        #expect(gate.gate.byteCount == 0)
        var outcomes = gate.answer(1)
        #expect(outcomes.isEmpty)
        outcomes = gate.receive(first, on: 2)
        #expect(outcomes == [.chunk(2, 0)])
        for ticket in 2...300 as ClosedRange<UInt64> {
            _ = gate.receive(writer.frames(of: [2])[0], on: 2)
            _ = gate.answer(ticket)
        }
        outcomes = gate.receive(first, on: 2)
        #expect(outcomes == [.verify(301)])
    }
}

import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("The replay buffer", .timeLimit(.minutes(5)))
struct ReplayBufferTests {
    private func chunk(
        _ sequence: UInt64,
        size: Int = 10,
        joinPoint: Bool = false
    ) -> ReplayBuffer<TestBuffer>.Chunk {
        var flags: ChunkHeader.Flags = [.first, .last]
        if joinPoint { flags.insert(.joinPoint) }
        let header = ChunkHeader(
            sequence: sequence,
            stripe: 0,
            flags: flags,
            retainedKey: 0,
            timestamp: 0,
            fragment: 0
        )
        return .init(header: header, frame: TestBuffer(bytes: Array(repeating: 7, count: size)), payloadOffset: 0)
    }

    @Test("It keeps the newest chunks within its bounds and forgets the oldest")
    func bounds() {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 1_000)
        for sequence in 0..<1_000 as Range<UInt64> { _ = buffer.insert(chunk(sequence)) }
        #expect(buffer.end == 1_000 && buffer.start == 936)
        #expect(buffer.byteCount == 640)
        _ = buffer.insert(chunk(1_000, size: 950))
        #expect(buffer.byteCount <= 1_000)
        #expect(buffer.contains(1_000) && !buffer.contains(990))
    }

    @Test("A chunk larger than the whole buffer is still kept: it is the newest")
    func oversizedChunk() {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 100)
        _ = buffer.insert(chunk(0))
        _ = buffer.insert(chunk(1, size: 500))
        #expect(buffer.contains(1) && !buffer.contains(0))
    }

    @Test("Duplicates and numbers from before the window are told apart from new ones")
    func outcomes() {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 10_000)
        buffer.reset(to: 100)
        guard case .inserted = buffer.insert(chunk(100)) else { return #expect(Bool(false), "new") }
        guard case .duplicate = buffer.insert(chunk(100)) else { return #expect(Bool(false), "duplicate") }
        guard case .inserted = buffer.insert(chunk(90)) else { return #expect(Bool(false), "repaired backwards") }
        guard case .tooOld = buffer.insert(chunk(1)) else { return #expect(Bool(false), "too old") }
        #expect(buffer.start == 90 && buffer.firstHeld(from: 91) == 100)
    }

    @Test("Runs of what is held come in order; beyond the most that are told apart, the last one covers the rest")
    func runs() {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 10_000)
        for sequence in [0, 1, 4, 6, 7, 9] as [UInt64] { _ = buffer.insert(chunk(sequence)) }
        #expect(
            buffer.runs(from: 1, atMost: 8) == [
                SequenceRange(start: 1, end: 2), SequenceRange(start: 4, end: 5), SequenceRange(start: 6, end: 8),
                SequenceRange(start: 9, end: 10),
            ]
        )
        #expect(buffer.runs(from: 2, atMost: 2) == [SequenceRange(start: 4, end: 5), SequenceRange(start: 6, end: 10)])
        #expect(buffer.runs(from: 10, atMost: 8).isEmpty)
    }

    @Test("A jump far ahead forgets everything before it in constant memory")
    func jump() {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 10_000)
        _ = buffer.insert(chunk(0))
        _ = buffer.insert(chunk(1 << 61))
        #expect(buffer.contains(1 << 61) && buffer.byteCount == 10)
    }

    @Test("The newest join point is known, and forgotten once it was evicted", arguments: [UInt64(1), 3, 50])
    func joinPoints(period: UInt64) {
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 128, maximumBytes: 100_000)
        for sequence in 0..<5_000 as Range<UInt64> {
            _ = buffer.insert(chunk(sequence, joinPoint: sequence % period == 0))
            #expect(buffer.newestJoinPoint == sequence / period * period)
        }
        for sequence in 5_000..<5_200 as Range<UInt64> { _ = buffer.insert(chunk(sequence)) }
        #expect(buffer.newestJoinPoint == nil)
    }

    @Test("It agrees with a plain dictionary under random use", arguments: UInt64(0)..<8)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var buffer = ReplayBuffer<TestBuffer>(maximumChunks: 128, maximumBytes: 3_000)
        var model: [UInt64: Int] = [:]
        var newest: UInt64 = 0
        for _ in 0..<5_000 {
            let ahead = UInt64.random(in: 0...5, using: &random)
            let back = UInt64.random(in: 0...100, using: &random)
            let sequence = Bool.random(using: &random) ? newest + ahead : newest - min(newest, back)
            let size = Int.random(in: 1...100, using: &random)
            if case .inserted = buffer.insert(chunk(sequence, size: size)) {
                #expect(model[sequence] == nil, "seed \(seed)")
                model[sequence] = size
            }
            newest = max(newest, sequence)
            model = model.filter { $0.key >= buffer.start }
            #expect(model.values.reduce(0, +) == buffer.byteCount, "seed \(seed)")
            #expect(buffer.byteCount <= 3_000 && buffer.end - buffer.start <= 128)
            let probe = newest - min(newest, back)
            #expect(buffer.contains(probe) == (model[probe] != nil), "seed \(seed)")
        }
    }
}

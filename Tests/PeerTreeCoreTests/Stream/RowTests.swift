import TestSupport
import Testing

@testable import PeerTreeCore

/// Messages that are cut into rows with parity, and rows that lack a chunk.
@Suite("Rows with parity", .timeLimit(.minutes(5)))
struct RowTests {
    typealias Chunk = ReplayBuffer<TestBuffer>.Chunk

    private static func payload(_ count: Int, seed: UInt64) -> TestBuffer {
        var generator = SeededGenerator(seed: seed)
        return TestBuffer(bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// The chunks as they go out: of a signed stream with their proofs.
    private static func cut(_ sizes: [Int], stripes: UInt8, isSigned: Bool, seed: UInt64) -> [Chunk] {
        var chunker = Chunker<TestBuffer>(stripes: stripes, isBare: isSigned, isCoded: true)
        let signature = Signature(Array(repeating: 7, count: Signature.length))
        var signer = BlockSigner<TestBuffer>(streamID: SignedStreamID(high: 9, low: 1))
        var chunks: [Chunk] = []
        for (index, size) in sizes.enumerated() {
            let options = MessageOptions(isJoinPoint: index % 3 == 0, retainedKey: index % 2 == 0 ? 4 : nil)
            let cut = chunker.cut(payload(size, seed: seed &+ UInt64(index)), options, timestamp: UInt64(index))
            guard isSigned, let signature else {
                chunks += cut
                continue
            }
            let now = Instant(nanoseconds: UInt64(index) * 1_000_000_000)
            for request in signer.add(cut, isLast: true, at: now) { chunks += signer.signed(request.block, signature) }
        }
        return chunks
    }

    private static func messages(_ chunks: some Sequence<Chunk>) -> [[UInt8]] {
        var reassembler = Reassembler<TestBuffer>(maximumMessageBytes: 16 << 20)
        return chunks.compactMap { chunk in
            guard case .message(let message) = reassembler.accept(chunk) else { return nil }
            return message.parts.flatMap { Array($0.bytes) }
        }
    }

    private static let sizes = [0, 1, 3, 10_000, 16_384, 65_000, 200_000]

    @Test(
        "A message takes whole rows, of which the last chunk is parity, and comes out as it went in",
        arguments: [2, 3, 5, 16]
    )
    func cutting(stripes: UInt8) {
        let chunks = Self.cut(Self.sizes, stripes: stripes, isSigned: false, seed: 1)
        #expect(chunks.map { $0.header.sequence } == Array(0..<UInt64(chunks.count)))
        for chunk in chunks {
            #expect(chunk.header.rowWidth == stripes)
            #expect(chunk.header.isParity == (chunk.header.sequence % UInt64(stripes) == UInt64(stripes - 1)))
            #expect(chunk.frame.count <= 16_384)
        }
        #expect(chunks.count % Int(stripes) == 0)
        let expected = Self.sizes.enumerated().map { Array(Self.payload($1, seed: 1 + UInt64($0)).bytes) }
        #expect(Self.messages(chunks) == expected)
    }

    @Test("A picture of 10 KB at 4 + 1 is one row of chunks of 2.5 KB")
    func picture() {
        let chunks = Self.cut([10_000], stripes: 5, isSigned: false, seed: 1)
        #expect(chunks.map { $0.payload.count } == [2_500, 2_500, 2_500, 2_500, 2_500 + Parity.prefixLength])
    }

    @Test(
        "Any chunk of a row follows from the others, byte for byte, in any order",
        arguments: [false, true],
        UInt64(1)...8
    )
    func anyMissing(isSigned: Bool, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let stripes = UInt8.random(in: 2...16, using: &generator)
        let sizes = (0..<6).map { _ in Int.random(in: 0...90_000, using: &generator) }
        let chunks = Self.cut(sizes, stripes: stripes, isSigned: isSigned, seed: seed)
        var replay = ReplayBuffer<TestBuffer>(maximumChunks: 4_096, maximumBytes: 64 << 20)
        var missing: [Chunk] = []
        for start in stride(from: 0, to: chunks.count, by: Int(stripes)) {
            let row = Array(chunks[start..<start + Int(stripes)]).shuffled(using: &generator)
            missing.append(row[0])
            for chunk in row.dropFirst() { _ = replay.insert(chunk) }
        }
        // The newest number may be what is missing: there is something behind it.
        if let last = missing.last, last.header.sequence == UInt64(chunks.count - 1) {
            var other = last
            other.header.sequence += UInt64(stripes)
            _ = replay.insert(other)
        }
        for chunk in missing {
            let row = try #require(Row(of: chunk.header))
            guard case .chunk(let rebuilt) = replay.completion(of: row, isSigned: isSigned) else {
                Issue.record("seed \(seed): chunk \(chunk.header.sequence) of \(stripes) stripes was not given back")
                continue
            }
            #expect(rebuilt.header == chunk.header)
            #expect(rebuilt.frame == chunk.frame, "seed \(seed)")
            #expect(rebuilt.payloadOffset == chunk.payloadOffset)
        }
    }

    @Test("Two missing chunks of a row are not given back, and nothing is where nothing is missing")
    func twoMissing() {
        let chunks = Self.cut([50_000], stripes: 5, isSigned: false, seed: 3)
        var replay = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 1 << 20)
        for chunk in chunks.dropFirst(2) { _ = replay.insert(chunk) }
        guard let row = Row(of: chunks[0].header) else { return }
        if case .none = replay.completion(of: row, isSigned: false) {} else { Issue.record("two were missing") }
        for chunk in chunks { _ = replay.insert(chunk) }
        if case .none = replay.completion(of: row, isSigned: false) {} else { Issue.record("nothing was missing") }
    }

    @Test(
        "In a signed row every bit flipped in the parity is noticed: what follows from it is not taken for the source's"
    )
    func flippedBits() throws {
        let chunks = Self.cut([40], stripes: 5, isSigned: true, seed: 5)
        let parity = try #require(chunks.last)
        let row = try #require(Row(of: parity.header))
        for bit in 0..<parity.payload.count * 8 {
            var bytes = Array(parity.frame.bytes)
            bytes[parity.payloadOffset + bit / 8] ^= 1 << UInt8(bit % 8)
            var replay = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 1 << 20)
            for chunk in chunks[1...3] { _ = replay.insert(chunk) }
            let frame = TestBuffer(bytes: bytes)
            _ = replay.insert(Chunk(header: parity.header, frame: frame, payloadOffset: parity.payloadOffset))
            if case .contradiction = replay.completion(of: row, isSigned: true) { continue }
            Issue.record("bit \(bit) of the parity went unnoticed")
        }
    }

    @Test(
        "A block in rows is closed with whole rows, and each of its chunks is proven by its path",
        arguments: [2, 3, 5, 7, 16]
    )
    func blocks(stripes: UInt8) throws {
        let chunks = Self.cut([1_000_000, 5], stripes: stripes, isSigned: true, seed: 9)
        var roots: [UInt64: Hash256] = [:]
        for chunk in chunks {
            let (signed, offset) = try SignedChunk.decode(chunk.frame)
            #expect(offset == chunk.payloadOffset)
            #expect(signed.block.firstSequence % UInt64(stripes) == 0)
            #expect(signed.path.count <= SignedChunk.maximumPathLength)
            let root = try #require(signed.root(over: chunk.payload))
            #expect(roots[signed.block.number] ?? root == root)
            roots[signed.block.number] = root
        }
        #expect(roots.count > 1)
    }

    @Test("A retained message in rows is kept whole, without its parity")
    func retained() {
        let chunks = Self.cut([200_000], stripes: 3, isSigned: false, seed: 2)
        var retained = RetainedMessages<TestBuffer>(maximumKeys: 4, maximumBytes: 1 << 20)
        for chunk in chunks { _ = retained.accept(chunk) }
        #expect(retained.inStreamOrder.count == 1)
        let kept = retained.inStreamOrder.first ?? []
        #expect(kept.map { $0.header.sequence } == chunks.filter { !$0.header.isParity }.map { $0.header.sequence })
        // A newcomer is told the data alone.
        var newcomer = RetainedMessages<TestBuffer>(maximumKeys: 4, maximumBytes: 1 << 20)
        #expect(kept.compactMap { newcomer.accept($0) }.last?.count == kept.count)
    }
}

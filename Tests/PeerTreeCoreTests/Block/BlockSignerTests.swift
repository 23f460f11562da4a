import Testing

@testable import PeerTreeCore

@Suite("Closing and signing blocks", .timeLimit(.minutes(5)))
struct BlockSignerTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func counts(_ requests: [BlockSigner<TestBuffer>.Request], _ writer: inout BlockWriter) throws -> [Int] {
        let chunks = writer.signed(requests)
        var counts: [Int] = []
        for chunk in chunks {
            let block = try SignedChunk.decode(chunk.frame).chunk.block
            if block.firstSequence == chunk.header.sequence { counts.append(Int(block.count)) }
        }
        return counts
    }

    private func message(
        _ bytes: Int,
        _ writer: inout BlockWriter,
        _ options: MessageOptions = MessageOptions()
    ) -> [ReplayBuffer<TestBuffer>.Chunk] {
        writer.chunker.cut(TestBuffer(bytes: Array(repeating: 3, count: bytes)), options, timestamp: 1)
    }

    @Test("A message after a pause is a block at once; what follows it shares one, which is closed in time")
    func pace() throws {
        var writer = BlockWriter()
        #expect(writer.signer.deadline == .distantFuture)
        var requests = writer.signer.add(message(10, &writer), at: now)
        #expect(try counts(requests, &writer) == [1])
        for _ in 0..<3 {
            requests = writer.signer.add(message(10, &writer), at: now + .milliseconds(1))
            #expect(requests.isEmpty)
        }
        #expect(writer.signer.deadline == now + BlockSigner<TestBuffer>.interval)
        requests = writer.signer.closeIfDue(at: now + .milliseconds(4))
        #expect(requests.isEmpty)
        requests = writer.signer.closeIfDue(at: now + .milliseconds(5))
        #expect(try counts(requests, &writer) == [3])
        #expect(writer.signer.deadline == .distantFuture)
        requests = writer.signer.add(message(10, &writer), at: now + .milliseconds(10))
        #expect(try counts(requests, &writer) == [1])
    }

    @Test("A large message spans blocks of 64 chunks; a join point begins one; the end closes the last")
    func cut() throws {
        var writer = BlockWriter()
        var requests = writer.signer.add(message(130 * SignedChunk.maximumPayload, &writer), at: now)
        #expect(try counts(requests, &writer) == [64, 64])
        requests = writer.signer.add(message(5, &writer, MessageOptions(isJoinPoint: true)), at: now)
        #expect(try counts(requests, &writer) == [2])
        requests = writer.signer.add([writer.chunker.endOfStream(timestamp: 1)], isLast: true, at: now)
        #expect(try counts(requests, &writer) == [2])
        #expect(writer.signer.deadline == .distantFuture)
    }

    @Test("Signatures may come in any order, twice or for nothing: chunks go out in theirs, once")
    func order() throws {
        var writer = BlockWriter()
        let requests = writer.signer.add(message(200 * SignedChunk.maximumPayload, &writer), isLast: true, at: now)
        #expect(requests.map(\.block) == [0, 1, 2, 3])
        var numbers: [UInt64] = []
        for index in [2, 1, 1, 0, 0, 3] {
            let signature = try #require(TestKey.sign(requests[index].statement))
            numbers += writer.signer.signed(requests[index].block, signature).map(\.header.sequence)
            if index != 0, index != 3 { #expect(numbers.isEmpty) }
        }
        #expect(numbers == Array(0..<200))
        let signature = try #require(TestKey.sign([]))
        #expect(writer.signer.signed(77, signature).isEmpty)
    }

    @Test("A host that does not sign makes the writer wait")
    func behind() {
        var writer = BlockWriter()
        for number in 0..<16 {
            #expect(!writer.signer.isBehind, "\(number)")
            _ = writer.signer.add(message(1, &writer), isLast: true, at: now)
        }
        #expect(writer.signer.isBehind)
    }
}

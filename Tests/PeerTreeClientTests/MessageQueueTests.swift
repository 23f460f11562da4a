import JSON
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import PeerTreeClient
@testable import PeerTreeCore

@Suite("Messages on their way to the application", .timeLimit(.minutes(5)))
struct MessageQueueTests {
    private func message(_ sequence: UInt64, size: Int = 10, joinPoint: Bool = false) -> PeerTreeMessage {
        PeerTreeMessage(
            parts: [ByteBuffer(repeating: 1, count: size)],
            sequence: sequence,
            lastSequence: sequence,
            timestamp: 0,
            isText: false,
            isJoinPoint: joinPoint,
            retainedKey: nil
        )
    }

    @Test("What waits is read before the end, whatever the end is")
    func endComesLast() async throws {
        let queue = MessageQueue()
        queue.append(message(0), limit: 100, policy: .lossless)
        queue.finish(.failure(.sourceLost))
        #expect(try await queue.next()?.sequence == 0)
        await #expect(throws: PeerTreeError.sourceLost) { try await queue.next() }
    }

    @Test("A live stream drops what its reader is too slow for, up to the next join point")
    func liveDrops() async throws {
        let queue = MessageQueue()
        for sequence in 0..<30 as Range<UInt64> {
            if sequence == 20 { for _ in 0..<8 { _ = try await queue.next() } }
            queue.append(message(sequence, joinPoint: sequence % 5 == 0), limit: 100, policy: .live)
        }
        queue.finish(.success(()))
        var rest: [UInt64] = []
        while let next = try await queue.next() { rest.append(next.sequence) }
        #expect(rest.prefix(3) == [8, 9, 20])
    }

    @Test("A paced stream fails when its reader is too slow: bytes cannot be left out")
    func pacedFails() async throws {
        let queue = MessageQueue()
        for sequence in 0..<11 as Range<UInt64> { queue.append(message(sequence), limit: 100, policy: .paced) }
        for _ in 0..<10 { #expect(try await queue.next() != nil) }
        await #expect(throws: PeerTreeError.readerTooSlow(limit: 100)) { try await queue.next() }
    }

    @Test("A lossless stream whose parents disregard credit fails: nothing waits without a bound")
    func losslessIsBounded() async throws {
        let queue = MessageQueue()
        for sequence in 0..<11 as Range<UInt64> { queue.append(message(sequence), limit: 100, policy: .lossless) }
        for _ in 0..<10 { #expect(try await queue.next() != nil) }
        await #expect(throws: PeerTreeError.readerTooSlow(limit: 100)) { try await queue.next() }
    }

    @Test("A group has what waits up to its size, in order, and is told as taken; the end comes behind the last group")
    func batches() async throws {
        let queue = MessageQueue()
        for sequence in 0..<7 as Range<UInt64> { queue.append(message(sequence), limit: 100, policy: .lossless) }
        queue.finish(.failure(.sourceLost))
        var groups = PeerTreeMessages(queue: queue).batches(ofAtLeast: 30).makeAsyncIterator()
        var sizes: [[UInt64]] = []
        await #expect(throws: PeerTreeError.sourceLost) {
            while let group = try await groups.next() { sizes.append(group.map(\.sequence)) }
        }
        #expect(sizes == [[0, 1, 2], [3, 4, 5], [6]])
        #expect(queue.takeTaken() == 6)
    }

    @Test("However fast the reader is, it is told once that something was taken, until somebody asks what")
    func taken() async throws {
        let calls = NIOLockedValueBox(0)
        let queue = MessageQueue()
        queue.onTaken { calls.withLockedValue { $0 += 1 } }
        #expect(queue.takeTaken() == nil)
        for sequence in 0..<4 as Range<UInt64> { queue.append(message(sequence), limit: 100, policy: .lossless) }
        for _ in 0..<3 { _ = try await queue.next() }
        #expect(calls.withLockedValue { $0 } == 1)
        #expect(queue.takeTaken() == 2)
        _ = try await queue.next()
        #expect(calls.withLockedValue { $0 } == 2)
        #expect(queue.takeTaken() == 3)
    }

    @Test("A reader that is cancelled gets the end, not a hang")
    func cancellation() async throws {
        let queue = MessageQueue()
        let reader = Task { try await queue.next() }
        reader.cancel()
        #expect(try await reader.value == nil)
    }

    @Test("A summary without its numbers is none")
    func malformedSummary() throws {
        #expect(TreeSummary(try JSONValue(parsing: #"{"viewers":"many","depth":1}"#)) == nil)
        #expect(TreeSummary(try JSONValue(parsing: #"{"viewers":2,"depth":1}"#))?.viewers == 2)
    }
}

import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("What associations hold together", .timeLimit(.minutes(5)))
struct WindowBudgetTests {
    private static let budget = 4 * 1024 * 1024

    /// A pair of which the second end shares a budget.
    private static func pair(_ budget: WindowBudget, seed: UInt64) -> Pair {
        var configuration = Pair.configuration()
        configuration.windowBudget = budget
        return Pair.connected(PathConditions(delay: .milliseconds(5)), seed: seed, b: configuration)
    }

    /// Messages that are under way at once, a piece of each by turns (RFC 8260): none is whole before the last pieces come.
    private static func interleave(_ count: UInt16, _ pair: Pair) throws {
        for stream in 0..<count {
            try pair.a.association.send(OutgoingMessage(stream, [UInt8](repeating: 7, count: 250_000)))
        }
    }

    @Test("Messages that are not whole fit into the budget, and give it back when they are")
    func whole() throws {
        let budget = WindowBudget(bytes: Self.budget)
        let pair = Self.pair(budget, seed: 1)
        try Self.interleave(12, pair)
        var (most, least) = (0, Self.budget)
        pair.b.tap = { _ in
            most = max(most, pair.b.association.heldBytes)
            least = min(least, budget.rest)
        }
        pair.run(for: .seconds(30)) { pair.b.messages.count == 12 }
        #expect(pair.b.messages.allSatisfy { $0.payload == [UInt8](repeating: 7, count: 250_000) })
        #expect(pair.b.messages.count == 12 && pair.b.end == nil)
        let window = try #require(pair.b.association.statistics).receiveWindow
        #expect(most > 2_000_000, "\(most) bytes were held at most: the messages did not overlap")
        #expect(least < Self.budget - 1_000_000, "\(least) bytes were left")
        #expect(budget.rest == Self.budget - (window - Pair.configuration().receiveWindow))
        pair.b.association.abort("enough", at: pair.now)
        #expect(budget.rest == Self.budget)
    }

    @Test("However many hold what is never whole, they hold no more than their windows and the budget together")
    func bounded() throws {
        let budget = WindowBudget(bytes: Self.budget)
        let pairs = (1...6).map { Self.pair(budget, seed: $0) }
        let window = Pair.configuration().receiveWindow + ReceiveWindow.leastWithoutReady
        for pair in pairs { try Self.interleave(40, pair) }
        var most = 0
        for pair in pairs {
            pair.b.tap = { _ in most = max(most, pairs.reduce(0) { $0 + $1.b.association.heldBytes }) }
        }
        for _ in 0..<200 {
            for pair in pairs { pair.run(for: .milliseconds(20)) }
        }
        #expect(most <= Self.budget + pairs.count * window, "\(most) bytes")
        #expect(most > Self.budget)
        // What cannot go on is ended, so that the others can.
        #expect(pairs.contains { $0.b.end != nil })
        for pair in pairs { pair.b.association.abort("enough", at: pair.now) }
        #expect(budget.rest == Self.budget)
        #expect(pairs.allSatisfy { $0.b.association.heldBytes == 0 })
    }

    @Test("A budget that others have used up does not keep a message from arriving that the window has room for")
    func exhausted() throws {
        let budget = WindowBudget(bytes: 0)
        let pair = Self.pair(budget, seed: 3)
        pair.a.path.conditions.loss = 0.1
        for number: UInt8 in 0..<20 {
            try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: number, count: 262_144)))
        }
        pair.run(for: .seconds(300)) { pair.b.messages.count == 20 }
        #expect(pair.b.messages.map { $0.payload[0] } == (0..<20).map { UInt8($0) })
        #expect(pair.b.end == nil && budget.rest == 0)
    }
}

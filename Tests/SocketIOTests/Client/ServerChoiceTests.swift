import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Choice of a server")
    struct ServerChoiceTests {
        private static let seed: UInt64 = 0x5EED_0181

        @Test("Every server is tried once in a round, and the round ends with the last one, whatever came before")
        func rounds() {
            for number in 0..<2000 as Range<UInt64> {
                var random = SeededGenerator(seed: Self.seed + number)
                let count = Int.random(in: 1...8, using: &random)
                var choice = ServerChoice(count: count, using: &random)
                for _ in 0..<Int.random(in: 0...20, using: &random) {
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: _ = choice.fail()
                    case 1: choice.succeed()
                    default: choice.lose()
                    }
                }
                choice.succeed()
                for _ in 0..<2 {
                    var tried: [Int] = []
                    repeat { tried.append(choice.current) } while choice.fail()
                    #expect(tried.sorted() == Array(0..<count), "seed \(Self.seed + number)")
                }
            }
        }

        @Test("A server that is lost comes last")
        func loss() {
            for number in 0..<200 as Range<UInt64> {
                var random = SeededGenerator(seed: Self.seed + number)
                let count = Int.random(in: 1...8, using: &random)
                var choice = ServerChoice(count: count, using: &random)
                for _ in 0..<Int.random(in: 0..<count, using: &random) { _ = choice.fail() }
                choice.succeed()
                let lost = choice.current
                choice.lose()
                var tried: [Int] = []
                repeat { tried.append(choice.current) } while choice.fail()
                #expect(tried.last == lost && tried.count == count, "seed \(Self.seed + number)")
            }
        }

        @Test("Clients begin with all servers alike, and those of one that died go to all others alike")
        func spread() {
            var random = SeededGenerator(seed: Self.seed)
            var first = [Int](repeating: 0, count: 3)
            var afterFirst = [Int](repeating: 0, count: 3)
            for _ in 0..<3000 {
                var choice = ServerChoice(count: 3, using: &random)
                first[choice.current] += 1
                guard choice.current == 0 else { continue }
                choice.lose()
                afterFirst[choice.current] += 1
            }
            #expect(first.allSatisfy { (900...1100).contains($0) }, "seed \(Self.seed): \(first)")
            #expect(
                afterFirst[0] == 0 && afterFirst.dropFirst().allSatisfy { $0 > 400 },
                "seed \(Self.seed): \(afterFirst)"
            )
        }

        @Test(
            "Servers get more time with every round that failed, up to the limit, and the first again once one answered"
        )
        func patience() {
            var random = SeededGenerator(seed: Self.seed)
            var choice = ServerChoice(count: 2, using: &random)
            func patience() -> Int64 {
                choice.patience(from: .seconds(5), to: .seconds(20)).nanoseconds / 1_000_000_000
            }
            var seen: [Int64] = []
            for _ in 0..<100 {
                seen.append(patience())
                _ = choice.fail()
            }
            #expect(seen.prefix(8) == [5, 5, 10, 10, 20, 20, 20, 20])
            #expect(seen.allSatisfy { $0 <= 20 })
            choice.succeed()
            #expect(patience() == 5)
            #expect(choice.patience(from: .nanoseconds(.max), to: .seconds(1)) == .seconds(1))
        }
    }
}

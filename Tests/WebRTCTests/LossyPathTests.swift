import LossyLink
import NIOCore
import TestSupport
import Testing

@Suite("The emulated bad network")
struct LossyPathTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func travel(_ conditions: PathConditions, seed: UInt64, count: Int) -> [(number: Int, at: NIODeadline)] {
        var path = LossyPath(conditions, random: SeededGenerator(seed: seed))
        for number in 0..<count {
            path.handle(ByteBuffer(integer: number), at: self.start + .milliseconds(Int64(number)))
        }
        var arrivals: [(number: Int, at: NIODeadline)] = []
        while let now = path.deadline {
            while let datagram = path.nextOutput(at: now) {
                arrivals.append((datagram.getInteger(at: 0, as: Int.self) ?? -1, now))
            }
        }
        return arrivals
    }

    @Test("The same seed makes the same accidents, another seed others")
    func seeded() {
        var conditions = PathConditions(delay: .milliseconds(50), loss: 0.2)
        conditions.duplication = 0.1
        conditions.reordering = 0.1
        let first = self.travel(conditions, seed: 1, count: 500)
        #expect(self.travel(conditions, seed: 1, count: 500).map(\.number) == first.map(\.number))
        #expect(self.travel(conditions, seed: 2, count: 500).map(\.number) != first.map(\.number))
    }

    @Test("Datagrams are delayed by exactly the delay, in order, and lost about as often as asked for")
    func delayAndLoss() {
        let arrivals = self.travel(PathConditions(delay: .milliseconds(50), loss: 0.05), seed: 3, count: 10_000)
        #expect((9350...9650).contains(arrivals.count))
        #expect(arrivals.map(\.number) == arrivals.map(\.number).sorted())
        #expect(arrivals.allSatisfy { $0.at == self.start + .milliseconds(Int64($0.number) + 50) })
    }

    @Test("Doubled datagrams come twice, held back ones are overtaken")
    func duplicationAndReordering() {
        var conditions = PathConditions()
        conditions.duplication = 1
        #expect(self.travel(conditions, seed: 4, count: 3).map(\.number) == [0, 0, 1, 1, 2, 2])
        conditions = PathConditions()
        conditions.reordering = 0.1
        let numbers = self.travel(conditions, seed: 5, count: 1000).map(\.number)
        #expect(numbers != numbers.sorted() && numbers.sorted() == Array(0..<1000))
    }
}

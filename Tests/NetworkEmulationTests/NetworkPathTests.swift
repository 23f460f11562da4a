import NetworkEmulation
import TestSupport
import Testing

@Suite("The emulated bad network", .timeLimit(.minutes(5)))
struct NetworkPathTests {
    /// One datagram of 972 bytes, 1,000 with its headers, every so often.
    private func travel(
        _ conditions: PathConditions,
        seed: UInt64,
        count: Int,
        every interval: Duration = .milliseconds(1)
    ) -> (arrivals: [(number: Int, at: Duration)], statistics: PathStatistics) {
        var path = NetworkPath<Int>(conditions, random: SeededGenerator(seed: seed))
        for number in 0..<count { path.handle(number, size: 972, at: interval * number) }
        var arrivals: [(number: Int, at: Duration)] = []
        while let now = path.deadline {
            while let number = path.nextOutput(at: now) { arrivals.append((number, now)) }
        }
        return (arrivals, path.statistics)
    }

    @Test("The same seed makes the same accidents, another seed others")
    func seeded() {
        var conditions = PathConditions(delay: .milliseconds(50), loss: 0.2)
        conditions.duplication = 0.1
        conditions.reordering = 0.1
        conditions.jitter = .milliseconds(3)
        conditions.burstLoss = GilbertElliott(loss: 0.1, meanBurst: 4)
        let first = self.travel(conditions, seed: 1, count: 500).arrivals
        let again = self.travel(conditions, seed: 1, count: 500).arrivals
        #expect(again.map(\.number) == first.map(\.number) && again.map(\.at) == first.map(\.at))
        #expect(self.travel(conditions, seed: 2, count: 500).arrivals.map(\.number) != first.map(\.number))
    }

    @Test("Datagrams are delayed by exactly the delay, in order, and lost about as often as asked for")
    func delayAndLoss() {
        let conditions = PathConditions(delay: .milliseconds(50), loss: 0.05)
        let (arrivals, statistics) = self.travel(conditions, seed: 3, count: 10_000)
        #expect((9350...9650).contains(arrivals.count))
        #expect(statistics.lost == 10_000 - arrivals.count && statistics.overflowed == 0)
        #expect(arrivals.map(\.number) == arrivals.map(\.number).sorted())
        #expect(arrivals.allSatisfy { $0.at == .milliseconds($0.number + 50) })
    }

    @Test("Doubled datagrams come twice, held back ones are overtaken")
    func duplicationAndReordering() {
        var conditions = PathConditions()
        conditions.duplication = 1
        #expect(self.travel(conditions, seed: 4, count: 3).arrivals.map(\.number) == [0, 0, 1, 1, 2, 2])
        conditions = PathConditions()
        conditions.reordering = 0.1
        let numbers = self.travel(conditions, seed: 5, count: 1000).arrivals.map(\.number)
        #expect(numbers != numbers.sorted() && numbers.sorted() == Array(0..<1000))
    }

    @Test("Jitter delays by up to as much as asked for, and keeps the order")
    func jitter() {
        var conditions = PathConditions(delay: .milliseconds(20))
        conditions.jitter = .milliseconds(8)
        let arrivals = self.travel(conditions, seed: 6, count: 1000).arrivals
        #expect(arrivals.map(\.number) == Array(0..<1000))
        let delays = arrivals.map { $0.at - .milliseconds($0.number) }
        #expect(delays.allSatisfy { (.milliseconds(20)...(.milliseconds(28))).contains($0) })
        #expect(delays.contains { $0 < .milliseconds(23) } && delays.contains { $0 > .milliseconds(27) })
    }

    @Test("Losses of Gilbert and Elliott come in bursts of the length asked for, and as often as asked for")
    func bursts() {
        var conditions = PathConditions()
        conditions.burstLoss = GilbertElliott(loss: 0.05, meanBurst: 8)
        let count = 200_000
        let arrivals = self.travel(conditions, seed: 7, count: count).arrivals.map(\.number)
        let share = Double(count - arrivals.count) / Double(count)
        #expect((0.045...0.055).contains(share), "\(share)")
        let gaps = zip(arrivals, arrivals.dropFirst()).map { $1 - $0 - 1 }.filter { $0 > 0 }
        let mean = Double(gaps.reduce(0, +)) / Double(gaps.count)
        #expect((7.0...9.0).contains(mean), "\(mean)")
        #expect(abs(GilbertElliott(loss: 0.05, meanBurst: 8).meanLoss - 0.05) < 1e-9)
    }

    // MARK: - The bottleneck

    /// 8 Mbit/s: 1,000 bytes take a millisecond.
    private static func bottleneck(queue: Int, delay: Duration = .zero) -> PathConditions {
        PathConditions(delay: delay, bottleneck: .init(rate: 8_000_000, queue: queue))
    }

    @Test("A burst leaves the bottleneck at its rate; what its queue has no room for is dropped")
    func queue() {
        let conditions = Self.bottleneck(queue: 10_000, delay: .milliseconds(5))
        let (arrivals, statistics) = self.travel(conditions, seed: 8, count: 30, every: .zero)
        #expect(arrivals.map(\.number) == Array(0..<10))
        #expect(arrivals.map(\.at) == (0..<10).map { .milliseconds($0 + 1 + 5) })
        #expect(statistics.overflowed == 20)
        #expect(statistics.longestQueueDelay == .milliseconds(10))
        #expect(statistics.meanQueueDelay == .microseconds(5_500))
    }

    @Test("At twice the rate, half of it gets through, behind a full queue")
    func overload() {
        let conditions = Self.bottleneck(queue: 20_000)
        let (arrivals, statistics) = self.travel(conditions, seed: 9, count: 4_000, every: .microseconds(500))
        // Two seconds' worth, and what the queue held at the end.
        #expect((2_000...2_020).contains(arrivals.count))
        #expect((.milliseconds(18)...(.milliseconds(20))).contains(statistics.longestQueueDelay))
    }

    @Test("The share of a flow in a shared bottleneck is its share of what was offered")
    func sharedBottleneck() {
        var path = NetworkPath<Int>(Self.bottleneck(queue: 50_000), random: SeededGenerator(seed: 10))
        var random = SeededGenerator(seed: 11)
        var received = [0, 0]
        // Flow 1 sends three times as much as flow 0, together twice the rate.
        for step in 0..<20_000 {
            let now = Duration.microseconds(step * 500)
            path.handle(Int.random(in: 0..<4, using: &random) == 0 ? 0 : 1, size: 972, at: now)
            while let flow = path.nextOutput(at: now) { received[flow] += 1 }
        }
        let share = Double(received[0]) / Double(received[0] + received[1])
        #expect((0.22...0.28).contains(share), "\(share)")
    }

    @Test("When the rate changes, what waits leaves at the new one")
    func changedRate() {
        var bottleneck = Bottleneck(.init(rate: 8_000_000, queue: 100_000))
        for _ in 0..<10 { _ = bottleneck.handle(size: 972, at: .zero) }
        #expect(bottleneck.backlog(at: .zero) == 10_000)
        bottleneck.conditions.rate = 4_000_000
        #expect(bottleneck.backlog(at: .zero) == 10_000)
        #expect(bottleneck.handle(size: 972, at: .zero) == .milliseconds(22))
    }

    @Test("A queue in bandwidth-delay products")
    func products() {
        let conditions = Bottleneck.Conditions(rate: 20_000_000, roundTrip: .milliseconds(50), products: 0.5)
        #expect(conditions.queue == 62_500)
    }
}

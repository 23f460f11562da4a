import NIOCore
import TestSupport
import Testing

@testable import SocketIO

extension SocketIOTests {
    @Suite("Deadline wheel")
    struct DeadlineWheelTests {
        private func time(_ milliseconds: Int) -> NIODeadline {
            .uptimeNanoseconds(UInt64(milliseconds) * 1_000_000)
        }

        private func due(_ wheel: inout DeadlineWheel<Int>, at now: NIODeadline) -> [Int] {
            wheel.advance(to: now)
            var subjects: [Int] = []
            while let subject = wheel.popDue() { subjects.append(subject) }
            return subjects.sorted()
        }

        @Test("Deadlines of one tick come together, and never early")
        func ticks() {
            var wheel = DeadlineWheel<Int>(tick: .milliseconds(50), at: time(1_000))
            _ = wheel.set(time(1_110), 1)
            _ = wheel.set(time(1_140), 2)
            _ = wheel.set(time(1_151), 3)
            #expect(wheel.deadline == time(1_150))
            #expect(due(&wheel, at: time(1_149)) == [])
            #expect(due(&wheel, at: time(1_150)) == [1, 2])
            #expect(wheel.deadline == time(1_200))
            #expect(due(&wheel, at: time(9_000)) == [3])
            #expect(wheel.deadline == nil)
        }

        @Test("A deadline that has passed comes with the next tick")
        func past() {
            var wheel = DeadlineWheel<Int>(tick: .milliseconds(50), at: time(1_000))
            _ = wheel.set(time(10), 1)
            #expect(wheel.deadline == time(1_050))
            #expect(due(&wheel, at: time(1_050)) == [1])
        }

        @Test("A cancelled deadline never comes, even if it is due")
        func cancelled() {
            var wheel = DeadlineWheel<Int>(tick: .milliseconds(50), at: time(0))
            let first = wheel.set(time(100), 1)
            let second = wheel.set(time(100), 2)
            wheel.cancel(first)
            wheel.advance(to: time(100))
            wheel.cancel(second)
            #expect(wheel.popDue() == nil)
            #expect(wheel.count == 0)
        }

        @Test("In random use it behaves as the plainest implementation there is: a list that is searched")
        func model() {
            let seed: UInt64 = 0x5EED_0042
            var random = SeededGenerator(seed: seed)
            var now = 5_000
            var wheel = DeadlineWheel<Int>(tick: .milliseconds(50), at: time(now))
            var expected: [Int: (token: Int32, tick: Int)] = [:]
            for step in 0..<6_000 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5:
                    // Up to two minutes: more than twice a round of the wheel.
                    let deadline = now + Int.random(in: -100...120_000, using: &random)
                    let token = wheel.set(time(max(0, deadline)), step)
                    expected[step] = (token, max((deadline + 49) / 50, now / 50 + 1))
                case 5..<8:
                    // Sorted, since the order of a dictionary does not follow from the seed.
                    guard let subject = expected.keys.sorted().randomElement(using: &random),
                        let entry = expected.removeValue(forKey: subject)
                    else { continue }
                    wheel.cancel(entry.token)
                default:
                    now += Int.random(in: 0...(step % 100 == 0 ? 200_000 : 300), using: &random)
                    let come = expected.filter { $0.value.tick <= now / 50 }.keys.sorted()
                    let got = due(&wheel, at: time(now))
                    if got != come { Issue.record("seed \(seed) step \(step): \(got) instead of \(come)") }
                    for subject in come { expected[subject] = nil }
                }
                #expect(wheel.count == expected.count)
            }
        }
    }
}

import Testing

@testable import PeerTreeCore

@Suite("The rhythm of a stream, and asking the standby by it", .timeLimit(.minutes(5)))
struct RhythmTests {
    private func rhythm(every interval: TimeSpan, bursts: Int = 100, chunks: Int = 1) -> (Rhythm, Instant) {
        var rhythm = Rhythm()
        var now = Instant(nanoseconds: 1_000_000_000)
        for _ in 0..<bursts {
            now = now + interval
            for chunk in 0..<chunks { rhythm.note(at: now + .milliseconds(UInt64(chunk))) }
        }
        return (rhythm, now)
    }

    @Test("At 30 pictures a second silence is remarkable after about 150 ms, however many chunks a picture has")
    func pictures() {
        for chunks in [1, 5] {
            let (rhythm, _) = rhythm(every: .milliseconds(33), chunks: chunks)
            let patience = rhythm.patience(roundTrip: .milliseconds(15))
            #expect(patience >= .milliseconds(130) && patience <= .milliseconds(160), "\(patience)")
        }
    }

    @Test("A stream without pauses has the least patience, one message a second has seconds")
    func extremes() {
        #expect(rhythm(every: .milliseconds(1)).0.patience(roundTrip: nil) == .milliseconds(100))
        #expect(rhythm(every: .seconds(1)).0.patience(roundTrip: nil) >= .seconds(4))
        #expect(Rhythm().patience(roundTrip: .seconds(1)) == .milliseconds(100))
    }

    @Test("The first question waits for the patience; while the standby helps there is one an interval")
    func helped() {
        var pull = Pull()
        let start = Instant(nanoseconds: 1_000_000_000)
        pull.fed(at: start)
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(150))
        pull.ask(SequenceRange(start: 10, end: 20), interval: .milliseconds(33), at: start + .milliseconds(150))
        #expect(pull.expects(10) && pull.expects(19) && !pull.expects(20) && !pull.expects(9))
        pull.helped(interval: .milliseconds(33), at: start + .milliseconds(160))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(193))
        pull.fed(at: start + .milliseconds(170))
        #expect(!pull.expects(10))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(320))
    }

    @Test("Each question in vain doubles the wait, up to a second")
    func inVain() {
        var pull = Pull()
        var now = Instant(nanoseconds: 1_000_000_000)
        pull.fed(at: now)
        var waits: [TimeSpan] = []
        for _ in 0..<8 {
            now = pull.due(patience: .milliseconds(150))
            pull.ask(SequenceRange(start: 10, end: 20), interval: .milliseconds(40), at: now)
            waits.append(pull.due(patience: .milliseconds(150)) - now)
        }
        #expect(waits == [40, 80, 160, 320, 640, 1_000, 1_000, 1_000].map { .milliseconds($0) })
        pull.helped(interval: .milliseconds(40), at: now)
        #expect(pull.due(patience: .milliseconds(150)) - now == .milliseconds(40))
    }

    @Test("A parent that asks its own standby is waited for once until something new comes")
    func holdOff() {
        var pull = Pull()
        let start = Instant(nanoseconds: 1_000_000_000)
        pull.fed(at: start)
        pull.holdOff(at: start + .milliseconds(140))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(440))
        pull.holdOff(at: start + .milliseconds(400))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(440))
        pull.fed(at: start + .milliseconds(450))
        pull.holdOff(at: start + .milliseconds(590))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(890))
    }

    @Test("A parent that sends pulses is waited for longer, but not for long, however slow the stream is")
    func pulses() {
        var pull = Pull()
        let start = Instant(nanoseconds: 1_000_000_000)
        pull.fed(at: start)
        #expect(pull.due(patience: .seconds(20)) == start + .milliseconds(1_250))
        pull.heard(at: start + .milliseconds(500))
        #expect(pull.due(patience: .seconds(20)) == start + .milliseconds(1_750))
        #expect(pull.due(patience: .milliseconds(150)) == start + .milliseconds(150))
        pull.heard(at: start + .milliseconds(2_900))
        #expect(pull.due(patience: .seconds(20)) == start + .seconds(3))
    }

    /// What a parent is found to be that forwards `forwarded` chunks of each ten which the standby hands over, thirty a
    /// second.
    private func starves(forwarded: Int) -> Bool {
        var starvation = Starvation()
        var now = Instant(nanoseconds: 1_000_000_000)
        for number in 0..<120 {
            now = now + .milliseconds(33)
            if starvation.handed(at: now, limit: .seconds(1)) { return true }
            if number % 10 < forwarded { starvation.forwarded() }
        }
        return false
    }

    @Test("A parent starves its child that for a second forwards less than a third of what others hand over")
    func starvation() {
        #expect([0, 1, 2].allSatisfy { starves(forwarded: $0) })
        #expect([4, 7, 10].allSatisfy { !starves(forwarded: $0) })
    }

    @Test("A parent that is late is forgiven once it has sent as many chunks as the others")
    func late() {
        var starvation = Starvation()
        let start = Instant(nanoseconds: 1_000_000_000)
        for number in 0..<20 { _ = starvation.handed(at: start + .milliseconds(UInt64(number)), limit: .seconds(1)) }
        for _ in 0..<20 { starvation.forwarded() }
        let verdicts = [5_000, 6_001].map { starvation.handed(at: start + .milliseconds($0), limit: .seconds(1)) }
        #expect(verdicts == [false, true])
    }
}

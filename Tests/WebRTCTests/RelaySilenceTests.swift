import NIOCore
import Testing

@testable import WebRTC

/// What the macros of the tests can call.
private final class Watch {
    private var silence = RelaySilence(patience: .milliseconds(500))
    var deadline: NIODeadline? { self.silence.deadline }
    func sent(at now: NIODeadline) -> Bool { self.silence.sent(at: now) }
    func heard(at now: NIODeadline) -> Bool { self.silence.heard(at: now) }
    func mustAsk(at now: NIODeadline) -> Bool { self.silence.mustAsk(at: now) }
}

@Suite("The silence of a relay", .timeLimit(.minutes(5)))
struct RelaySilenceTests {
    private let silence = Watch()
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("What is sent and followed by nothing raises one question, and the next after twice the time")
    func unanswered() {
        var now = self.start
        for wait in [500, 1_000, 2_000] {
            #expect(self.silence.sent(at: now))
            #expect(!self.silence.sent(at: now + .milliseconds(10)))
            #expect(!self.silence.mustAsk(at: now + .milliseconds(Int64(wait) - 1)))
            now = now + .milliseconds(Int64(wait))
            #expect(self.silence.deadline == now)
            #expect(self.silence.mustAsk(at: now))
            #expect(!self.silence.mustAsk(at: now + .seconds(60)), "only what is sent anew raises another")
        }
    }

    @Test("An answer ends it, and the next silence is noticed as fast as the first")
    func answered() {
        _ = self.silence.sent(at: self.start)
        #expect(self.silence.mustAsk(at: self.start + .milliseconds(500)))
        #expect(!self.silence.heard(at: self.start + .milliseconds(600)))
        #expect(self.silence.deadline == nil)
        #expect(self.silence.sent(at: self.start + .seconds(1)))
        #expect(self.silence.deadline == self.start + .milliseconds(1_500))
    }

    @Test("A flow that stops raises a question, a few datagrams do not")
    func flow() {
        for number in 0..<15 { #expect(!self.silence.heard(at: self.start + .milliseconds(Int64(number)))) }
        for number in 15..<100 { #expect(self.silence.heard(at: self.start + .milliseconds(Int64(number)))) }
        #expect(self.silence.deadline == self.start + .milliseconds(599))
        #expect(self.silence.mustAsk(at: self.start + .milliseconds(599)))
        #expect(self.silence.deadline == nil)
    }
}

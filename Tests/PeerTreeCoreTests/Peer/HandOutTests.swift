import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("How much of a live stream is handed to a link", .timeLimit(.minutes(5)))
struct HandOutTests {
    /// A queue that drains at a rate, kept as full as the limit allows; the host speaks whenever it is half empty.
    private func limit(draining rate: Double, roundTrip: TimeSpan? = nil, for span: TimeSpan = .seconds(5)) -> Int {
        let configuration = PeerConfiguration()
        var now = Instant(nanoseconds: 1_000_000_000)
        var handOut = HandOut(at: now)
        if let roundTrip { handOut.measured(roundTrip: roundTrip) }
        let end = now + span
        var queued = 0
        while now < end {
            let limit = handOut.limit(configuration)
            let fresh = max(0, limit - queued)
            handOut.hand(fresh)
            handOut.note(isHeldBack: true)
            let drained = max(1, max(queued, limit) / 2)
            // Nothing leaves in less than a round trip: some transports keep what is not acknowledged in the queue.
            let time = max(Double(drained) / rate, Double(roundTrip?.nanoseconds ?? 0) / 2e9)
            now = now + TimeSpan(nanoseconds: UInt64(time * 1e9))
            queued = max(queued, limit) - drained
            handOut.report(queued, at: now)
        }
        return handOut.limit(configuration)
    }

    @Test("A link that lags is handed a fifth of a second's worth, a fast one as much as before")
    func followsTheRate() {
        #expect((95_000...105_000).contains(limit(draining: 500_000)))
        #expect((380_000...420_000).contains(limit(draining: 2_000_000)))
        #expect(limit(draining: 20_000_000) == PeerConfiguration().highWater)
        #expect(limit(draining: 10_000) == HandOut.least)
    }

    @Test("A long round trip does not throttle a link whose transport keeps in the queue what is on its way")
    func longRoundTrip() {
        #expect(limit(draining: 10_000_000, roundTrip: .milliseconds(250)) == PeerConfiguration().highWater)
    }

    @Test("A queue that ran dry says nothing against the link")
    func idle() {
        let configuration = PeerConfiguration()
        var now = Instant(nanoseconds: 1_000_000_000)
        var handOut = HandOut(at: now)
        for _ in 0..<100 {
            handOut.hand(1_000)
            handOut.note(isHeldBack: false)
            now = now + .milliseconds(40)
            handOut.report(0, at: now)
        }
        #expect(handOut.rate == nil)
        #expect(handOut.limit(configuration) == HandOut.first)
    }

    @Test("A link that becomes faster is found out within a second")
    func recovers() {
        let configuration = PeerConfiguration()
        var now = Instant(nanoseconds: 1_000_000_000)
        var handOut = HandOut(at: now)
        func run(_ rate: Double, _ span: TimeSpan) {
            let end = now + span
            while now < end {
                let limit = handOut.limit(configuration)
                handOut.hand(limit / 2)
                handOut.note(isHeldBack: true)
                now = now + TimeSpan(nanoseconds: UInt64(Double(limit / 2) / rate * 1e9))
                handOut.report(limit / 2, at: now)
            }
        }
        run(100_000, .seconds(5))
        #expect(handOut.limit(configuration) == HandOut.least)
        run(10_000_000, .seconds(1))
        #expect(handOut.limit(configuration) == configuration.highWater)
    }
}

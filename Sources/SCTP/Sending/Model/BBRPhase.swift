import NIOCore

/// The states of draft-ietf-ccwg-bbr-06 section 5.3, with their gains (section 5.6.1) and when they end.
struct BBRPhase {
    enum State {
        /// Doubles what is sent with every round.
        case startup
        /// Lets the queue of that run empty.
        case drain
        /// Lets the queue of a probe run empty.
        case down
        /// Sends what the path takes.
        case cruise
        /// Fills the path before it is probed, so that losses tell of the probe.
        case refill
        /// Tries whether more gets through.
        case up
        /// Lets all queues run empty for a look at the path itself.
        case probeRoundTrip
    }

    private(set) var state = State.startup
    /// The round in which it began.
    private(set) var round = 0
    /// `BBR.full_bw_reached`.
    var isFull = false
    private var cycleAt = NIODeadline.uptimeNanoseconds(0)
    private var cycleRound = 0
    private var wait = TimeAmount.seconds(2)
    /// While the round trip is looked at: when, and in which round, the path had become empty.
    private var emptied: (at: NIODeadline, round: Int)?

    static let startupGain = 2.77
    static let roundTripGain = 0.5
    static let drainRounds = 3
    static let mostDoublings = 10
    private static let feedbackRounds = 2
    /// `BBR.ProbeRTTDuration`.
    private static let emptyFor = TimeAmount.milliseconds(200)
    /// No longer between two probes than a Reno would take for as much (section 5.3.3.5).
    private static let mostRounds = 63

    /// `BBR.pacing_gain`.
    var pacingGain: Double {
        switch self.state {
        case .startup: Self.startupGain
        case .drain: 0.5
        case .down: 0.75
        case .up: 1.25
        case .cruise, .refill, .probeRoundTrip: 1
        }
    }

    /// `BBR.cwnd_gain`.
    var windowGain: Double {
        switch self.state {
        case .up: 2.25
        case .probeRoundTrip: Self.roundTripGain
        case .startup, .drain, .refill: 2
        case .down, .cruise: 1.5
        }
    }

    mutating func enter(_ state: State, at now: NIODeadline, round: Int) {
        self.state = state
        self.round = round
        self.emptied = nil
        guard state == .down else { return }
        self.cycleAt = now
        self.cycleRound = round
        // Two to three seconds: flows that share a path should not probe it at once. What the last digits of the time are is
        // chance enough.
        let chance = (now.uptimeNanoseconds &* 0x9E37_79B9_7F4A_7C15) >> 54
        self.wait = .milliseconds(2_000 + Int64(chance * 1_000 / 1_024))
    }

    /// Whether what is lost now was sent when more was tried than the path is known to take.
    func isProbing(in round: Int) -> Bool {
        switch self.state {
        case .startup, .drain, .up: true
        case .down, .cruise: round - self.cycleRound <= Self.feedbackRounds
        case .refill, .probeRoundTrip: false
        }
    }

    func isTimeToProbe(at now: NIODeadline, round: Int, packets: Int) -> Bool {
        now - self.cycleAt > self.wait || round - self.cycleRound >= max(1, min(packets, Self.mostRounds))
    }

    /// Whether the path has been empty for long enough.
    mutating func isEmptied(_ isEmpty: Bool, at now: NIODeadline, round: Int) -> Bool {
        guard let emptied else {
            if isEmpty { self.emptied = (now, round) }
            return false
        }
        return now - emptied.at >= Self.emptyFor && round > emptied.round
    }
}

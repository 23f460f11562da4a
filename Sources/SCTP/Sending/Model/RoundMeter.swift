import NIOCore

/// Packet-timed round trips (draft-ietf-ccwg-bbr-06 section 5.5.1), and what each of them brought.
struct RoundMeter {
    /// What was sent and came of it from one acknowledgement to that of what was sent just after it.
    struct Round {
        var sent = 0
        var delivered = 0
        var lost = 0
        /// The mean of the round trips measured.
        var roundTrip: TimeAmount?
        var seconds = 0.0
        /// The owner did not have enough to send.
        var isLimited = false
        /// The most that was in flight.
        var inFlight = 0
        /// The fastest delivery, in bytes a second.
        var bandwidth = 0.0

        var lossRate: Double { Double(self.lost) / Double(max(1, self.lost + self.delivered)) }
        var sendRate: Double { Double(self.sent) / max(1e-6, self.seconds) }
        var deliveryRate: Double { Double(self.delivered) / max(1e-6, self.seconds) }
    }

    private(set) var count = 0
    /// The share that the path loses without a queue; at most 5 %.
    private(set) var harmlessLoss = 0.0
    /// The last that is over, and those before it.
    private(set) var last = Round()
    private(set) var previous = Round()
    private var beforePrevious = Round()
    private var current = Round()
    private var endsAt = 0
    private var startedAt: NIODeadline?
    private var (deliveredBefore, lostBefore) = (0, 0)
    private var (roundTrips, samples): (Int64, Int64) = (0, 0)

    mutating func sent(_ bytes: Int, inFlight: Int) {
        self.current.sent += bytes
        self.current.inFlight = max(self.current.inFlight, inFlight)
    }

    /// Takes an acknowledgement; true when a round is over with it.
    mutating func take(_ acknowledgement: Acknowledgement, bandwidth: Double?) -> Bool {
        guard let sample = acknowledgement.sample else { return false }
        if let roundTrip = acknowledgement.roundTrip {
            self.roundTrips += roundTrip.nanoseconds
            self.samples += 1
        }
        self.current.isLimited = self.current.isLimited || sample.isLimited
        self.current.bandwidth = max(self.current.bandwidth, bandwidth ?? 0)
        guard sample.deliveredBefore >= self.endsAt else { return false }
        self.current.delivered = acknowledgement.delivered - self.deliveredBefore
        self.current.lost = acknowledgement.lost - self.lostBefore
        self.current.roundTrip = self.samples == 0 ? nil : .nanoseconds(self.roundTrips / self.samples)
        self.current.seconds = self.startedAt.map { Double((acknowledgement.at - $0).nanoseconds) / 1e9 } ?? 0
        (self.beforePrevious, self.previous, self.last) = (self.previous, self.last, self.current)
        self.begin(acknowledgement)
        self.count += 1
        return true
    }

    private mutating func begin(_ acknowledgement: Acknowledgement) {
        self.current = Round()
        self.endsAt = acknowledgement.delivered
        (self.deliveredBefore, self.lostBefore) = (acknowledgement.delivered, acknowledgement.lost)
        self.startedAt = acknowledgement.at
        (self.roundTrips, self.samples) = (0, 0)
    }

    /// The round that is over lost to a queue, or without one.
    mutating func noteLoss(isHarmless: Bool) {
        let loss = isHarmless ? min(self.last.lossRate, Self.mostHarmlessLoss) : 0
        self.harmlessLoss += (loss - self.harmlessLoss) / 8
    }

    /// Losses of the round before now were none.
    mutating func forgive() {
        self.last.lost = 0
        self.current.lost = 0
    }

    /// Whether more was sent and no more of it arrived: what is sent in a round arrives in the next.
    var didNotGrow: Bool {
        let (sent, arrived) = (self.previous.sendRate, self.previous.deliveryRate)
        guard self.beforePrevious.sent > 0, arrived > 0 else { return false }
        let growth = sent / self.beforePrevious.sendRate - 1
        guard growth > Self.noticeableGrowth else { return false }
        return self.last.deliveryRate / arrived - 1 < growth / 2
    }

    private static let mostHarmlessLoss = 0.05
    /// Less than that is noise.
    private static let noticeableGrowth = 0.1
}

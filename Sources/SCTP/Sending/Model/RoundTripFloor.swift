import NIOCore

/// `BBR.min_rtt` (draft-ietf-ccwg-bbr-06 section 5.5.7) and when it has to be looked for (section 5.3.4).
struct RoundTripFloor {
    /// The least of the last ten seconds; nil before one has been measured.
    private(set) var minimum: TimeAmount?
    private var minimumAt = NIODeadline.uptimeNanoseconds(0)
    /// When a round trip without a queue was last seen, or looked for.
    private var seenAt = NIODeadline.uptimeNanoseconds(0)

    /// `BBR.MinRTTFilterLen`.
    private static let filterLength = TimeAmount.seconds(10)
    /// `BBR.ProbeRTTInterval`.
    private static let probeInterval = TimeAmount.seconds(5)
    /// What is longer than the minimum by less than this part of it saw no queue.
    private static let tolerance: Int64 = 32

    mutating func take(_ sample: TimeAmount, at now: NIODeadline) {
        guard let minimum else {
            self.minimum = sample
            (self.minimumAt, self.seenAt) = (now, now)
            return
        }
        if sample <= minimum + .nanoseconds(minimum.nanoseconds / Self.tolerance) {
            (self.minimumAt, self.seenAt) = (now, now)
        }
        if sample < minimum || now - self.minimumAt > Self.filterLength {
            self.minimum = sample
            self.minimumAt = now
        }
    }

    /// Whether the queue has hidden the path for so long that it should be let run empty.
    func isStale(at now: NIODeadline) -> Bool { now - self.seenAt > Self.probeInterval }

    /// The queue was let run empty, or nothing was sent.
    mutating func looked(at now: NIODeadline) {
        self.seenAt = now
    }
}

import NIOCore

/// Smoothed round trip and retransmission time-out (RFC 9260 section 6.3.1).
struct RoundTripEstimator {
    private(set) var smoothed: TimeAmount?
    private(set) var variation = TimeAmount.zero
    /// The least of the last ten to twenty seconds.
    var minimum: TimeAmount? {
        guard let older = self.olderMinimum else { return self.newerMinimum }
        return self.newerMinimum.map { min($0, older) } ?? older
    }
    private var olderMinimum: TimeAmount?
    private var newerMinimum: TimeAmount?
    private var epoch = NIODeadline.uptimeNanoseconds(0)
    private var backoff: Int64 = 1
    private let limits: ClosedRange<TimeAmount>
    private let initial: TimeAmount

    private static let epochLength = TimeAmount.seconds(10)
    private static let granularity = TimeAmount.milliseconds(1)

    init(_ configuration: AssociationConfiguration) {
        let least = max(Self.granularity, configuration.minimumTimeout)
        self.limits = least...max(least, configuration.maximumTimeout)
        self.initial = configuration.initialTimeout
    }

    /// RTO.
    var timeout: TimeAmount {
        var timeout = self.initial
        if let smoothed { timeout = smoothed + max(Self.granularity, self.variation * 4) }
        let clamped = min(max(timeout, self.limits.lowerBound), self.limits.upperBound)
        return min(clamped * self.backoff, self.limits.upperBound)
    }

    mutating func measured(_ sample: TimeAmount, at now: NIODeadline) {
        if let smoothed {
            let difference = abs(smoothed.nanoseconds - sample.nanoseconds)
            self.variation = .nanoseconds((self.variation.nanoseconds * 3 + difference) / 4)
            self.smoothed = .nanoseconds((smoothed.nanoseconds * 7 + sample.nanoseconds) / 8)
        } else {
            self.smoothed = sample
            self.variation = .nanoseconds(sample.nanoseconds / 2)
        }
        self.backoff = 1
        if now - self.epoch > Self.epochLength {
            self.epoch = now
            self.olderMinimum = self.newerMinimum
            self.newerMinimum = sample
        }
        self.newerMinimum = min(self.newerMinimum ?? sample, sample)
    }

    /// Rule E2 of section 6.3.3.
    mutating func backOff() {
        self.backoff = min(self.backoff * 2, 1 << 16)
    }

    /// Something new was acknowledged, though it was not fit for measuring (Karn's rule): the path works.
    mutating func progressed() {
        self.backoff = 1
    }
}

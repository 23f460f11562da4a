import NIOCore

/// How fast the other side acknowledges what it is sent: measured from one chunk to the acknowledgement of it, so once a round
/// trip.
struct DeliveryRate {
    private struct Probe {
        var tsn: Int
        var sentAt: NIODeadline
        /// What had been acknowledged by then.
        var delivered: Int
        /// There has been more to send all the time since.
        var isBusy: Bool
    }

    /// Payload in bytes a second; nil as long as the path was never what limits.
    private(set) var bytesPerSecond: Int?
    /// Payload that has arrived so far.
    private var delivered = 0
    private var probe: Probe?

    /// A chunk was sent for the first time.
    mutating func sent(_ tsn: Int, at now: NIODeadline) {
        guard self.probe == nil else { return }
        self.probe = Probe(tsn: tsn, sentAt: now, delivered: self.delivered, isBusy: true)
    }

    /// Nothing waits to be sent: what is measured now is what the owner has, not what the path takes.
    mutating func ranDry() {
        self.probe?.isBusy = false
    }

    /// So many bytes have arrived, and all up to `cumulative` has.
    mutating func acknowledged(_ bytes: Int, to cumulative: Int, at now: NIODeadline) {
        self.delivered += bytes
        guard let probe, cumulative >= probe.tsn else { return }
        self.probe = nil
        let elapsed = (now - probe.sentAt).nanoseconds
        guard elapsed > 0 else { return }
        self.take(Int(Double(self.delivered - probe.delivered) * 1e9 / Double(elapsed)), isBusy: probe.isBusy)
    }

    private mutating func take(_ sample: Int, isBusy: Bool) {
        // Without enough to send a sample is only a lower bound.
        switch (self.bytesPerSecond, isBusy) {
        case (nil, true): self.bytesPerSecond = sample
        case (nil, false): break
        case (let before?, true): self.bytesPerSecond = before + (sample - before) / 4
        case (let before?, false): self.bytesPerSecond = max(before, sample)
        }
    }
}

import NIOCore

/// `BBR.extra_acked`: by how much acknowledgements that come together exceed what the rate promises, so that the window does
/// not run out between them (draft-ietf-ccwg-bbr-06 section 5.5.9).
struct AcknowledgementBursts {
    private var since = NIODeadline.uptimeNanoseconds(0)
    private var bytes = 0
    private var (before, current) = (0, 0)
    private var round = 0

    /// `BBR.ExtraAckedFilterLen`, half of it: the last five to ten rounds.
    private static let filterLength = 5

    var maximum: Int { max(self.before, self.current) }

    mutating func take(_ bytes: Int, bandwidth: Double, window: Int, round: Int, at now: NIODeadline) {
        if round - self.round >= Self.filterLength {
            (self.before, self.current, self.round) = (self.current, 0, round)
        }
        let expected = bandwidth * Double((now - self.since).nanoseconds) / 1e9
        if Double(self.bytes) <= expected {
            (self.since, self.bytes) = (now, bytes)
            return
        }
        self.bytes += bytes
        let extra = min(Double(self.bytes) - expected, Double(window))
        self.current = max(self.current, Int(extra))
    }
}

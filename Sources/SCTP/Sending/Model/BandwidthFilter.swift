/// `BBR.max_bw`: the most that was delivered in a second, of this cycle of probing and the one before (draft-ietf-ccwg-bbr-06
/// sections 5.5.2 to 5.5.6).
struct BandwidthFilter {
    private var before = 0.0
    private var current = 0.0
    /// Whether this cycle has a sample that the path limited.
    private var isMeasured = false

    /// Bytes a second; 0 before anything was measured.
    var maximum: Double { max(self.before, self.current) }

    /// What an owner that has no more to send makes of the path is a lower bound (section 5.5.4).
    mutating func take(_ sample: Double, isLimited: Bool) {
        if isLimited, sample < self.maximum { return }
        self.isMeasured = self.isMeasured || !isLimited
        self.current = max(self.current, sample)
    }

    /// A cycle is over. One in which the path was never what limits says nothing: where the draft forgets what was before, this
    /// keeps it, so that a stream of pictures does not lose what it had learned from the last key frame.
    mutating func advance() {
        guard self.isMeasured else { return }
        self.before = self.current
        self.current = 0
        self.isMeasured = false
    }

    /// The path may be another one.
    mutating func forget() {
        self = BandwidthFilter()
    }
}

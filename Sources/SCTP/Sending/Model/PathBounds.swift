/// What losses of a queue have taught (draft-ietf-ccwg-bbr-06 section 5.5.10).
struct PathBounds {
    /// `BBR.inflight_longterm`: more than this in flight has made the queue overflow.
    private(set) var longTerm: Double?
    /// `BBR.inflight_shortterm` and `BBR.bw_shortterm`: until the next time that more is tried.
    private(set) var shortTerm: Double?
    private(set) var bandwidth: Double?

    /// `BBR.Beta`.
    static let decrease = 0.7
    /// 1 - `BBR.Headroom`.
    static let usable = 0.85

    /// A round that did not probe lost to a queue: less, but no less than what just got through.
    mutating func tighten(after round: RoundMeter.Round, window: Int, bandwidth: Double) {
        self.shortTerm = max(Double(round.delivered), Self.decrease * (self.shortTerm ?? Double(window)))
        self.bandwidth = max(round.bandwidth, Self.decrease * (self.bandwidth ?? bandwidth))
    }

    /// So much of the path's product is always allowed: more than it, since what is lost and not yet missed counts, too.
    private static let least = 1.15

    /// What was tried was too much (`BBRHandleInflightTooHigh`).
    mutating func overflowed(inFlight: Double, target: Double) {
        self.longTerm = max(inFlight, target * Self.least / Self.usable)
    }

    /// So much was in flight, and nothing spoke against it.
    mutating func carried(_ inFlight: Int) {
        if let longTerm, Double(inFlight) > longTerm { self.longTerm = Double(inFlight) }
    }

    /// More is tried: the bound moves out of the way, faster with every round.
    mutating func widen(by bytes: Double) {
        if let longTerm { self.longTerm = longTerm + bytes }
    }

    /// More is tried: what held for the time being no longer does.
    mutating func loosen() {
        (self.shortTerm, self.bandwidth) = (nil, nil)
    }
}

import NIOCore

/// Whether what a round lost was lost to a queue that overflowed. A radio link loses without one: a queue makes the round trip
/// longer before it drops, or, if it is too short for that, lets nothing more through.
enum CongestionJudge {
    /// `BBR.LossThresh`: what is lost beyond this is looked at (draft-ietf-ccwg-bbr-06 section 2.8).
    static let lossThreshold = 0.02
    /// Beyond this the reason does not matter.
    static let intolerableLoss = 0.1
    /// A round trip longer than the minimum by this factor has waited in a queue.
    static let queueFactor = 1.25
    /// Fewer lost packets in a round are no rate (`BBRStartupFullLossCnt` of section 5.3.1.3).
    private static let leastPackets = 6

    /// Whether a round trip tells of a queue.
    static func isQueued(_ roundTrip: TimeAmount?, _ minimum: TimeAmount?) -> Bool {
        guard let roundTrip, let minimum else { return false }
        return Double(roundTrip.nanoseconds) > Self.queueFactor * Double(minimum.nanoseconds)
    }

    /// Whether the path lost because too much was sent.
    ///
    /// - Parameter isProbing: more was sent than the path was known to take.
    static func isCongested(_ rounds: RoundMeter, minimum: TimeAmount?, isProbing: Bool, packetSize: Int) -> Bool {
        // Of two rounds, as chance alone makes one of fifty packets lose a tenth where half of that is usual.
        let lost = rounds.last.lost + rounds.previous.lost
        let all = lost + rounds.last.delivered + rounds.previous.delivered
        if Double(lost) > Self.intolerableLoss * Double(all), lost >= Self.leastPackets * packetSize { return true }
        guard rounds.last.lossRate > Self.lossThreshold else { return false }
        return Self.isQueued(rounds.last.roundTrip, minimum) || (isProbing && rounds.didNotGrow)
    }
}

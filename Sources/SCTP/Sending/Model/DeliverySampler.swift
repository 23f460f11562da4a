public import NIOCore

/// What was known when a chunk was sent: its acknowledgement makes a sample of the delivery rate of it.
struct DeliveryStamp {
    /// Bytes acknowledged by then (`P.delivered`).
    var delivered: Int
    /// When the last of them was (`P.delivered_time`).
    var deliveredAt: NIODeadline
    /// When the chunk was sent that was acknowledged last (`P.first_send_time`).
    var firstSentAt: NIODeadline
    /// The window was not what limited (`P.is_app_limited`).
    var isLimited: Bool
}

/// How fast the path delivers, with each acknowledgement (draft-ietf-ccwg-bbr-06 section 4.1).
struct DeliverySampler {
    /// Bytes acknowledged so far.
    private(set) var delivered = 0
    /// Bytes taken for lost so far.
    private(set) var lost = 0
    private var deliveredAt = NIODeadline.uptimeNanoseconds(0)
    private var firstSentAt = NIODeadline.uptimeNanoseconds(0)
    /// What was sent before so much is delivered was sent by an owner that had no more (`C.app_limited`).
    private var limitedUntil = 0
    /// Of what an acknowledgement names, what was sent last.
    private var newest: (stamp: DeliveryStamp, sentAt: NIODeadline, order: Int)?

    /// What goes with a chunk that is sent now.
    mutating func stamp(inFlight: Int, at now: NIODeadline) -> DeliveryStamp {
        if inFlight == 0 { (self.deliveredAt, self.firstSentAt) = (now, now) }
        return DeliveryStamp(
            delivered: self.delivered,
            deliveredAt: self.deliveredAt,
            firstSentAt: self.firstSentAt,
            isLimited: self.limitedUntil > 0
        )
    }

    /// Something else than the congestion window and the pacing limits what is sent.
    mutating func ranDry(inFlight: Int) {
        self.limitedUntil = max(1, self.delivered + inFlight)
    }

    mutating func lost(_ bytes: Int) {
        self.lost += bytes
    }

    mutating func arrived(_ chunk: OutstandingChunk, at now: NIODeadline) {
        self.delivered += Int(chunk.length)
        self.deliveredAt = now
        if let newest, newest.order >= chunk.order { return }
        self.newest = (chunk.stamp, chunk.sentAt, chunk.order)
    }

    /// What the chunks say that have arrived since this was last asked.
    mutating func sample(at now: NIODeadline) -> DeliverySample? {
        if self.delivered > self.limitedUntil { self.limitedUntil = 0 }
        guard let newest = self.newest else { return nil }
        self.newest = nil
        self.firstSentAt = newest.sentAt
        // The longer of both: acknowledgements that come together would make the path look faster than it is.
        let interval = max(newest.sentAt - newest.stamp.firstSentAt, now - newest.stamp.deliveredAt)
        return DeliverySample(
            deliveredBefore: newest.stamp.delivered,
            delivered: self.delivered - newest.stamp.delivered,
            interval: interval,
            isLimited: newest.stamp.isLimited
        )
    }
}

/// What was delivered while a chunk was under way.
public struct DeliverySample: Sendable {
    /// Bytes that had been delivered when it was sent.
    public var deliveredBefore: Int
    /// Bytes delivered since.
    public var delivered: Int
    /// In so long.
    public var interval: TimeAmount
    /// What was measured is what the owner had to send, or the other side room for: a lower bound.
    public var isLimited: Bool

    /// Bytes a second; nil where the time is too short to tell.
    func rate(least: TimeAmount) -> Double? {
        guard self.interval >= least, self.interval > .zero else { return nil }
        return Double(self.delivered) * 1e9 / Double(self.interval.nanoseconds)
    }
}

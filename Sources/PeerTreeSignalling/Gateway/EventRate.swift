import PeerTreeCore

/// A token bucket: how many more events a client may send just now.
struct EventRate {
    private var tokens: Double
    private var filledAt: Instant
    private var complainedAt: Instant?

    init(burst: Int, at now: Instant) {
        tokens = Double(burst)
        filledAt = now
    }

    /// Takes a token; false if there is none.
    mutating func take(perSecond: Int, burst: Int, at now: Instant) -> Bool {
        let seconds = Double((now - filledAt).nanoseconds) / 1e9
        filledAt = max(filledAt, now)
        tokens = min(Double(burst), tokens + seconds * Double(perSecond))
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether no token has been taken that has not come back.
    func isFull(perSecond: Int, burst: Int, at now: Instant) -> Bool {
        tokens + Double((now - filledAt).nanoseconds) / 1e9 * Double(perSecond) >= Double(burst)
    }

    /// Whether to tell the client that it is too fast: once a second, since the answers must not become a flood.
    mutating func mayComplain(at now: Instant) -> Bool {
        if let last = complainedAt, now - last < .seconds(1) { return false }
        complainedAt = now
        return true
    }
}

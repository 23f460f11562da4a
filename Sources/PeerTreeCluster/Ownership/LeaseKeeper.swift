import PeerTreeCore

/// A lease at etcd, and for how long it is certainly not over: from the sending of the last request that etcd acknowledged,
/// by this node's own clock.
struct LeaseKeeper: Sendable {
    enum Call: Hashable, Sendable {
        case grant(sentAt: Instant)
        case keepAlive(lease: Int64, sentAt: Instant)
    }

    /// What an answer has changed.
    enum Change { case granted, lost }

    let seconds: Int64
    private(set) var lease: Int64?
    private var certainUntil = Instant.zero
    private var nextCall: Instant
    private var isWaiting = false

    /// - Parameter seconds: How long the lease lives without being kept alive. etcd grants no less than 2.
    init(seconds: Int64, at now: Instant) {
        self.seconds = max(2, seconds)
        nextCall = now
    }

    private var span: TimeSpan { .seconds(UInt64(seconds)) }

    /// Whether the lease is certainly not over.
    func isCertain(at now: Instant) -> Bool { lease != nil && now < certainUntil }

    /// When something is to be done or to be known.
    func deadline(at now: Instant) -> Instant? {
        let end = isCertain(at: now) ? certainUntil : nil
        return [isWaiting ? nil : nextCall, end].compactMap { $0 }.min()
    }

    /// What is to be sent now.
    mutating func nextCall(at now: Instant) -> (Call, EtcdRequest)? {
        guard !isWaiting, nextCall <= now else { return nil }
        isWaiting = true
        nextCall = now + TimeSpan(nanoseconds: span.nanoseconds / 3)
        guard let lease else { return (.grant(sentAt: now), .grantLease(seconds: seconds)) }
        return (.keepAlive(lease: lease, sentAt: now), .keepAlive(lease: lease))
    }

    /// etcd's answer to a call, or what became of it.
    mutating func answered(_ call: Call, _ result: Result<EtcdAnswer, EtcdError>, at now: Instant) -> Change? {
        isWaiting = false
        switch (call, result) {
        case (.grant(let sentAt), .success(.granted(let lease, let granted))):
            self.lease = lease
            certainUntil = sentAt + min(span, .seconds(UInt64(granted)))
            return .granted
        case (.keepAlive(let lease, let sentAt), .success(.keptAlive(let left))) where left > 0 && lease == self.lease:
            certainUntil = max(certainUntil, sentAt + min(span, .seconds(UInt64(left))))
            return nil
        case (.keepAlive(let lease, _), .success(.keptAlive)): return lost(lease, at: now)
        case (.keepAlive(let lease, _), .failure(let error)) where error.code == .refused(status: 5):
            return lost(lease, at: now)
        default:
            nextCall = now + .milliseconds(250)
            return nil
        }
    }

    /// etcd has said that there is no such lease.
    mutating func lost(_ lease: Int64, at now: Instant) -> Change? {
        guard lease == self.lease else { return nil }
        self.lease = nil
        nextCall = now
        return .lost
    }
}

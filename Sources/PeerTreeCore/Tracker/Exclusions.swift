/// A peer in one stripe.
struct ExclusionKey: Hashable {
    let peer: Int32
    let stripe: UInt8

    init(peer: Int32, stripe: Int) {
        self.peer = peer
        self.stripe = UInt8(truncatingIfNeeded: stripe)
    }
}

/// The parents that failed a peer most recently, and how often it said so.
struct Exclusions {
    /// How many are remembered: enough to get past a few bad neighbours, few enough not to starve in a small tree.
    static let maximumCount = 4

    private(set) var peers: [PeerHandle] = []
    /// When this peer complained of late, oldest first.
    private var complaints: [Instant] = []

    /// Notes that the peer complains, and returns whether to believe it.
    mutating func complain(at now: Instant, window: TimeSpan, limit: Int) -> Bool {
        complaints.removeAll { now - $0 > window }
        guard complaints.count < limit else { return false }
        complaints.append(now)
        return true
    }

    mutating func insert(_ peer: PeerHandle) {
        peers.removeAll { $0 == peer }
        if peers.count == Self.maximumCount { peers.removeFirst() }
        peers.append(peer)
    }
}

/// What speaks against a peer: the distinct children that complained about it, each with the time of its latest
/// complaint, and the children it lost.
struct Complaints {
    private(set) var entries: [(child: PeerHandle, at: Instant)] = []
    /// When the peer itself lost the links to living children, oldest first.
    private var lostChildren: [Instant] = []

    /// Notes that the peer lost a child, and returns whether that was one too many.
    mutating func loseChild(at now: Instant, window: TimeSpan, limit: Int) -> Bool {
        lostChildren.removeAll { now - $0 > window }
        lostChildren.append(now)
        return lostChildren.count > limit
    }

    /// Notes a complaint and returns how many distinct children complained within `window`. Older entries are
    /// forgotten, and no more than `limit` are kept.
    mutating func insert(_ child: PeerHandle, at now: Instant, window: TimeSpan, limit: Int) -> Int {
        entries.removeAll { $0.child == child || now - $0.at > window }
        if entries.count >= max(limit, 1) { entries.removeFirst() }
        entries.append((child, now))
        return entries.count
    }
}

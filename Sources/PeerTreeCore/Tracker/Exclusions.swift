/// A peer in one stripe.
struct ExclusionKey: Hashable {
    let peer: Int32
    let stripe: UInt8

    init(peer: Int32, stripe: Int) {
        self.peer = peer
        self.stripe = UInt8(truncatingIfNeeded: stripe)
    }
}

/// The parents that failed a peer most recently.
struct Exclusions {
    /// How many are remembered: enough to get past a few bad neighbours, few enough not to starve in a small tree.
    static let maximumCount = 4

    private(set) var peers: [PeerHandle] = []

    mutating func insert(_ peer: PeerHandle) {
        peers.removeAll { $0 == peer }
        if peers.count == Self.maximumCount { peers.removeFirst() }
        peers.append(peer)
    }
}

/// The distinct children that complained about a peer, each with the time of its latest complaint.
struct Complaints {
    private(set) var entries: [(child: PeerHandle, at: Instant)] = []

    /// Notes a complaint and returns how many distinct children complained within `window`. Older entries are
    /// forgotten, and no more than `limit` are kept.
    mutating func insert(_ child: PeerHandle, at now: Instant, window: TimeSpan, limit: Int) -> Int {
        entries.removeAll { $0.child == child || now - $0.at > window }
        if entries.count >= max(limit, 1) { entries.removeFirst() }
        entries.append((child, now))
        return entries.count
    }
}

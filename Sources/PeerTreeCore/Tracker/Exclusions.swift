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

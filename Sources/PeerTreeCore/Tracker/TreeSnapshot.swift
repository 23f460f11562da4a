/// A tree as one tracker has it, for another one that goes on with it where the first has stopped.
///
/// What peers were told holds, so nobody is told anything. Of what speaks against a peer only that is kept for which it is a
/// leaf just now; timers begin anew.
public struct TreeSnapshot: Equatable, Sendable {
    /// Over how many stripes the stream is dealt.
    public var layout: StripeLayout
    /// In the order in which they came, the source first. Peers name each other by their places in this list.
    public var peers: [Peer]

    /// A tree of these peers.
    public init(layout: StripeLayout, peers: [Peer]) {
        self.layout = layout
        self.peers = peers
    }

    /// A peer of it.
    public struct Peer: Equatable, Sendable {
        /// Whether it speaks our protocol.
        public var isNative: Bool
        /// As in ``Tracker/join(_:isNative:capacity:isLeaf:origin:at:)``.
        public var origin: UInt64?
        /// For how long it has been in the tree.
        public var age: TimeSpan
        /// Whether its signalling socket is there.
        public var signalling: Signalling
        /// Who stands by for it.
        public var standby: Int?
        /// Set while it is a leaf because of the votes against it.
        public var eviction: Eviction?
        /// One for each stripe.
        public var places: [Place]

        /// Such a peer.
        public init(
            isNative: Bool,
            origin: UInt64?,
            age: TimeSpan,
            signalling: Signalling,
            standby: Int?,
            eviction: Eviction?,
            places: [Place]
        ) {
            self.isNative = isNative
            self.origin = origin
            self.age = age
            self.signalling = signalling
            self.standby = standby
            self.eviction = eviction
            self.places = places
        }
    }

    /// What is known of a peer's signalling socket.
    public enum Signalling: Equatable, Sendable {
        /// It is there.
        case connected
        /// Nobody can tell whether it is there.
        case unreachable
        /// It is gone, and may come back.
        case lost
    }

    /// What a peer offered before it was made a leaf, and for how many times ``TrackerOptions/evictionTime`` it is one.
    public struct Eviction: Equatable, Sendable {
        /// In which it took children.
        public var stripe: Int
        /// How many.
        public var capacity: UInt16
        /// At least 1, and at most 1,024.
        public var rounds: Int

        /// A time as a leaf.
        public init(stripe: Int, capacity: UInt16, rounds: Int) {
            self.stripe = stripe
            self.capacity = capacity
            self.rounds = rounds
        }
    }

    /// A peer's place in a stripe.
    public struct Place: Equatable, Sendable {
        /// Children that it takes.
        public var capacity: UInt16
        /// nil for the source, and for a peer that waits for a slot.
        public var parent: Int?
        /// The parent that feeds the peer until it has attached to ``parent``, and keeps its slot as long.
        public var holder: Int?
        /// Of the newest assignment.
        public var epoch: UInt32
        /// Whether the link to the parent was reported open.
        public var isAttached: Bool
        /// Whether it is one of the moves in flight.
        public var isMoving: Bool

        /// Such a place.
        public init(
            capacity: UInt16,
            parent: Int? = nil,
            holder: Int? = nil,
            epoch: UInt32 = 0,
            isAttached: Bool = false,
            isMoving: Bool = false
        ) {
            self.capacity = capacity
            self.parent = parent
            self.holder = holder
            self.epoch = epoch
            self.isAttached = isAttached
            self.isMoving = isMoving
        }
    }
}

// MARK: Whether there can be such a tree

extension TreeSnapshot {
    /// Whether nothing in it contradicts the rest: whoever made it may be another program.
    func isSound(_ options: TrackerOptions) -> Bool {
        guard !peers.isEmpty, peers.count <= Int(Int32.max), peers.allSatisfy({ $0.places.count == layout.stripes })
        else { return false }
        let most = max(options.childrenOfSource, options.capacityBounds.upperBound) * layout.data
        return peers.indices.allSatisfy { isSound(peers[$0], at: $0, mostSlots: most) }
            && (0..<layout.stripes).allSatisfy { isForest($0) && hasRoom($0) }
    }

    private func isSound(_ peer: Peer, at index: Int, mostSlots: Int) -> Bool {
        func isAnother(_ other: Int?) -> Bool { other.map { peers.indices.contains($0) && $0 != index } ?? true }
        let isWhole = takesWhole(index)
        return isAnother(peer.standby) && (peer.standby == nil || layout.stripes == 1)
            && peer.places.allSatisfy { place in
                isAnother(place.parent) && isAnother(place.holder) && Int(place.capacity) <= mostSlots
                    && (index > 0 || place.parent == nil && place.holder == nil)
                    && (!isWhole || place.capacity == 0 && place.holder == nil)
            }
            && (!isWhole || peer.places.count { $0.parent != nil } <= 1 && peer.eviction == nil)
            && (peer.eviction.map { (0..<layout.stripes).contains($0.stripe) && 1...1_024 ~= $0.rounds } ?? true)
            && (peer.eviction.map { Int($0.capacity) <= mostSlots } ?? true)
    }

    /// Whether it gets the whole stream of several stripes from one parent.
    private func takesWhole(_ index: Int) -> Bool { layout.stripes > 1 && index > 0 && !peers[index].isNative }

    /// Whether nobody is below itself.
    private func isForest(_ stripe: Int) -> Bool {
        /// The walk in which each was first met; 0 for none.
        var walks = Array(repeating: 0, count: peers.count)
        for start in peers.indices {
            var current: Int? = start
            while let index = current, walks[index] == 0 {
                walks[index] = start + 1
                current = peers[index].places[stripe].parent
            }
            if let index = current, walks[index] == start + 1 { return false }
        }
        return true
    }

    /// Whether slots can be counted, and those who take none have no children.
    private func hasRoom(_ stripe: Int) -> Bool {
        var taken = Array(repeating: 0, count: peers.count)
        for (index, peer) in peers.enumerated() {
            let place = peer.places[stripe]
            if let parent = place.parent {
                guard !takesWhole(parent), !takesWhole(index) || mayFeedWhole(parent, stripe) else { return false }
                taken[parent] += takesWhole(index) ? layout.data : 1
            }
            if let holder = place.holder { taken[holder] += 1 }
        }
        return taken.allSatisfy { $0 <= Int(UInt16.max) }
    }

    /// Such viewers are below the source in the first stripe, below others in that in which these take children.
    private func mayFeedWhole(_ parent: Int, _ stripe: Int) -> Bool {
        parent == 0 ? stripe == 0 : peers[parent].places[stripe].capacity > 0
    }
}

/// What speaks against a peer, and what follows from it.
struct Blame {
    /// The members whose votes count against it, oldest first; fewer than it takes to make it a leaf.
    private(set) var votes: [Testimony] = []
    /// The members whose votes made it a leaf the last time.
    private(set) var witnesses: [PeerHandle] = []
    /// The members that could not connect to it.
    private var refusals: [Testimony] = []
    /// When it lost the links to living children, oldest first.
    private var lostChildren: [Instant] = []
    /// The moves it was excused for.
    private var excuses: [Excuse] = []
    /// Set while it is a leaf because of the votes.
    var eviction: Eviction?
    /// How often it was made a leaf, and when that was last over.
    private var evictions: (count: Int, endedAt: Instant) = (0, .zero)
    /// Runs while newcomers are kept away from it.
    var shunTimer = TimerQueue.none

    /// What one member said, and when.
    struct Testimony {
        let member: PeerHandle
        let at: Instant
    }

    /// A move after which a peer was not blamed.
    private struct Excuse {
        let stripe: Int
        let epoch: UInt32
        let at: Instant
    }

    /// A time as a leaf.
    struct Eviction {
        /// What the peer offered before.
        let stripe: Int
        let capacity: UInt16
        /// How many times `TrackerOptions/evictionTime` are left, the one that runs included.
        var rounds: Int
        var timer: Int32
    }

    /// Notes the vote of a member, and returns whether it is the last one needed.
    mutating func vote(_ member: PeerHandle, at now: Instant, _ options: TrackerOptions) -> Bool {
        votes.removeAll { now - $0.at >= options.voteWindow }
        votes.append(Testimony(member: member, at: now))
        guard votes.count >= options.votesToEvict else { return false }
        witnesses = votes.map { $0.member }
        votes = []
        return true
    }

    /// Notes that a member could not connect, and returns whether that is one too many.
    mutating func refuse(_ member: PeerHandle, at now: Instant, _ options: TrackerOptions) -> Bool {
        refusals.removeAll { $0.member == member || now - $0.at >= options.voteWindow }
        refusals.append(Testimony(member: member, at: now))
        guard refusals.count >= options.refusalsToShun else { return false }
        refusals = []
        return true
    }

    /// Notes that the peer lost a living child, and returns whether that is one too many.
    mutating func loseChild(at now: Instant, _ options: TrackerOptions) -> Bool {
        lostChildren.removeAll { now - $0 >= options.shunTime }
        lostChildren.append(now)
        guard lostChildren.count > options.childrenLostToShun else { return false }
        lostChildren = []
        return true
    }

    /// Whether the move to the assignment of `epoch` excuses the peer.
    mutating func excuse(stripe: Int, epoch: UInt32, at now: Instant, _ options: TrackerOptions) -> Bool {
        excuses.removeAll { now - $0.at >= options.voteWindow }
        if excuses.contains(where: { $0.stripe == stripe && $0.epoch == epoch }) { return true }
        guard excuses.count < options.excusesPerWindow else { return false }
        excuses.append(Excuse(stripe: stripe, epoch: epoch, at: now))
        return true
    }

    /// How many times ``TrackerOptions/evictionTime`` the peer is to be a leaf for, now that it was voted out again.
    mutating func sentence(at now: Instant, _ options: TrackerOptions) -> Int {
        if now - evictions.endedAt >= options.voteWindow { evictions.count = 0 }
        evictions.count += 1
        return 1 << min(evictions.count - 1, Self.maximumDoublings)
    }

    /// Notes that the time as a leaf is over.
    mutating func endEviction(at now: Instant) {
        eviction = nil
        evictions.endedAt = now
    }

    private static let maximumDoublings = 10
}

/// What a parent may send on a link.
struct Intake {
    /// The policy that the parent named; it binds this link. Nil until it has answered a subscription.
    var policy: StreamPolicy?
    /// Chunks of a lossless stream stay below this: the highest credit granted.
    private(set) var ceiling: UInt64 = 0
    /// One past the newest number that came as part of the feed, by stripe: a parent that feeds several sends them in any
    /// order.
    private var reached: [UInt64] = []
    /// How many more messages from before the start may come: a few for each key.
    private(set) var retainedAllowance = 0
    /// The last credit given.
    private(set) var granted: (limit: UInt64, frontier: UInt64, complete: Bool) = (0, 0, false)

    /// The parent answered a subscription.
    mutating func begin(
        _ policy: StreamPolicy,
        _ stripe: UInt8,
        at start: UInt64,
        window: UInt32,
        isAnew: Bool,
        _ configuration: PeerConfiguration
    ) {
        self.policy = policy
        retainedAllowance = 2 * configuration.maximumRetainedKeys
        ceiling = isAnew ? 0 : ceiling
        if isAnew { reached.removeAll() }
        reach(start, in: stripe)
        ceiling = max(ceiling, start.addingSaturating(UInt64(window)))
    }

    /// One past the newest number of a stripe that came as part of the feed.
    func reached(in stripe: UInt8) -> UInt64 {
        reached.indices.contains(Int(stripe)) ? reached[Int(stripe)] : 0
    }

    /// The feed of a stripe has got so far.
    mutating func reach(_ next: UInt64, in stripe: UInt8) {
        while reached.count <= Int(stripe) { reached.append(0) }
        reached[Int(stripe)] = max(reached[Int(stripe)], next)
    }

    mutating func takeRetained() {
        retainedAllowance -= 1
    }

    mutating func grant(_ limit: UInt64, frontier: UInt64, complete: Bool) {
        granted = (limit, frontier, complete)
        if policy == .lossless { ceiling = max(ceiling, limit) }
    }

    enum Judgement {
        case possible
        /// Possible only if what is missing before it is given up: there is no room for both.
        case overrunsHole
        case impossible
    }

    /// Whether an honest parent can have sent this number.
    ///
    /// - Parameters:
    ///   - frontier: everything below is here.
    ///   - room: how many numbers the replay buffer spans.
    func judge(_ sequence: UInt64, _ stripe: UInt8, frontier: UInt64, room: UInt64) -> Judgement {
        guard let policy else { return .impossible }
        if policy == .lossless { return sequence < ceiling ? .possible : .impossible }
        if sequence < frontier.addingSaturating(room) { return .possible }
        return sequence == reached(in: stripe) ? .overrunsHole : .impossible
    }
}

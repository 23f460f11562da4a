/// One neighbour, as this peer sees it.
struct Link {
    let id: LinkID
    let remote: RemoteID
    let role: NeighbourRole
    let mode: LinkMode

    /// When the last message came.
    var lastHeard: Instant
    /// When the last message was sent.
    var lastSent: Instant
    /// Bytes handed to the driver and not known to be sent.
    var buffered = 0
    var malformedFrames = 0

    /// The neighbour's newest heartbeat, to be echoed.
    var heartbeatToEcho: (timestamp: UInt64, at: Instant)?
    /// The last measured round-trip time.
    var roundTripTime: TimeSpan?

    /// What a child is being fed.
    var subscriptions: [Subscription] = []
    /// A child may be sent chunks below this number.
    var creditLimit: UInt64 = .max
    /// A child has everything below this number.
    var frontier: UInt64 = 0
    /// A child and everything below it have the whole stream.
    var isComplete = false
    /// What a neighbour wants to have again.
    var requested: [SequenceRange] = []
    /// When a child's cursor or frontier last moved.
    var lastProgress: Instant

    /// The last credit given to a parent.
    var granted: (limit: UInt64, frontier: UInt64, complete: Bool) = (0, 0, false)

    init(_ id: LinkID, _ remote: RemoteID, _ role: NeighbourRole, _ mode: LinkMode, at now: Instant) {
        self.id = id
        self.remote = remote
        self.role = role
        self.mode = mode
        lastHeard = now
        lastSent = now
        lastProgress = now
    }

    /// How far the slowest subscription lets the stream run ahead.
    var gate: UInt64 {
        subscriptions.reduce(.max) { min($0, $1.gate) }
    }
}

/// One stripe that a child is fed.
struct Subscription {
    let stripe: UInt8
    /// What the child asked for.
    let requestedStart: SubscriptionStart
    /// The stream that ``requestedStart`` refers to.
    let streamID: UInt64
    /// The child's window in chunks.
    let window: UInt32
    /// The next number to be sent; nil until this peer knows its own position.
    var cursor: UInt64?
    /// How far the stream may run ahead of ``cursor``: the window, and the lag that the child began with.
    var allowance: UInt64 = 0

    var gate: UInt64 {
        guard let cursor else { return .max }
        return cursor + allowance
    }
}

/// Where one stripe comes from.
struct Upstream {
    enum Phase: Equatable {
        /// No parent; an orphan asks again at this instant.
        case waiting(retry: Instant)
        /// A data channel is being opened.
        case connecting(deadline: Instant)
        /// The channel is open, the parent has not yet answered.
        case subscribing(LinkID, deadline: Instant)
        /// The parent feeds this stripe.
        case active(LinkID)
    }

    var remote: RemoteID?
    var epoch: UInt32 = 0
    var phase: Phase
    /// Make before break: the former parent, which goes on feeding until the new one does.
    var former: LinkID?

    /// The links that may send this stripe.
    func isFed(by link: LinkID) -> Bool {
        if former == link { return true }
        switch phase {
        case .active(let current), .subscribing(let current, _): return current == link
        case .waiting, .connecting: return false
        }
    }

    var link: LinkID? {
        switch phase {
        case .active(let link), .subscribing(let link, _): return link
        case .waiting, .connecting: return nil
        }
    }
}

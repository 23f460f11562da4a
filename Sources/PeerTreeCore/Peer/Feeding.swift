/// What a child is fed, and what it says that it has.
struct Feeding {
    /// Whether it was told of as a child.
    var isAnnounced = false
    /// What it is being fed.
    var subscriptions: [Subscription] = []
    /// It may be sent chunks below this number.
    var creditLimit: UInt64 = .max
    /// It has everything below this number.
    var frontier: UInt64 = 0
    /// It and everything below it have the whole stream.
    var isComplete = false
    /// What it owes if it holds a lossless stream back.
    var arrears: Arrears
    /// One past the newest chunk of each stripe that was fed here, by stripe.
    private var fedBelow: [UInt64] = []

    init(at now: Instant) {
        arrears = Arrears(at: now)
    }

    /// One past the newest chunk of a stripe that was fed here. What lies below came once: the link loses nothing.
    func fed(_ stripe: UInt8) -> UInt64 {
        Int(stripe) < fedBelow.count ? fedBelow[Int(stripe)] : 0
    }

    mutating func noteFed(_ stripe: UInt8, below end: UInt64) {
        while fedBelow.count <= Int(stripe) { fedBelow.append(0) }
        fedBelow[Int(stripe)] = max(fedBelow[Int(stripe)], end)
    }

    /// What was fed does not go on.
    mutating func forgetFed() {
        fedBelow.removeAll()
    }

    /// Whether a subscription begins anew where it has been.
    var isRepeating: Bool {
        subscriptions.contains { ($0.cursor ?? .max) < fed($0.stripe) }
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
    /// How many chunks the child takes before it gives credit.
    let window: UInt32
    /// The next number to be sent; nil until this peer knows its own position.
    var cursor: UInt64?
    /// The child was told to ask again, and has not yet.
    var isVoid = false
    /// How far the stream may run ahead of ``cursor``: a window, and the lag that the child began with.
    var allowance: UInt64 = 0

    var gate: UInt64 {
        guard let cursor else { return .max }
        return cursor + allowance
    }
}

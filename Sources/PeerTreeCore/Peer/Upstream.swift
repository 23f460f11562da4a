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
    /// Make before break: the former parent, which goes on feeding until the first chunk of the new one has come.
    var former: LinkID?
    /// Parents that did not come about in time, and may yet.
    var attempts = Attempts()
    /// The parent has sent a chunk as part of what it feeds, and does not fall behind.
    var isProven = false
    /// The parent that feeds this stripe was asked again, since what it fed did not go on.
    var isAskedAgain = false
    /// What others had to hand over instead of the parent.
    var starvation = Starvation()
    /// When a parent last sent a chunk of the stripe; nil if none has yet.
    var forwardedAt: Instant?
    /// The parent of a live stream has left out what lies below.
    var skippedBelow: UInt64 = 0
    /// What the parent was asked for last.
    private var asked = SubscriptionQuestion()

    init(phase: Phase) {
        self.phase = phase
    }

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

    /// Whether a parent was asked to feed this stripe and has not said from where.
    func awaitsAnswer(of id: LinkID) -> Bool {
        if case .subscribing(id, _) = phase { return true }
        return former == id && attempts.late?.link == id
    }

    /// What `link` was asked for.
    func question(to link: LinkID) -> SubscriptionQuestion {
        if let late = attempts.late, late.link == link { return late.question }
        return asked
    }

    /// `link` is asked to feed this stripe.
    mutating func note(_ question: SubscriptionQuestion, to link: LinkID) {
        if attempts.late?.link == link { attempts.asked(question) } else { asked = question }
    }

    /// When it has waited for long enough.
    var deadline: Instant {
        switch phase {
        case .waiting(let deadline), .connecting(let deadline), .subscribing(_, let deadline): return deadline
        case .active: return .distantFuture
        }
    }
}

/// What a subscription asked for.
struct SubscriptionQuestion {
    /// Where to begin.
    var start = SubscriptionStart.joinPoint
    /// How many chunks the parent may send before it hears of credit.
    var window: UInt32 = 0
}

/// What a parent answered to a subscription.
struct SubscriptionAnswer {
    let stripe: UInt8
    let policy: StreamPolicy
    let streamID: UInt64
    /// The first number that it feeds.
    let start: UInt64
    /// One past the newest that it has.
    let next: UInt64
}

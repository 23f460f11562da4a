/// How far a peer is on its way out.
enum Departure {
    case staying
    /// The children are handed over, until the deadline at most.
    case leaving(deadline: Instant)
    case left

    /// When it is over at the latest.
    var deadline: Instant {
        if case .leaving(let deadline) = self { return deadline }
        return .distantFuture
    }

    var isStaying: Bool {
        if case .staying = self { return true }
        return false
    }
}

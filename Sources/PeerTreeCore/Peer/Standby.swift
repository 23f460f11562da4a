/// The peer that stands by for this one, and the link to it: opened in idle time, kept warm, and not fed.
struct Standby {
    enum Phase: Equatable {
        /// A link is opened then, if a parent feeds by that time.
        case due(Instant)
        /// A data channel is being opened.
        case connecting(deadline: Instant)
        case open(LinkID)
    }

    let remote: RemoteID
    var phase: Phase
    /// Which stream it has, once it has said so. It is of use only if that is this peer's.
    var streamID: UInt64?

    func isConnecting(to remote: RemoteID) -> Bool {
        if case .connecting = phase { return self.remote == remote }
        return false
    }

    var link: LinkID? {
        if case .open(let link) = phase { return link }
        return nil
    }
}

/// Whether a parent that is alive fails to forward: what the standby hands over, not what anybody claims, is the proof.
struct Starvation {
    /// The source's clock, in microseconds, at the newest chunk that the parent sent.
    private var fed: UInt64?

    /// The parent has sent a chunk.
    mutating func fed(_ timestamp: UInt64) {
        fed = max(fed ?? 0, timestamp)
    }

    /// The standby handed over a chunk; whether it is so much newer that the parent must have kept back its like. Of a
    /// parent that has sent nothing at all, the first such chunk is what it is measured by.
    mutating func isStarving(_ timestamp: UInt64, limit: TimeSpan) -> Bool {
        guard let fed else {
            fed = timestamp
            return false
        }
        return timestamp > fed && timestamp - fed > limit.nanoseconds / 1_000
    }
}

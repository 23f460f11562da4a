/// The peer that stands by for this one, and the link to it: opened in idle time, kept warm, and not fed.
struct Standby {
    enum Phase: Equatable {
        /// The server named it then: a link is opened in idle time, or as soon as the stream is missed.
        case named(Instant)
        /// A link is opened then, if a parent feeds by that time.
        case due(Instant)
        /// A data channel is being opened.
        case connecting(deadline: Instant)
        case open(LinkID)
        /// It can be reached over a TURN server only: no link is kept to it.
        case relayed
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

/// Whether a parent that is alive fails to forward: what others hand over, not what anybody claims, is the proof.
///
/// Both count chunks since the parent first kept one back. It is late rather than starving as long as it forwards a third
/// of what the others hand over; nothing that it leaves out counts as forwarded, whatever it sends behind that.
struct Starvation {
    /// When the first chunk came that the parent had not sent; nil while it has sent as many as the others have.
    private var began: Instant?
    private var handedCount: UInt64 = 0
    private var forwardedCount: UInt64 = 0

    /// Whether the parent has not even forwarded a third so far.
    var isFallingBehind: Bool { began != nil && forwardedCount < (handedCount + 2) / 3 }

    /// The parent has sent the next chunk in order, be it late.
    mutating func forwarded() {
        guard began != nil else { return }
        forwardedCount += 1
        if forwardedCount >= handedCount { self = Starvation() }
    }

    /// Somebody else handed over what the parent has not sent.
    ///
    /// - Returns: whether the parent has kept back nearly everything for `limit`.
    mutating func handed(at now: Instant, limit: TimeSpan) -> Bool {
        let began = began ?? now
        self.began = began
        handedCount += 1
        guard now - began > limit else { return false }
        if isFallingBehind { return true }
        self = Starvation()
        return false
    }
}

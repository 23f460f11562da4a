import NIOCore

/// A local base and a remote candidate that may be able to talk to each other (RFC 8445 section 6.1.2).
struct CandidatePair: Sendable {
    /// RFC 8445 section 6.1.2.6, without "frozen": a data channel connection has one checklist with one component.
    enum State: Sendable {
        case waiting
        case inProgress
        case succeeded
        case failed
    }

    /// The socket that checks leave through. All host candidates of an address family share one, so a pair stands for
    /// every local candidate with this base: the pruning of RFC 8445 section 6.1.2.4 done in advance.
    let base: Int
    /// The best local candidate of that base.
    var local: ICECandidate
    var remote: ICECandidate
    var priority: UInt64
    var state = State.waiting
    var isNominated = false
    var nominatedAt: NIODeadline?
    /// A check with USE-CANDIDATE is out (controlling) or has come in (controlled).
    var wantsNomination = false
    /// Requests sent in the current check, and when the next retransmission is due.
    var attempts = 0
    var retransmitAt: NIODeadline?
    var roundTripTime: TimeAmount?
    /// This side's candidate as the peer sees it, from the last answered check (RFC 8445 section 7.2.5.3.1).
    var valid: ICECandidate?
    var requestsSent: UInt64 = 0
    var requestsReceived: UInt64 = 0
    var responsesReceived: UInt64 = 0
    /// The sum over all answered checks.
    var totalRoundTripTime = TimeAmount.nanoseconds(0)

    /// Whether either end is an address of a TURN server.
    var isRelayed: Bool { self.local.type == .relayed || self.remote.type == .relayed }

    /// RFC 8445 section 6.1.2.3.
    static func priority(controlling: UInt32, controlled: UInt32) -> UInt64 {
        let smaller = UInt64(min(controlling, controlled))
        let larger = UInt64(max(controlling, controlled))
        return smaller << 32 &+ larger << 1 &+ (controlling > controlled ? 1 : 0)
    }
}

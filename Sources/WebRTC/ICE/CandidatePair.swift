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
    /// The shortest so far: what the path takes without the queues on it.
    var shortestRoundTripTime: TimeAmount?
    /// This side's candidate as the peer sees it, from the last answered check (RFC 8445 section 7.2.5.3.1).
    var valid: ICECandidate?
    var requestsSent: UInt64 = 0
    var requestsReceived: UInt64 = 0
    var responsesReceived: UInt64 = 0
    /// The sum over all answered checks.
    var totalRoundTripTime = TimeAmount.nanoseconds(0)
    /// The peer's consent to be sent data on this pair.
    var consent = Consent()

    /// Consent to send (RFC 7675 section 5.1). Only the authenticated answer to a request of this side on this very pair
    /// gives or renews it: requests can be sent in another's name, and answers on another pair speak for another address.
    struct Consent: Sendable {
        /// When the last answer came; nil before the first.
        var receivedAt: NIODeadline?
        /// Consent checks since then.
        var unanswered = 0

        /// How long the peer has not confirmed that it wants to be sent data.
        func silence(at now: NIODeadline) -> TimeAmount? { self.receivedAt.map { now - $0 } }
    }

    /// It does not work, as far as checks go.
    mutating func fail() {
        self.state = .failed
        self.retransmitAt = nil
    }

    /// A check was answered after this time.
    mutating func took(_ time: TimeAmount) {
        self.roundTripTime = time
        self.shortestRoundTripTime = min(self.shortestRoundTripTime ?? time, time)
        self.totalRoundTripTime = self.totalRoundTripTime + time
        self.responsesReceived &+= 1
    }

    /// Whether either end is an address of a TURN server.
    var isRelayed: Bool { self.local.type == .relayed || self.remote.type == .relayed }

    /// RFC 8445 section 6.1.2.3.
    static func priority(controlling: UInt32, controlled: UInt32) -> UInt64 {
        let smaller = UInt64(min(controlling, controlled))
        let larger = UInt64(max(controlling, controlled))
        return smaller << 32 &+ larger << 1 &+ (controlling > controlled ? 1 : 0)
    }
}

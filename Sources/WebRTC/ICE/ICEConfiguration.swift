public import NIOCore

/// The state of an ICE agent, in the words of the W3C `RTCIceConnectionState`.
public enum ICEConnectionState: String, Hashable, Sendable {
    /// No remote description yet.
    case new
    /// Candidate pairs are being checked.
    case checking
    /// A usable pair was found.
    case connected
    /// Nothing was heard on the selected pair for a while. It may come back.
    case disconnected
    /// No pair works, or consent to send expired (RFC 7675).
    case failed
    /// Closed by this side.
    case closed
}

/// The timing of the ICE agent.
public struct ICEConfiguration: Sendable {
    /// Pause between two new checks (RFC 8445 section 14.2, "Ta"; at least 5 ms). Default 5 ms.
    public var pacing: TimeAmount = .milliseconds(5)
    /// First retransmission of a check; it doubles up to 1.6 s. Default 200 ms.
    public var retransmission: TimeAmount = .milliseconds(200)
    /// Requests in one check before the pair counts as failed. Default 7 (RFC 8489 "Rc").
    public var attempts = 7
    /// How long the controlling side waits for a better pair once one works. Default 20 ms.
    public var nominationDelay: TimeAmount = .milliseconds(20)
    /// Time from the remote description to a usable pair before the connection fails. Default 15 s.
    public var connectTimeout: TimeAmount = .seconds(15)
    /// Mean pause between two consent checks; each is drawn from 0.8 to 1.2 times this. Default 5 s (RFC 7675).
    public var consentInterval: TimeAmount = .seconds(5)
    /// Silence after which the state turns `disconnected`. Default 12 s.
    public var disconnectedTimeout: TimeAmount = .seconds(12)
    /// Silence after which consent to send has expired and the connection fails, provided that three checks went
    /// unanswered meanwhile. Default 30 s (RFC 7675).
    public var consentTimeout: TimeAmount = .seconds(30)
    /// Remote candidates taken per connection; more are ignored. Default 64.
    public var maximumRemoteCandidates = 64

    /// The defaults.
    public init() {}
}

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
    /// The same when the pair that works goes through a TURN server: a direct one is worth waiting for, and data flows
    /// meanwhile. Default 2 s.
    public var relayNominationDelay: TimeAmount = .seconds(2)
    /// Time from the remote description to a usable pair before the connection fails. Default 15 s.
    public var connectTimeout: TimeAmount = .seconds(15)
    /// Mean pause between two consent checks; each is drawn from 0.8 to 1.2 times this. Default 5 s (RFC 7675).
    public var consentInterval: TimeAmount = .seconds(5)
    /// Silence after which the state turns `disconnected`. Default 12 s.
    public var disconnectedTimeout: TimeAmount = .seconds(12)
    /// Silence after which consent to send has expired and the connection fails, provided that three checks went
    /// unanswered meanwhile. Default 30 s (RFC 7675).
    public var consentTimeout: TimeAmount = .seconds(30)
    /// Pause between the questions by which a selected pair is tested when there is reason to doubt it (the host's
    /// addresses changed, or the peer was heard from a new one); at least twice the round-trip time is waited.
    /// Default 100 ms.
    public var probeInterval: TimeAmount = .milliseconds(100)
    /// Unanswered questions after which a doubted pair is given up for another that works. Default 4.
    public var probeAttempts = 4
    /// Remote candidates taken per connection; more are ignored. Default 64.
    public var maximumRemoteCandidates = 64
    /// Candidate pairs per connection; beyond it the least promising give way (RFC 8445 section 6.1.2.5). Default 128.
    public var maximumPairs = 128
    /// Host names of remote candidates (mDNS) looked up per connection; more are ignored. Default 8.
    public var maximumHostNames = 8
    /// First retransmission to a STUN or TURN server over UDP; it doubles up to 2 s. Default 500 ms (RFC 8489).
    public var serverRetransmission: TimeAmount = .milliseconds(500)
    /// Requests to a STUN or TURN server before it counts as unreachable. Default 5: seven and a half seconds.
    public var serverAttempts = 5
    /// Pause between two questions to a STUN server, which keep the NAT's mapping. Default 15 s (RFC 8445 "Tr").
    public var serverKeepAlive: TimeAmount = .seconds(15)
    /// STUN and TURN servers used at one time by a transport, by URL and IP version; more are ignored. Default 16.
    public var maximumServers = 16
    /// How long a server that no connection uses any more is kept for the next one. Default 10 s.
    public var serverLinger: TimeAmount = .seconds(10)
    /// Pause before a server is tried again that was lost twice in a row, or whose name was not found once; twice as
    /// long after each further failure, up to 16 times this. Default 2 s.
    public var serverRetry: TimeAmount = .seconds(2)
    /// Life of an allocation to ask a TURN server for; it is refreshed in time. Default 10 min (RFC 8656).
    public var relayLifetime: TimeAmount = .minutes(10)
    /// Peers, by address, relayed at one time by one TURN server. Default 1,024.
    public var maximumRelayedPeers = 1_024
    /// Bytes that wait for a permission, or for the stream to a TURN server, at one time; more are dropped.
    /// Default 1 MiB.
    public var maximumRelayQueue = 1 << 20
    /// Silence of a relay, though something is sent through it or a flow of data had come, after which the TURN server is
    /// asked whether the allocation still exists; twice as long after each question in vain. Default 500 ms.
    public var relaySilence: TimeAmount = .milliseconds(500)
    /// Time a TCP or TLS connection to a TURN server may take to come about. Default 5 s.
    public var relayConnectTimeout: TimeAmount = .seconds(5)
    /// How often the host's addresses are looked at where the system does not tell of changes. Default 2 s.
    public var addressPollInterval: TimeAmount = .seconds(2)

    /// The defaults.
    public init() {}
}

import NIOCore

/// The timing and the bounds of a TURN client.
struct TURNConfiguration: Sendable {
    /// First retransmission of a request; it doubles up to 2 s.
    var retransmission: TimeAmount
    /// Requests before the server counts as unreachable.
    var maximumAttempts: Int
    /// Life of the allocation to ask for.
    var lifetimeSeconds: UInt32
    /// Peers, by address, with a permission or a channel at one time.
    var maximumPeers: Int
    /// Requests are sent once over a stream, which loses nothing.
    var isStream: Bool
    /// In a row, for one request.
    var maximumStaleNonces = 3
    /// Permissions last 300 s, channels 600 s (RFC 8656 sections 9 and 12): renewed well before.
    var permissionRenewal = TimeAmount.seconds(240)
    var channelRenewal = TimeAmount.seconds(480)
    /// How long an address that the server refused is not asked for again.
    var denialTime = TimeAmount.seconds(60)
    /// Peers named in one request.
    static let peersPerRequest = 16

    init(_ configuration: ICEConfiguration, isStream: Bool) {
        self.retransmission = configuration.serverRetransmission
        self.maximumAttempts = max(1, configuration.serverAttempts)
        self.lifetimeSeconds = UInt32(clamping: configuration.relayLifetime.nanoseconds / 1_000_000_000)
        self.maximumPeers = configuration.maximumRelayedPeers
        self.isStream = isStream
    }

    func attempts(isReliableStream: Bool) -> Int { isReliableStream ? 1 : self.maximumAttempts }

    /// The pause behind the given attempt, counted from 1.
    func wait(afterAttempt attempt: Int) -> TimeAmount {
        if self.isStream { return self.retransmission * (1 << 4) }
        return min(self.retransmission * (1 << min(attempt - 1, 8)), .seconds(2))
    }
}

public import PeerTreeCore

/// What a signalling service may be told to do differently.
public struct SignallingOptions: Sendable {
    /// Placement: children of a peer and of the source, time-outs, limits on trees and peers.
    public var tracker = TrackerOptions()

    /// Bytes of a session description or candidate, counted as JSON text. Default 65,536.
    public var maximumSignalBytes = 65_536

    /// Bytes of the metadata of an offer, answer or rejection, counted as JSON text. Default 16,384.
    public var maximumMetadataBytes = 16_384

    /// How deep signals and metadata may nest. Default 16.
    public var maximumDepth = 16

    /// UTF-8 bytes of a session id, tree id, peer id or reason. Default 128.
    public var maximumStringBytes = 128

    /// UTF-8 bytes of a resume token. Default 1,024; those of this server have about 250.
    public var maximumTokenBytes = 1_024

    /// How long a resume token is good. Default 24 h. Peers get a new one in half that time.
    public var resumeTokenLifetime = TimeSpan.seconds(86_400)

    /// How long, after a start with a kept `StateKey`, a join of an unknown tree waits for the first of that tree's peers
    /// to come back, instead of being refused at once. Counted from when the server can be
    /// reached. Default 8 s.
    public var restorationWait = TimeSpan.seconds(8)

    /// How many joins may wait so. Default 10,000; further ones are refused at once.
    public var maximumWaitingJoins = 10_000

    /// Trees that are over and remembered as such while there may be resume tokens of them. Default 100,000; beyond it the
    /// oldest is forgotten, and peers of it that come back could make it anew.
    public var maximumEndedTrees = 100_000

    /// Sessions one peer may have begun and not ended. Beyond it the oldest is forgotten. Default 32.
    public var maximumSessionsBegun = 32

    /// Sessions one peer may have begun with the same other one and not ended. Beyond it the oldest is forgotten, so that
    /// what children begin can never fill a parent. Default 2: an attempt that failed, and the next.
    public var maximumSessionsPerParent = 2

    /// Events a client may send per second in the long run. Default 200; what is beyond is dropped.
    public var eventsPerSecond = 200

    /// Events a client may send at once. Default 1,000.
    public var eventBurst = 1_000

    /// Trees that one socket may create, one after the other. Default 100.
    public var maximumTreesPerSocket = 100

    /// Sockets that one address may have. Default 20,000. IPv6 addresses count by their first 64 bits, here and below.
    public var maximumSocketsPerAddress = 20_000

    /// Trees that sources at one address may have at once. Default 1,000.
    public var maximumTreesPerAddress = 1_000

    /// Joins a second from one address in the long run. Default 1,000. Coming back with a resume token is no join.
    public var joinsPerSecondPerAddress = 1_000

    /// Joins at once from one address. Default 20,000.
    public var joinBurstPerAddress = 20_000

    /// Peers in all trees together, those of the other nodes of a cluster included. Default 10,000,000.
    public var maximumPeers = 10_000_000

    /// Least time between two summaries of a tree to its source. Default 1 s.
    public var summaryInterval = TimeSpan.seconds(1)

    /// Viewers up to which a summary lists every one of them. Default 256.
    public var maximumPeersInSummary = 256

    /// Dashboards that may watch at once. Default 16.
    public var maximumWatchers = 16

    /// The STUN and TURN servers that native peers are told to use. Default none.
    public var iceServers = ICEServerOptions()

    /// Unix time, in seconds, at `Instant.zero` of the driver's clock: what credentials expire by. `PeerTreeServer`
    /// sets it.
    public var unixTimeAtZero: UInt64 = 0

    /// How often native peers report their status in a small tree. Default 2 s, which is what they do unless told.
    public var statusInterval = TimeSpan.seconds(2)

    /// Status reports a second that the peers of one tree should send together. Beyond it they are told to report less
    /// often. Default 100.
    public var statusReportsPerSecond = 100

    /// What the server is called: a source that takes a signed tree has to have dialled one of these. Empty for whatever
    /// it says.
    public var hosts: [String] = []

    /// The defaults.
    public init() {}
}

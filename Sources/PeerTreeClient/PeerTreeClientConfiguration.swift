public import NIOCore
public import PeerTreeCore
public import WebRTC

/// How a client behaves.
public struct PeerTreeClientConfiguration: Sendable {
    /// Limits and timers of the overlay: replay buffer, window, heartbeats, slow children.
    public var peer = PeerConfiguration()
    /// How many children this peer offers to feed; nil leaves it to the server (its `k`, or `k1` for a source). The
    /// server may lower it.
    public var capacity: Int?
    /// What encrypts the messages of a source, and opens those that a viewer gets; nil for a broadcast that is not
    /// encrypted.
    public var secret: BroadcastSecret?
    /// With which key a source signs its stream; nil for one that is not signed. Viewers need nothing: whether a tree is
    /// signed, and by whom, its id says.
    public var identity: SourceIdentity?
    /// Sockets, ICE and SCTP. Only used if no transport is given to the client.
    public var webRTC = WebRTCConfiguration()
    /// How long the server may take to answer.
    public var discoverTimeout: TimeAmount = .seconds(10)
    /// How long a server that cannot be reached is tried for when a tree is to be entered: it may be just starting. A
    /// client that is in a tree waits for as long as it takes.
    public var unreachablePatience: TimeAmount = .seconds(5)
    /// Whether the application reads ``PeerTreeClient/messages``. A pure relay sets this to false; otherwise a lossless
    /// stream waits for its reader.
    public var deliversMessages = true
    /// How many bytes may wait for a slow reader of a stream that cannot wait. Above it a live stream drops up to the
    /// next join point, and a paced one fails with ``PeerTreeError/readerTooSlow(limit:)``. A lossless stream waits for its
    /// reader: by the credit that parents get no more than `PeerConfiguration.maximumLosslessBacklog` can lie there, and
    /// it fails above both.
    public var maximumUnreadBytes = 64 << 20
    /// How often the peer reports rate, lag and children to the server; nil never. A server with a large audience asks
    /// for fewer reports.
    public var statusInterval: TimeAmount? = .seconds(2)
    /// How many signalling sessions may be under way at once, in both directions.
    public var maximumSessions = 256

    /// The defaults.
    public init() {}
}

extension ClientConfiguration {
    /// What the core has to know of it.
    init(_ configuration: PeerTreeClientConfiguration) {
        self.init()
        peer = configuration.peer
        deliversMessages = configuration.deliversMessages
        membership.agent = Text("peer-tree/\(PackageVersion.current)")
        membership.isEncrypted = configuration.secret != nil
        membership.identity = configuration.identity?.publicKey
        membership.capacity = configuration.capacity.map { UInt16(clamping: $0) }
        membership.discoverTimeout = TimeSpan(configuration.discoverTimeout)
        membership.unreachablePatience = TimeSpan(configuration.unreachablePatience)
        membership.statusInterval = configuration.statusInterval.map { TimeSpan($0) }
        membership.maximumSessions = configuration.maximumSessions
    }
}

public import NIOCore
public import PeerTreeCore

/// A whole message as an application gets it.
public typealias PeerTreeMessage = Message<ByteBuffer>

/// What happens to a client. `discover`, `connect` and `disconnect` are the original's; the others are ours.
public enum PeerTreeEvent: Sendable {
    /// The server answered: the tree's id, and the own id.
    case discover(treeID: String, id: String)
    /// The first link is open: to the parent, or at the source to the first child.
    case connect
    /// The stream is over for this client.
    case disconnect(StreamEnd)
    /// A parent feeds this client.
    case upstreamPeer(String)
    /// A child is fed by this client.
    case downstreamPeer(String)
    /// A neighbour is gone.
    case neighbourGone(String)
    /// A part of the stream will never come.
    case gap(Gap)
    /// Messages come that cannot be opened; said once for each reason. The client goes on passing the stream on.
    case unreadable(UnreadableReason)
    /// Everyone below, and this client, has the whole stream.
    case complete
    /// What the server tells the source about its tree.
    case tree(TreeSummary)
    /// The signalling server says that it is about to stop. The stream goes on; ``serverLost`` follows.
    case serverGoingAway
    /// The signalling server is away; the stream goes on, and the client reconnects by itself.
    case serverLost
    /// The signalling server is back.
    case serverBack
    /// The server refused something this client did.
    case refused(code: String, message: String)
}

/// What the server tells the source about its tree.
public struct TreeSummary: Sendable, Equatable {
    /// One peer.
    public struct Peer: Sendable, Equatable {
        /// Its id.
        public var id: String
        /// Who feeds it; nil for the source.
        public var parent: String?
        /// Hops from the source.
        public var depth: Int
        /// Whether it speaks our protocol.
        public var isNative: Bool
        /// Whether its parent feeds it. Of a peer that does not speak our protocol that is taken for granted.
        public var isAttached: Bool
        /// How far it is behind the source, in milliseconds, if it said so.
        public var lag: Double?
    }

    /// How many viewers there are.
    public var viewers: Int
    /// Hops from the source to the deepest viewer.
    public var depth: Int
    /// The peers, while the tree is small enough to be listed.
    public var peers: [Peer]
}

/// What a client counts.
public struct PeerTreeStatistics: Sendable {
    /// The core's counters.
    public var counters: PeerCounters
    /// Over how many trees the stream is dealt, as the server has granted it; a single one where this client is in none.
    public var layout: StripeLayout
    /// How many children are fed.
    public var children: Int
    /// How far the newest chunk was behind the source's clock when it came, in milliseconds; nil before the first.
    public var lagMilliseconds: Double?
    /// Round-trip time to the parent, in milliseconds, once measured.
    public var parentRoundTripMilliseconds: Double?
    /// ICE restarts that both ends of a link have agreed on.
    public var iceRestarts: Int
}

extension PeerTreeStatistics {
    init(_ client: Client<ByteBuffer, SystemRandomNumberGenerator>) {
        let parent = client.peer?.neighbours.first { $0.role == .parent }
        counters = client.peer?.counters ?? PeerCounters()
        layout = client.peer?.layout ?? .single
        children = client.peer?.childCount ?? 0
        lagMilliseconds = client.lagMilliseconds
        parentRoundTripMilliseconds = parent?.roundTripTime.map { Double($0.nanoseconds) / 1e6 }
        iceRestarts = Int(clamping: client.membership.restartCount)
    }
}

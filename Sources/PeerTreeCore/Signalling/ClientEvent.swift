/// What a client says to the signalling server.
public enum ClientEvent: Equatable, Sendable {
    /// Asks for a tree or for a place in one.
    case discover(DiscoverRequest)
    /// Offers a link.
    case offer(session: Text, to: Text, sdp: Text)
    /// Goes on with a session.
    case signal(session: Text, to: Text, ServerEvent.Signal, isNative: Bool)
    /// Turns an offer down.
    case reject(session: Text, to: Text, reason: Text)
    /// The parent of an assignment feeds.
    case attached(stripe: UInt8, epoch: UInt32)
    /// The parent of an assignment is lost.
    case orphaned(stripe: UInt8, epoch: UInt32, LossReason)
    /// The parent of an assignment is lost, and this peer has turned to its standby.
    case promoted(stripe: UInt8, epoch: UInt32, LossReason, standby: Text)
    /// A child's link died.
    case childLost(Text, LossReason)
    /// This peer leaves the tree.
    case leave
    /// What this peer measures.
    case status(StatusReport)
    /// Asks for STUN and TURN servers with fresh credentials.
    case iceServers
    /// The source's newest pulse, as the frame that peers pass on, in hexadecimal.
    case pulse(Text)
}

/// What is asked of the server.
public struct DiscoverRequest: Equatable, Sendable {
    /// The tree to join; nil to create one.
    public var treeID: Text?
    /// Whether to say what only servers of ours know.
    public var isNative = true
    /// The program, for dashboards.
    public var agent: Text = .empty
    /// Over how many trees a source deals its stream.
    public var stripes: UInt8?
    /// How many of those carry the parity of the others, 0 or 1.
    public var parity: UInt8 = 0
    /// Whether a source encrypts its stream.
    public var isEncrypted = false
    /// The key of a tree's source that signs its stream.
    public var key: SourceKey?
    /// Of that source: its signature over the id of its socket, ``host`` and the tree's id.
    public var proof: Signature?
    /// The host that it dialled, which is a part of the proof.
    public var host: Text?
    /// How many children this peer offers to feed; nil leaves it to the server.
    public var capacity: UInt16?
    /// Proves that a place is this peer's.
    public var resumeToken: Text?
    /// Where a peer that resumes is.
    public var place: [NamedPlace] = []

    /// Makes it of all of that; without anything, it asks for a new tree.
    public init(
        treeID: Text? = nil,
        isNative: Bool = true,
        agent: Text = .empty,
        stripes: UInt8? = nil,
        capacity: UInt16? = nil,
        resumeToken: Text? = nil,
        place: [NamedPlace] = []
    ) {
        self.treeID = treeID
        self.isNative = isNative
        self.agent = agent
        self.stripes = stripes
        self.capacity = capacity
        self.resumeToken = resumeToken
        self.place = place
    }

    /// A live link, by the names that the server knows.
    public struct NamedPlace: Equatable, Sendable {
        /// Whether the neighbour feeds this peer or is fed by it.
        public var role: NeighbourRole
        /// The neighbour.
        public var id: Text
        /// The signalling session that the link came of.
        public var session: Text
        /// What is fed.
        public var stripe: UInt8
        /// Of a parent: the epoch of its assignment.
        public var epoch: UInt32
    }
}

/// What a viewer measures.
public struct StatusReport: Equatable, Sendable {
    /// Bytes received a second.
    public var rate: UInt64
    /// How many children are fed.
    public var children: UInt32
    /// How far the newest message was behind the source's clock when it came, in tenths of a millisecond; nil before
    /// the first.
    public var lag: UInt64?
    /// To the parent and back, in tenths of a millisecond, once measured.
    public var roundTrip: UInt64?
    /// Hops from the source as the server last said; 0 if it did not.
    public var depth: UInt32
}

/// What the signalling server says to a client.
public enum ServerEvent: Equatable, Sendable {
    /// The answer to ``ClientEvent/discover(_:)``.
    case discovered(Discovery)
    /// The refusal of it. An original server gives no code.
    case discoveryFailed(code: Text?, message: Text)
    /// A peer wants to be a child.
    case offer(session: Text, from: Text, sdp: Text, isNative: Bool)
    /// The other end of a session goes on.
    case signal(session: Text, Signal, isNative: Bool)
    /// The other end of a session wants no link.
    case reject(session: Text)
    /// Whose child this peer is.
    case assign(ParentAssignment)
    /// Who may come as a child.
    case admit(Text, stripe: UInt8)
    /// Who is no longer a child.
    case childGone(Text, stripe: UInt8)
    /// Who may come as a ward: this peer stands by for it.
    case admitWard(Text)
    /// Who is no longer a ward.
    case wardGone(Text)
    /// Who stands by for this peer; nil if nobody does.
    case standby(Text?)
    /// A neighbour's socket is gone: its link may be too.
    case suspect(Text)
    /// How many hops this peer is below the source.
    case place(depth: UInt32)
    /// What a source is told about its tree, as JSON for the application.
    case tree(Text)
    /// A new resume token, and how many children this peer may have now, if the server says so.
    case resume(Text, capacity: Int?)
    /// The server is about to stop.
    case goingAway
    /// The tree is over.
    case end
    /// Something this peer did was refused.
    case refused(code: Text, message: Text)
    /// STUN and TURN servers with fresh credentials.
    case iceServers(ICEServerAdvice)
    /// How often to report.
    case statusInterval(TimeSpan)
    /// The source's socket is gone: the server asks for the source's newest pulse.
    case pulseWanted

    /// Where a peer is.
    public struct Discovery: Equatable, Sendable {
        /// The peer's own id.
        public var id: Text
        /// The tree's id.
        public var treeID: Text
        /// The parents as an original server names them.
        public var peers: [Text]
        /// What a server of ours adds; nil from an original one.
        public var additions: Additions?

        /// What an original server does not say.
        public struct Additions: Equatable, Sendable {
            /// Proves later that the place is this peer's.
            public var resumeToken: Text?
            /// Over how many trees the stream is dealt.
            public var stripes: UInt8
            /// How many of those carry the parity of the others.
            public var parity: UInt8 = 0
            /// How many children the peer may have in a tree of one stripe; nil from a server that does not say.
            public var capacity: Int?
            /// Stripes whose parent is not known yet are left out.
            public var parents: [ParentAssignment]
            /// STUN and TURN servers, if there are any.
            public var iceServers: ICEServerAdvice?
            /// What the server's clock showed: microseconds since 1970-01-01 UTC; nil from a server that does not say.
            public var clock: UInt64?
            /// The source's, if the tree is signed.
            public var key: SourceKey?

            /// Makes it of all of that.
            public init(
                resumeToken: Text?,
                stripes: UInt8,
                capacity: Int? = nil,
                parents: [ParentAssignment],
                iceServers: ICEServerAdvice?,
                clock: UInt64? = nil
            ) {
                self.resumeToken = resumeToken
                self.stripes = stripes
                self.capacity = capacity
                self.parents = parents
                self.iceServers = iceServers
                self.clock = clock
            }
        }

        /// Makes it of all of that.
        public init(id: Text, treeID: Text, peers: [Text], additions: Additions?) {
            self.id = id
            self.treeID = treeID
            self.peers = peers
            self.additions = additions
        }
    }

    /// A signal within a session, in the words of simple-peer.
    public enum Signal: Equatable, Sendable {
        /// A session description that offers: a new path for a link.
        case offer(sdp: Text)
        /// A session description that answers.
        case answer(sdp: Text)
        /// A candidate, as the JSON of the W3C's `RTCIceCandidateInit`; empty of an address, it is the last.
        case candidate(Text)
        /// The answerer asks the offerer for a new path.
        case renegotiate
    }
}

/// Whose child a peer is in one stripe.
public struct ParentAssignment: Equatable, Sendable {
    /// The parent; nil while no slot is free.
    public var parent: Text?
    /// The stripe.
    public var stripe: UInt8
    /// Names the assignment in reports; grows with each.
    public var epoch: UInt32
    /// Hops from the source; 0 if the server does not know.
    public var depth: UInt32

    /// Makes it of all of that.
    public init(parent: Text?, stripe: UInt8, epoch: UInt32, depth: UInt32) {
        self.parent = parent
        self.stripe = stripe
        self.epoch = epoch
        self.depth = depth
    }
}

/// The STUN and TURN servers that a server names.
public struct ICEServerAdvice: Equatable, Sendable {
    /// A list of the W3C's `RTCIceServer`, as JSON.
    public var list: Text
    /// For how long the credentials are good; nil if nothing expires.
    public var lifetime: TimeSpan?

    /// Makes it of both.
    public init(list: Text, lifetime: TimeSpan?) {
        self.list = list
        self.lifetime = lifetime
    }
}

/// What a ``Tracker`` may be told to do differently.
public struct TrackerOptions: Sendable {
    /// Children of a peer that declares no capacity (`k`). Default 4.
    public var childrenPerPeer = 4

    /// Children of the source (`k1`). Default 10.
    public var childrenOfSource = 10

    /// The least and most children a peer may offer; a declaration outside is moved to the nearer bound. Default 0...64.
    ///
    /// The upper bound keeps one peer from collecting, and then losing, a large part of the audience. Viewers that offer
    /// nothing are served as long as another slot stays free: the last one is kept for a peer that brings slots.
    public var capacityBounds = 0...64

    /// Trees held at once; in a cluster, by all nodes together. Default 100,000. A tree costs about 1 KB, besides its peers.
    public var maximumTrees = 100_000

    /// Peers in one tree, the source included. Default 10,000,000. A peer costs less than 250 bytes.
    public var maximumPeersPerTree = 10_000_000

    /// Stripes of a tree, at most 16. Default 16.
    public var maximumStripes = 16

    /// Levels below the source that a joiner may be placed at. Default 256.
    ///
    /// It bounds the work of one operation when every viewer offers a single slot and the tree becomes a set of chains.
    /// Peers placed anew after a departure may exceed it by the height of the subtree they bring.
    public var maximumDepth = 256

    /// How long a native peer may take to attach to the parent it was given. Default 10 s.
    public var attachTimeout = TimeSpan.seconds(10)

    /// How long a viewer without a signalling socket keeps its place. Default 15 s.
    public var resumeWindow = TimeSpan.seconds(15)

    /// How long a tree survives without its source's signalling socket, from when that is gone or the source was heard of by
    /// another way (``Tracker/Input/sourceHeard(_:)``). Default 15 s.
    public var sourceResumeWindow = TimeSpan.seconds(15)

    /// How long a peer that came back after the tracker lost its memory waits for the parent and the children it had.
    /// Default 10 s, in which a client that tries again every few seconds has found the server.
    public var restoreWindow = TimeSpan.seconds(10)

    /// How long a vote against a parent counts, and how long its voter has no other. Default 10 min.
    ///
    /// So `n` members that lie can make at most `n` / ``votesToEvict`` peers leaves in such a time, however often they
    /// leave and come back from the same addresses.
    public var voteWindow = TimeSpan.seconds(600)

    /// Votes of different members within the window that make a parent a leaf. Default 2. Where the others offer fewer
    /// slots than there are viewers, newcomers are kept away from it instead.
    public var votesToEvict = 2

    /// How long a member must have been in the tree for its complaint to be a vote. Default 10 s.
    public var votingAge = TimeSpan.seconds(10)

    /// How long a parent that was voted out stays a leaf the first time; each further time it is twice as long, up to
    /// 1,024 times. Default 30 s. A window without votes after it has ended, and it counts as the first time again.
    public var evictionTime = TimeSpan.seconds(30)

    /// How long after its new parent began to feed it a peer that was moved is not blamed for what its children lack.
    /// Default 3 s.
    public var settlingTime = TimeSpan.seconds(3)

    /// How many moves within the window excuse a peer so. Default 2: one that moves on and on must not be safe from blame.
    public var excusesPerWindow = 2

    /// Members that could not connect to a peer, by its refusal or for want of a path, before newcomers are kept away
    /// from it. Default 3, counted over ``voteWindow``.
    public var refusalsToShun = 3

    /// Links to living children a parent may lose within ``shunTime`` before newcomers are kept away from it. Default 8.
    public var childrenLostToShun = 8

    /// How long newcomers are kept away from such a peer, as far as there is a slot elsewhere. Default 30 s.
    public var shunTime = TimeSpan.seconds(30)

    /// How long a peer that is said to be silent has to answer over its socket, and ranks behind others meanwhile.
    /// Default 1.25 s: it is asked to answer within a second.
    public var probeTime = TimeSpan.milliseconds(1_250)

    /// Moves to better places under way at once, per tree. Default 8; 0 switches them off.
    public var maximumMovesInFlight = 8

    /// Whether native peers of a tree of one stripe get a standby: a second parent in reach, to which they keep a link.
    /// Default true.
    public var assignsStandbys = true

    /// The defaults.
    public init() {}
}

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

    /// Trees held at once. Default 100,000. A tree costs about 1 KB, besides its peers.
    public var maximumTrees = 100_000

    /// Peers in one tree, the source included. Default 10,000,000. A peer costs less than 200 bytes.
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

    /// How long a tree survives without its source's signalling socket. Default 15 s.
    public var sourceResumeWindow = TimeSpan.seconds(15)

    /// How long a peer that came back after the tracker lost its memory waits for the parent and the children it had.
    /// Default 10 s, in which a client that tries again every few seconds has found the server.
    public var restoreWindow = TimeSpan.seconds(10)

    /// How long a child's complaint about its parent counts. Default 30 s.
    public var complaintWindow = TimeSpan.seconds(30)

    /// Distinct children that must complain within the window before a parent is evicted. Default 2.
    public var complaintsToEvict = 2

    /// Distinct parents one child may complain about within the window and be believed. Default 3: a child that has
    /// something against everyone is itself the trouble, and must not get honest parents evicted.
    public var complaintsPerChild = 3

    /// Links to living children a parent may lose within the window. Default 8; beyond it the parent is evicted, as one
    /// that takes children and sheds them again.
    public var childrenLostToEvict = 8

    /// Moves to better places under way at once, per tree. Default 8; 0 switches them off.
    public var maximumMovesInFlight = 8

    /// The defaults.
    public init() {}
}

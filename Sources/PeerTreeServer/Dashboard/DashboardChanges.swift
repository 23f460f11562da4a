/// What a watcher of a tree is told at the beginning.
struct DashboardWelcome: Sendable, Equatable {
    /// Names the watcher in further questions.
    var watcher: Int
    var treeID: String
    /// The label of the source.
    var source: String
    var stripes: Int
    /// The children of a viewer and of the source at most.
    var k: Int
    var k1: Int
}

/// What has changed in a tree, and how it stands.
struct DashboardChanges: Sendable, Equatable {
    /// One peer as it is now. Its label is that of ``TreeShape/Peer``.
    struct Peer: Sendable, Equatable {
        var label: String
        /// The labels of its parents, by stripe; nil where it has none now.
        var parents: [String?]
        /// Whether its link is open, in every stripe in which it has a parent.
        var isAttached: Bool
        var isNative: Bool
        /// Whether its signalling socket is there.
        var isConnected: Bool
        var report: PeerReport
    }

    /// Counts the changes of one watcher from 1, without gaps.
    var sequence: UInt64
    var peers: [Peer]
    /// The labels of peers that are no more. They precede `peers`.
    var gone: [String]
    /// Whether nothing more waits to be told.
    var isComplete: Bool
    /// Whether the tree, or the server, is over: there is nothing further.
    var isOver: Bool
    var viewers: Int
    var activity: TreeActivity
}

/// What a peer says of itself.
struct PeerReport: Sendable, Equatable {
    /// Bytes a second that it receives.
    var rate: Double?
    /// Milliseconds behind the source's clock.
    var lag: Double?
    /// Milliseconds to its parent and back.
    var roundTrip: Double?
    /// The program, such as `Firefox 153`.
    var agent: String?
}

/// What has happened in a tree since it was made, or since the server was started.
struct TreeActivity: Sendable, Equatable {
    /// Viewers that came.
    var joins: UInt64 = 0
    /// Viewers that left or vanished.
    var leaves: UInt64 = 0
    /// Times that a viewer was given another parent because the one it had left, vanished or did not serve it.
    var repairs: UInt64 = 0
    /// Times that a viewer was moved to a better place.
    var moves: UInt64 = 0
}

/// One line of the list of trees.
struct DashboardTree: Sendable, Equatable {
    var treeID: String
    var viewers: Int
    var depth: Int
}

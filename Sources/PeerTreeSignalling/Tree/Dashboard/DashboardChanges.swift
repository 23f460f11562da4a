/// What a watcher of a tree is told at the beginning.
package struct DashboardWelcome: Sendable, Equatable {
    package var treeID: String
    /// The label of the source.
    package var source: String
    package var stripes: Int
    /// The children of a viewer and of the source at most.
    package var k: Int
    package var k1: Int

    package init(treeID: String, source: String, stripes: Int, k: Int, k1: Int) {
        self.treeID = treeID
        self.source = source
        self.stripes = stripes
        self.k = k
        self.k1 = k1
    }
}

/// What has changed in a tree, and how it stands.
package struct DashboardChanges: Sendable, Equatable {
    /// One peer as it is now. Its label is that of ``TreeShape/Peer``.
    package struct Peer: Sendable, Equatable {
        package var label: String
        /// The labels of its parents, by stripe; nil where it has none now.
        package var parents: [String?]
        /// Whether its link is open, in every stripe in which it has a parent.
        package var isAttached: Bool
        package var isNative: Bool
        /// Whether its signalling socket is there.
        package var isConnected: Bool
        package var report: PeerReport

        package init(
            label: String,
            parents: [String?],
            isAttached: Bool,
            isNative: Bool,
            isConnected: Bool,
            report: PeerReport
        ) {
            self.label = label
            self.parents = parents
            self.isAttached = isAttached
            self.isNative = isNative
            self.isConnected = isConnected
            self.report = report
        }
    }

    /// Peers in one batch.
    package static let maximumPeers = 1_000
    /// Departures that may wait for a watcher.
    package static let maximumGone = 200_000

    /// Counts the changes of one watcher from 1, without gaps.
    package var sequence: UInt64
    package var peers: [Peer]
    /// The labels of peers that are no more. They precede `peers`.
    package var gone: [String]
    /// Whether nothing more waits to be told.
    package var isComplete: Bool
    /// Whether the tree, or the server, is over: there is nothing further.
    package var isOver: Bool
    package var viewers: Int
    package var activity: TreeActivity

    package init(
        sequence: UInt64,
        peers: [Peer],
        gone: [String],
        isComplete: Bool,
        isOver: Bool,
        viewers: Int,
        activity: TreeActivity
    ) {
        self.sequence = sequence
        self.peers = peers
        self.gone = gone
        self.isComplete = isComplete
        self.isOver = isOver
        self.viewers = viewers
        self.activity = activity
    }
}

/// What a peer says of itself.
package struct PeerReport: Sendable, Equatable {
    /// Bytes a second that it receives.
    package var rate: Double?
    /// Milliseconds behind the source's clock.
    package var lag: Double?
    /// Milliseconds to its parent and back.
    package var roundTrip: Double?
    /// The program, such as `Firefox 153`.
    package var agent: String?

    package init(rate: Double? = nil, lag: Double? = nil, roundTrip: Double? = nil, agent: String? = nil) {
        self.rate = rate
        self.lag = lag
        self.roundTrip = roundTrip
        self.agent = agent
    }
}

/// What has happened in a tree since it was made, or since the server was started.
package struct TreeActivity: Sendable, Equatable {
    /// Viewers that came.
    package var joins: UInt64 = 0
    /// Viewers that left or vanished.
    package var leaves: UInt64 = 0
    /// Times that a viewer was given another parent because the one it had left, vanished or did not serve it.
    package var repairs: UInt64 = 0
    /// Times that a viewer was moved to a better place.
    package var moves: UInt64 = 0
    /// Times that a viewer left a parent because it brought what the source has not signed.
    package var forgeries: UInt64 = 0

    package init() {}
}

/// One line of the list of trees.
package struct DashboardTree: Sendable, Equatable {
    /// Trees in one list at most: the largest.
    package static let mostListed = 100

    package var treeID: String
    package var viewers: Int
    package var depth: Int

    package init(treeID: String, viewers: Int, depth: Int) {
        self.treeID = treeID
        self.viewers = viewers
        self.depth = depth
    }
}

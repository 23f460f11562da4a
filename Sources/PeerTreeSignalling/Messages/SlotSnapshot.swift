package import PeerTreeCore

/// All that a service knows of the trees of a slot, for the one that goes on with them.
package struct SlotSnapshot: Equatable, Sendable {
    /// Members and letters name gateways by their places in this list; nil stands for one that cannot be reached.
    package var gateways: [GatewayID?] = []
    package var trees: [Tree] = []
    /// What gateways have said since it was taken, in their order.
    package var letters: [Letter] = []

    /// Of a slot without trees.
    package init() {}

    package struct Letter: Equatable, Sendable {
        package var message: ToTree
        package var gateway: Int

        package init(_ message: ToTree, gateway: Int) {
            self.message = message
            self.gateway = gateway
        }
    }

    package struct Tree: Equatable, Sendable {
        package var id: String
        package var isEncrypted: Bool
        package var key: SourceKey?
        /// The gateway at which it was made.
        package var origin: Int?
        package var activity: TreeActivity
        package var shape: TreeSnapshot
        /// In the order of the shape's peers, and as many.
        package var members: [Member] = []

        package init(
            id: String,
            isEncrypted: Bool,
            key: SourceKey?,
            origin: Int?,
            activity: TreeActivity,
            shape: TreeSnapshot
        ) {
            self.id = id
            self.isEncrypted = isEncrypted
            self.key = key
            self.origin = origin
            self.activity = activity
            self.shape = shape
        }
    }

    /// What is known of a member besides its place.
    package struct Member: Equatable, Sendable {
        /// Where its socket is; nil if it has none.
        package var gateway: Int?
        /// Ids under which others may know it, the current one last.
        package var ids: [String]
        package var number: UInt64
        package var tokenExpiry: UInt32
        package var statusInterval: Double
        package var report: PeerReport
        /// That it began, oldest first.
        package var sessions: [Session] = []

        package init(
            gateway: Int?,
            ids: [String],
            number: UInt64,
            tokenExpiry: UInt32,
            statusInterval: Double,
            report: PeerReport
        ) {
            self.gateway = gateway
            self.ids = ids
            self.number = number
            self.tokenExpiry = tokenExpiry
            self.statusInterval = statusInterval
            self.report = report
        }
    }

    package struct Session: Equatable, Sendable {
        package var id: String
        /// The place of its other end in the list of members.
        package var other: Int
        /// By which ids its ends know each other.
        package var otherID: String
        package var ownID: String

        package init(id: String, other: Int, otherID: String, ownID: String) {
            self.id = id
            self.other = other
            self.otherID = otherID
            self.ownID = ownID
        }
    }
}

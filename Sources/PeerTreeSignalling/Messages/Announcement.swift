package import PeerTreeCore

/// Where a member was, for a service of trees that does not know it: as its gateway passed it on.
package struct Announcement: Equatable, Sendable {
    package var socket: String
    /// Stands for the network address that the client came from.
    package var address: UInt64?
    package var isNative: Bool
    /// What the member could prove.
    package var token: ResumeToken
    package var place: ClaimedPlace
    /// The program, for dashboards.
    package var agent: String?
    /// The key of the tree, if it is signed.
    package var key: SourceKey?

    package init(
        socket: String,
        address: UInt64?,
        isNative: Bool,
        token: ResumeToken,
        place: ClaimedPlace,
        agent: String?,
        key: SourceKey?
    ) {
        self.socket = socket
        self.address = address
        self.isNative = isNative
        self.token = token
        self.place = place
        self.agent = agent
        self.key = key
    }

    /// The member as its gateway knows it.
    var member: MemberSocket { MemberSocket(tree: token.treeID, number: token.number, socket: socket) }

    /// A gateway says where one of its sockets was.
    init(socket: String, address: UInt64?, standing: Standing) {
        self.socket = socket
        self.address = address
        isNative = standing.isNative
        token = standing.token
        place = standing.place
        agent = standing.agent
        key = standing.key
    }

    /// A client has come back by itself.
    init(_ entry: Entry, token: ResumeToken, place: ClaimedPlace) {
        socket = entry.socket
        address = entry.address
        isNative = true
        self.token = token
        self.place = place
        agent = entry.request.agent
        key = entry.request.key
    }
}

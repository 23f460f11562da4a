package import JSON
package import PeerTreeCore

/// What a gateway says to the service of a tree. Messages about one tree come in the order in which a gateway sent them.
package enum ToTree: Equatable, Sendable {
    /// A client asks for a place. What becomes of it is said by one `answered`, `refused` or `waits`, the last of which
    /// one of the others follows.
    indirect case enter(Entry)
    /// A gateway has outlived the service of the tree before this one, and had this member. It may come twice. Answered by
    /// `entered`, or by `left` or `replaced`.
    indirect case announce(Announcement)
    /// A client that has asked for a place, and may have it by now, is gone or wants it no more.
    case withdraw(tree: String, socket: String)
    /// The source is about to make another tree: it gives this one up if nobody is in it. Answered by `released` or
    /// `refused`.
    case release(MemberSocket, for: Wish)
    /// A client has a place elsewhere now.
    case leave(MemberSocket)
    /// A member's event, which its gateway has let through.
    case event(MemberSocket, SignallingName, JSONValue?)
    /// A member's socket is gone.
    case disconnected(MemberSocket)
    /// A dashboard asks about a tree.
    case asked(tree: String, watcher: Int, DashboardQuestion)
    /// The gateway has heard that the slot is frozen (``ToGateway/hold``), and says nothing more of it until it has an owner
    /// again.
    case held(Slot)
    /// The gateway is about to stop.
    case goingAway

    /// That of the tree which it is about: whoever has it is told. Nil for what every service at the gateway's node is told.
    package var slot: Slot? {
        switch self {
        case .enter(let entry): entry.slot
        case .announce(let announcement): announcement.token.slot
        case .withdraw(let tree, _), .asked(let tree, _, _): Slot(ofTree: tree)
        case .release(let member, _), .leave(let member), .event(let member, _, _), .disconnected(let member):
            Slot(ofTree: member.tree)
        case .held(let slot): slot
        case .goingAway: nil
        }
    }
}

/// What a client that asks for a place brings along. Whether it may enter its gateway has found out.
package struct Entry: Equatable, Sendable {
    package var wish: Wish
    /// The tree that is entered; one that is made gets this id.
    package var tree: String
    /// Stands for the network address that the client came from.
    package var address: UInt64?
    package var request: DiscoverRequest
    /// The client's place before the service, or its socket, was gone.
    package var token: ResumeToken?

    package init(wish: Wish, tree: String, address: UInt64?, request: DiscoverRequest, token: ResumeToken? = nil) {
        self.wish = wish
        self.tree = tree
        self.address = address
        self.request = request
        self.token = token
    }

    var socket: String { wish.socket }

    var slot: Slot { Slot(ofTree: tree) }

    /// Whether it asks for a tree of its own.
    var makesTree: Bool { token == nil && request.createsTree }
}

/// The state of a connection to a neighbour, in W3C terms as far as it matters.
public enum PathState: UInt8, Sendable {
    /// Datagrams get through.
    case connected
    /// They do not, for now.
    case disconnected
    /// They will not: the connection is over.
    case failed
}

/// Why a tree was not entered.
public enum EntryFailure: Equatable, Sendable {
    /// The server knows no tree with this id.
    case unknownTree
    /// The server refused.
    case refused(code: Text, message: Text)
    /// The server did not answer in time.
    case timeout
    /// The server cannot be reached, for a reason that the host gave.
    case unreachable(reason: Text)
    /// The tree's id is that of a source's key, and the server has not given that key, or gave the tree another id.
    case unproven
    /// The client is in a tree, or is entering one.
    case alreadyInTree
    /// The client has left, or was told to enter no more.
    case closed
}

/// What a membership is told.
public enum MembershipInput: Equatable, Sendable {
    // By the application.

    /// Enter a tree; nil makes a new one.
    case enter(Text?)
    /// Do not wait for an answer any longer.
    case cancelEntering
    /// Find new paths for all links.
    case restartPaths
    /// Leave in order.
    case leave
    /// Drop everything at once, with a word to the server.
    case stop

    // By the host.

    /// The socket to the server is open, under an id that the server has not seen before.
    case serverConnected
    /// The socket to the server is gone; the host goes on trying to open another.
    case serverLost
    /// The socket to the server could not be opened. `isFinal`: and will not be if it is tried again.
    case serverUnreachable(reason: Text, isFinal: Bool)
    /// The server said something.
    case server(ServerEvent)
    /// The connection's own description is made: the offer of ``MembershipOutput/connect(_:iceServers:)`` or
    /// ``MembershipOutput/restart(_:)``, the answer of ``MembershipOutput/accept(_:offer:iceServers:)`` or
    /// ``MembershipOutput/answer(_:offer:)``.
    case described(LinkID, sdp: Text)
    /// The connection found a candidate: the JSON of the W3C's `RTCIceCandidateInit`; nil after the last.
    case candidate(LinkID, Text?)
    /// A connection could not be made, or refused what the other end sent.
    case connectionFailed(LinkID)
    /// The path under a connection changed.
    case path(LinkID, PathState)
    /// Whether the path under a connection leads over a TURN server, at either end.
    case relayed(LinkID, Bool)
    /// The data channel is open.
    case channelOpened(LinkID)
    /// The data channel is closed, from either end.
    case channelClosed(LinkID)
    /// The addresses of this host have changed. `isLost`: one is gone.
    case networkChanged(isLost: Bool)
    /// ``Membership/deadline`` has come.
    case tick

    // By the peer.

    /// It wants a link to a parent.
    case connect(RemoteID)
    /// It wants the link no more.
    case cancelConnect(RemoteID)
    /// It is done with a link.
    case close(LinkID)
    /// A parent feeds it.
    case attached(stripe: UInt8, epoch: UInt32)
    /// A parent is lost.
    case orphaned(stripe: UInt8, epoch: UInt32, LossReason)
    /// A parent is lost, and the peer has turned to its standby.
    case promoted(stripe: UInt8, epoch: UInt32, LossReason, standby: RemoteID)
    /// A child is lost.
    case childLost(RemoteID, LossReason)
    /// It has handed its children over.
    case left
}

/// What a membership wants done.
public enum MembershipOutput: Equatable, Sendable {
    // By the host.

    /// Tell the server.
    case emit(ClientEvent)
    /// Ask the server for a place; where this peer is, if a token goes along, is for the sender to add.
    case discover(DiscoverRequest)
    /// Close the socket to the server and open it again: its path is gone.
    case reconnectServer
    /// Close the socket to the server.
    case disconnectServer
    /// Make a connection and its data channel, and describe an offer. `iceServers` is the JSON list of the server's, if
    /// it gave one.
    case connect(LinkID, iceServers: Text?)
    /// Make a connection, take the offer, and describe an answer. The joiner makes the channel.
    case accept(LinkID, offer: Text, iceServers: Text?)
    /// Describe an offer with new ICE credentials.
    case restart(LinkID)
    /// Take the answer.
    case takeAnswer(LinkID, sdp: Text)
    /// Take a further offer and describe an answer.
    case answer(LinkID, offer: Text)
    /// Take a candidate of the other end: the JSON of the W3C's `RTCIceCandidateInit`.
    case addCandidate(LinkID, Text)
    /// Close the data channel; what was sent still goes out.
    case closeChannel(LinkID)
    /// Close the connection, and forget the link.
    case closeConnection(LinkID)

    // By the peer.

    /// Begin. `stripes`: over how many trees the stream is dealt; `parity`: how many of those carry the parity of the others.
    case begin(isSource: Bool, stripes: UInt8, parity: UInt8)
    /// Take a parent.
    case assigned(RemoteID, stripe: UInt8, epoch: UInt32)
    /// How the server sees this peer: see ``PeerInput/placed(slots:depth:)``.
    case placed(slots: Int?, depth: UInt32)
    /// Expect a child.
    case admitted(RemoteID, stripe: UInt8)
    /// Expect a child no more.
    case childReleased(RemoteID, stripe: UInt8)
    /// Stand by for a peer.
    case wardAdmitted(RemoteID)
    /// Stand by for it no more.
    case wardReleased(RemoteID)
    /// Keep a link to this peer, and turn to it should the parent fail; to nobody any more if nil.
    case standby(RemoteID?)
    /// Use a link.
    case linkOpened(LinkID, RemoteID, NeighbourRole, LinkMode)
    /// A link that is in use leads over a TURN server, or no longer.
    case linkRelayed(LinkID, Bool)
    /// Forget a link.
    case linkClosed(LinkID)
    /// Do without a link.
    case connectFailed(RemoteID, LossReason)
    /// What the server's clock shows: microseconds since 1970-01-01 UTC.
    case serverClock(UInt64)
    /// The tree is over.
    case treeEnded
    /// Hand the children over.
    case handOver

    // By the application.

    /// The tree is entered.
    case entered(tree: Text, id: Text)
    /// The server knows this peer by another id, that of its new socket.
    case renamed(id: Text)
    /// The tree is not entered.
    case entryFailed(EntryFailure)
    /// The source's own tree is gone.
    case treeLost
    /// The socket to the server is gone; the stream goes on.
    case serverLost
    /// It is back.
    case serverBack
    /// The server says that it is about to stop.
    case serverGoingAway
    /// The server refused something.
    case refused(code: Text, message: Text)
    /// What the server says of the source's tree, as JSON.
    case tree(Text)
    /// It is time for a report.
    case statusDue
    /// The server wants the source's newest pulse.
    case pulseWanted
    /// Left; nothing is open any more that needs time.
    case left
}

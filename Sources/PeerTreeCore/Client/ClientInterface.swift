/// What a host tells its client. A link has one number from the first output that names it to
/// ``ClientOutput/closeConnection(_:)``, after which whatever comes of it is passed over.
public enum ClientInput<Buffer: FrameBuffer> {
    // By the application.

    /// Enter a tree; nil makes a new one.
    case enter(Text?)
    /// Do not wait for an answer any longer.
    case cancelEntering
    /// Write a message; see ``Client/writability``. One that ``ClientConfiguration/checkMessage(bytes:)`` refuses is not.
    case publish(Buffer, MessageOptions)
    /// End the stream.
    case finish
    /// Everything up to this sequence number was taken.
    case consumed(through: UInt64)
    /// Find new paths for all links.
    case restartPaths
    /// Leave in order; ``ClientOutput/left`` follows.
    case leave
    /// Drop everything at once, with a word to the server.
    case stop

    // The source's key.

    /// The id that the server gave the socket which is about to be reported as open, and the host that was dialled. Of use
    /// to a source that signs.
    case serverNamed(socket: Text, host: Text)
    /// The host has signed what it was asked to.
    case signed(SignedThing, Signature)
    /// The host has checked a signature.
    case verified(ticket: UInt64, Bool)

    // The broadcast's secret.

    /// The ciphertext and the tag of what the host was asked to seal.
    case sealed(Buffer)
    /// What was sealed; nil if it is not authentic.
    case opened(Buffer?)

    // The socket to the server.

    /// It is open, under an id that the server has not seen before.
    case serverConnected
    /// It is gone; the host goes on trying to open another.
    case serverLost
    /// It could not be opened. `isFinal`: and will not be if it is tried again.
    case serverUnreachable(reason: Text, isFinal: Bool)
    /// An event came; see ``ServerEvent/init(_:_:)``.
    case server(ServerEvent)

    // Connections and data channels.

    /// The local description that was asked for is set.
    case described(LinkID, sdp: Text)
    /// A local candidate was found: the JSON of the W3C's `RTCIceCandidateInit`; nil after the last.
    case candidate(LinkID, Text?)
    /// The connection could not be made, or refused a description.
    case connectionFailed(LinkID)
    /// The path under the connection changed.
    case path(LinkID, PathState)
    /// Whether the path leads over a TURN server, at either end, is known, or has changed.
    case relayed(LinkID, Bool)
    /// The data channel is open.
    case channelOpened(LinkID)
    /// The data channel is closed, from either end.
    case channelClosed(LinkID)
    /// A message came.
    case received(LinkID, Buffer, isText: Bool)
    /// How many bytes wait in the channel's send queue: when that was asked for, and when it has become low.
    case buffered(LinkID, Int)
    /// The round-trip time that was asked for.
    case roundTrip(LinkID, TimeSpan)

    // The machine.

    /// The addresses of this host have changed. `isLost`: one is gone.
    case networkChanged(isLost: Bool)
    /// ``Client/deadline`` has come; with the time of day in microseconds since 1970-01-01 UTC.
    case tick(unixMicroseconds: UInt64)
}

/// What a client wants its host to do, in this order.
public enum ClientOutput<Buffer: FrameBuffer> {
    // The socket to the server.

    /// Emit an event: ``ClientEvent/name`` with ``ClientEvent/payload``, which is JSON.
    case emit(ClientEvent)
    /// Close the socket and open it again: its path is gone.
    case reconnectServer
    /// Close the socket.
    case disconnectServer

    // Connections and data channels.

    /// Make a connection and its data channel, and set an offer as local description. `iceServers`: a JSON list of the
    /// W3C's `RTCIceServer`, if the server gave one.
    case connect(LinkID, iceServers: Text?)
    /// Make a connection, set this offer, and set an answer as local description. The other end makes the channel.
    case accept(LinkID, offer: Text, iceServers: Text?)
    /// Set an offer with new ICE credentials as local description.
    case restart(LinkID)
    /// Set this answer.
    case takeAnswer(LinkID, sdp: Text)
    /// Set this further offer, and an answer as local description.
    case answer(LinkID, offer: Text)
    /// Add a remote candidate: the JSON of the W3C's `RTCIceCandidateInit`.
    case addCandidate(LinkID, Text)
    /// Send a frame of ours, as a binary message.
    case send(LinkID, Buffer)
    /// Send one whole message to a plain neighbour, as text or binary as it is marked.
    case sendMessage(LinkID, Message<Buffer>)
    /// Set `bufferedAmountLowThreshold`.
    case setLowThreshold(LinkID, Int)
    /// Say how many bytes wait in the send queue now.
    case askBuffered(LinkID)
    /// Say what round-trip time the connection has measured, if it has.
    case askRoundTrip(LinkID)
    /// Close the data channel; what was sent still goes out.
    case closeChannel(LinkID)
    /// Close the connection, and forget the link.
    case closeConnection(LinkID)

    // The source's key.

    /// Sign this with it (Ed25519), as its source; ``ClientInput/signed(_:_:)`` follows.
    case sign(SignedThing, statement: [UInt8])
    /// Say whether it has signed this; ``ClientInput/verified(ticket:_:)`` follows.
    case verify(ticket: UInt64, statement: [UInt8], signature: Signature)

    // The broadcast's secret. One message at a time is sealed, and one opened.

    /// Seal this; ``ClientInput/sealed(_:)`` follows.
    case seal(MessageSeal, Buffer)
    /// Open what is ciphertext and tag once its parts are put together; ``ClientInput/opened(_:)`` follows.
    case open(MessageSeal, [Buffer])

    // The application.

    /// The tree is entered, under this own id.
    case entered(tree: Text, id: Text)
    /// The server knows this client by another id, that of its new socket.
    case renamed(id: Text)
    /// The tree is not entered.
    case entryFailed(EntryFailure)
    /// The first link feeds: from the parent, or at the source to the first child.
    case connected
    /// A parent began to feed this peer.
    case upstream(Text)
    /// A child began to be fed by this peer.
    case downstream(Text)
    /// A neighbour's link is gone.
    case neighbourGone(Text, NeighbourRole)
    /// A message.
    case deliver(Message<Buffer>)
    /// Something will never come.
    case gap(Gap)
    /// Messages come that cannot be opened; said once for each reason.
    case unreadable(UnreadableReason)
    /// More may be published.
    case writable
    /// The stream is over; of a source: its tree is gone.
    case ended(StreamEnd)
    /// The stream is complete here and everywhere below.
    case subtreeComplete
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
    /// What was just reported to the server.
    case status(StatusReport)
    /// Left; the client is over.
    case left
}

/// Whether a client can publish.
public enum Writability: Equatable, Sendable {
    /// It can.
    case writable
    /// It can, but ought to wait for ``ClientOutput/writable``: the slowest child of a lossless stream is behind.
    case blocked
    /// It is in no tree.
    case notInTree
    /// It is a viewer.
    case notSource
    /// The stream was finished, or its tree is gone.
    case ended
}

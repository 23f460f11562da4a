/// A link between two peers: one data channel. The driver numbers them and never reuses a number.
public struct LinkID: Hashable, Sendable {
    /// The driver's number.
    public var rawValue: UInt32

    /// Makes an identifier of the driver's number.
    public init(_ rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// Another peer, as the driver numbers the ids of the signalling server.
public struct RemoteID: Hashable, Sendable {
    /// The driver's number.
    public var rawValue: UInt32

    /// Makes an identifier of the driver's number.
    public init(_ rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// Which end of a link the neighbour is.
public enum NeighbourRole: Sendable {
    /// It feeds this peer.
    case parent
    /// This peer feeds it.
    case child
}

/// What is spoken on a link.
public enum LinkMode: Sendable {
    /// Our frames.
    case native
    /// One data channel message per message and nothing else: an original JavaScript client.
    case plain
}

/// Why a neighbour was given up.
public enum LossReason: UInt8, CaseIterable, Sendable {
    /// Nothing was heard for ``PeerConfiguration/silenceTimeout``.
    case silent
    /// The link was closed under way.
    case closed
    /// The neighbour refused this peer.
    case refused
    /// No link came about.
    case unreachable
    /// Linked, but nothing was forwarded.
    case notForwarding
    /// One of the two was too slow.
    case slow
    /// It brought what the source has not signed.
    case forged
}

/// Why the stream ended for this peer.
public enum StreamEnd: Equatable, Sendable {
    /// Everything was received.
    case complete
    /// The source left or vanished before the end of the stream.
    case sourceLost
}

/// Why a message was not published.
public enum PublishError: Error, Equatable, Sendable {
    /// It is larger than ``PeerConfiguration/maximumMessageBytes``: cut it, or raise the limit at the source and all
    /// viewers.
    case messageTooLarge(bytes: Int, limit: Int)
}

/// Numbers that will not be delivered any more.
public struct Gap: Equatable, Sendable {
    /// What is missing; nil if the extent cannot be known: the stream was replaced by another, or this peer had to start
    /// over at a join point, since a neighbour had led it to where the stream never was.
    public var range: SequenceRange?
    /// Cut on purpose to catch up with live media, rather than lost.
    public var isSkip: Bool

    /// Makes it of both.
    public init(range: SequenceRange?, isSkip: Bool) {
        self.range = range
        self.isSkip = isSkip
    }
}

/// What a peer is told.
public enum PeerInput<Buffer: FrameBuffer> {
    /// The server assigned a parent for a stripe. `epoch` names the assignment in reports.
    case assigned(RemoteID, stripe: UInt8, epoch: UInt32)
    /// A data channel to a neighbour is open.
    case linkOpened(LinkID, RemoteID, NeighbourRole, LinkMode)
    /// The path of a link leads over a TURN server, or no longer.
    case relayed(LinkID, Bool)
    /// A data channel closed, for whatever reason.
    case linkClosed(LinkID)
    /// No data channel to an assigned parent came about.
    case connectFailed(RemoteID, LossReason)
    /// A data channel message came.
    case received(LinkID, Buffer, isText: Bool)
    /// The link's send queue shrank to so many bytes.
    case drained(LinkID, buffered: Int)
    /// How the server sees this peer. `slots`: how many children it may have, each counted once per stripe; nil if the
    /// server names no children, so that whoever comes is one. `depth`: hops below the source. Before the first word
    /// whoever comes is a child.
    case placed(slots: Int?, depth: UInt32)
    /// The server says that a peer may come as a child.
    case admitted(RemoteID, stripe: UInt8)
    /// The server says that a peer is no longer a child.
    case childReleased(RemoteID, stripe: UInt8)
    /// The server says who stands by for this peer, should its parent fail; nil if nobody does.
    case standby(RemoteID?)
    /// The server says that this peer stands by for another one, which may have a link.
    case wardAdmitted(RemoteID)
    /// The server says that it does so no more.
    case wardReleased(RemoteID)
    /// The application has taken everything up to this sequence number.
    case consumed(through: UInt64)
    /// The source's host has signed what it was asked to: the answer to ``PeerOutput/sign(_:statement:)``.
    case signed(SignedThing, Signature)
    /// The host has checked a signature: the answer to ``PeerOutput/verify(ticket:statement:signature:)``.
    case verified(ticket: UInt64, Bool)
    /// What the server's clock shows: microseconds since 1970-01-01 UTC.
    case serverClock(UInt64)
    /// The server says that the tree is over.
    case treeEnded
    /// The application wants to leave: hand over the children, then ``PeerOutput/left``.
    case leave
    /// The deadline was reached.
    case tick
}

/// What a peer wants done.
public enum PeerOutput<Buffer: FrameBuffer> {
    /// Open a data channel to this peer; report `linkOpened` or `connectFailed`.
    case connect(RemoteID)
    /// Give up an attempt to connect.
    case cancelConnect(RemoteID)
    /// Close the link once what was sent is out.
    case close(LinkID)
    /// Send a frame on a native link, as a binary message.
    case send(LinkID, Buffer)
    /// Send one whole message on a plain link.
    case sendMessage(LinkID, Message<Buffer>)
    /// So many bytes may wait in the link's send queue now: report `drained` at half of it. At first it is
    /// ``PeerConfiguration/highWater``.
    case sendLimit(LinkID, Int)
    /// Give a message to the application.
    case deliver(Message<Buffer>)
    /// Tell the application that something will never come.
    case gap(Gap)
    /// Tell the server: the assignment is carried out.
    case attached(stripe: UInt8, epoch: UInt32)
    /// Tell the server: the parent is lost, a new one is needed.
    case orphaned(stripe: UInt8, epoch: UInt32, LossReason)
    /// Tell the server: the parent is lost, and this peer has turned to its standby.
    case promoted(stripe: UInt8, epoch: UInt32, LossReason, RemoteID)
    /// Tell the server: a child's link died.
    case childLost(RemoteID, LossReason)
    /// A parent began to feed this peer.
    case upstream(RemoteID)
    /// A child began to be fed by this peer.
    case downstream(RemoteID, LinkID)
    /// A neighbour's link is gone.
    case neighbourGone(RemoteID, NeighbourRole)
    /// `publish` may be called again.
    case writable
    /// Sign this with the source's key (Ed25519); report `signed`. Nothing of a block goes out before.
    case sign(SignedThing, statement: [UInt8])
    /// Check that the source's key has signed this (Ed25519); report `verified`. What came on that link waits for it.
    case verify(ticket: UInt64, statement: [UInt8], signature: Signature)
    /// The stream is over for this peer.
    case ended(StreamEnd)
    /// It was not: a neighbour had said so, and a later parent has more.
    case resumed
    /// The stream is complete here and everywhere below; becomes untrue if a newcomer joins below.
    case subtreeComplete
    /// The hand-over after ``PeerInput/leave`` is finished.
    case left
}

/// What a peer counts.
public struct PeerCounters: Equatable, Sendable {
    /// Chunks taken in.
    public var chunksReceived: UInt64 = 0
    /// Bytes of those, headers included.
    public var bytesReceived: UInt64 = 0
    /// Chunks sent to children.
    public var chunksSent: UInt64 = 0
    /// Bytes of those, headers included.
    public var bytesSent: UInt64 = 0
    /// Messages given to the application.
    public var messagesDelivered: UInt64 = 0
    /// Chunks that were there already.
    public var duplicates: UInt64 = 0
    /// Frames dropped because they break the protocol.
    public var malformedFrames: UInt64 = 0
    /// Well-formed frames dropped because they make no sense from this neighbour.
    public var unexpectedFrames: UInt64 = 0
    /// Frames of a type that this version does not know.
    public var unknownFrames: UInt64 = 0
    /// Ranges asked for again.
    public var repairRequests: UInt64 = 0
    /// Chunks given up.
    public var chunksLost: UInt64 = 0
    /// Chunks that did not have to come, since they follow from the others of their row.
    public var chunksRebuilt: UInt64 = 0
    /// Messages too large to be put together.
    public var discardedChunks: UInt64 = 0
    /// Parents lost.
    public var parentsLost: UInt64 = 0
    /// Of those, given up because they did not forward what the standby had.
    public var starvations: UInt64 = 0
    /// Times this peer turned to its standby.
    public var promotions: UInt64 = 0
    /// Times the standby was asked for what the parent did not send.
    public var pulls: UInt64 = 0
    /// Children detached because they were too slow.
    public var slowChildren: UInt64 = 0
    /// Links closed because the server admitted nobody of that name.
    public var strangers: UInt64 = 0
    /// Times a child was cut back to a join point.
    public var skips: UInt64 = 0
    /// Links closed because they brought what the source has not signed.
    public var forgeries: UInt64 = 0
    /// Chunks dropped because the source signed two blocks of one number, and the other one came first.
    public var contradictions: UInt64 = 0
    /// Frames for which there was no room while the host was checking what came before.
    public var unprovenDrops: UInt64 = 0
    /// What the source did sign, but for another time: pulses long past, streams that others took the place of, retained
    /// messages that are not in force any more.
    public var staleStatements: UInt64 = 0

    /// All zero.
    public init() {}
}

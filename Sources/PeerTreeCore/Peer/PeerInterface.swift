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
public enum LossReason: UInt8, Sendable {
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
}

/// Why the stream ended for this peer.
public enum StreamEnd: Equatable, Sendable {
    /// Everything was received.
    case complete
    /// The source left or vanished before the end of the stream.
    case sourceLost
}

/// Numbers that will not be delivered any more.
public struct Gap: Equatable, Sendable {
    /// What is missing; nil if the stream was replaced by another and the extent cannot be known.
    public var range: SequenceRange?
    /// Cut on purpose to catch up with live media, rather than lost.
    public var isSkip: Bool
}

/// What a peer is told.
public enum PeerInput<Buffer: FrameBuffer> {
    /// The server assigned a parent for a stripe. `epoch` names the assignment in reports.
    case assigned(RemoteID, stripe: UInt8, epoch: UInt32)
    /// A data channel to a neighbour is open.
    case linkOpened(LinkID, RemoteID, NeighbourRole, LinkMode)
    /// A data channel closed, for whatever reason.
    case linkClosed(LinkID)
    /// No data channel to an assigned parent came about.
    case connectFailed(RemoteID, LossReason)
    /// A data channel message came.
    case received(LinkID, Buffer, isText: Bool)
    /// The link's send queue shrank to so many bytes.
    case drained(LinkID, buffered: Int)
    /// The server says that this peer is no longer a child.
    case childReleased(RemoteID)
    /// The application has taken everything up to this sequence number.
    case consumed(through: UInt64)
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
    /// Give a message to the application.
    case deliver(Message<Buffer>)
    /// Tell the application that something will never come.
    case gap(Gap)
    /// Tell the server: the assignment is carried out.
    case attached(stripe: UInt8, epoch: UInt32)
    /// Tell the server: the parent is lost, a new one is needed.
    case orphaned(stripe: UInt8, epoch: UInt32, LossReason)
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
    /// The stream is over for this peer.
    case ended(StreamEnd)
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
    /// Messages too large to be put together.
    public var discardedChunks: UInt64 = 0
    /// Parents lost.
    public var parentsLost: UInt64 = 0
    /// Children detached because they were too slow.
    public var slowChildren: UInt64 = 0
    /// Times a child was cut back to a join point.
    public var skips: UInt64 = 0

    /// All zero.
    public init() {}
}

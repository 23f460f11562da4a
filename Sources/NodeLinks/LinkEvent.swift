package import NIOCore

/// What a node hears of its link to one other.
package enum LinkEvent: Hashable, Sendable {
    /// Frames can be sent, and are numbered from 1. The other process is a new one, or the session before has ended.
    case sessionStarted(LinkID)
    /// Nothing comes of this session any more, and what is named was not acknowledged: the other may have got it or not.
    case sessionEnded(SessionEnd, lost: Range<UInt64>)
    case received(ByteBuffer)
    /// Whether to go on sending.
    case isWritable(Bool)
    /// Something was heard of the other node, for the first time or again.
    case reachable
    /// Nothing was heard of it since then: of a node never heard of, since the link was added. The session, if there is
    /// one, waits.
    case unreachable(since: NIODeadline)
    /// A connection came to nothing, or was ended. Attempts go on.
    case refused(LinkRefusal, by: Refuser)
    /// An attempt to connect failed; in the words of the system.
    case dialFailed(String)

    package enum Refuser: Sendable {
        case this
        case other
    }
}

/// Why a session is over.
package enum SessionEnd: Sendable {
    /// The other node's process is a new one.
    case restarted
    /// The other node knows nothing of the session: it has ended it.
    case forgotten
    /// More was sent than ``LinkOptions/maximumQueuedBytes`` or ``LinkOptions/maximumQueuedFrames``.
    case overflow
    /// The other node acknowledged what was never sent.
    case violation
    /// The link was removed here.
    case removed
}

/// Why a payload was not taken.
package enum LinkError: Error, Hashable, CustomStringConvertible {
    /// No link to a node of that name was added.
    case unknownNode(NodeName)
    /// The node has never been reached, or its process has ended: wait for ``LinkEvent/sessionStarted(_:)``.
    case noSession(NodeName)
    /// The payload is longer than ``LinkOptions/maximumPayloadBytes``.
    case tooLong(bytes: Int, limit: Int)
    /// The queue is full, and the session thereby over.
    case overflow(NodeName)

    package var description: String {
        switch self {
        case .unknownNode(let name): "there is no link to a node '\(name)'"
        case .noSession(let name): "the link to '\(name)' has no session: wait until it has started"
        case .tooLong(let bytes, let limit): "a payload of \(bytes) bytes is longer than the \(limit) that a link takes"
        case .overflow(let name): "more was sent to '\(name)' than may wait: the session is over"
        }
    }
}

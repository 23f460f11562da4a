public import NIOCore

/// What an association tells its owner.
public enum AssociationEvent: Equatable, Sendable {
    /// It is up. So many streams there are in each direction.
    case connected(outgoingStreams: Int, incomingStreams: Int)
    /// A whole message.
    case message(stream: UInt16, protocolIdentifier: UInt32, payload: ByteBuffer)
    /// The other side has reset these streams of its own (RFC 6525): their next messages are the first of new ones.
    case incomingReset([UInt16])
    /// These streams of this side have been reset.
    case outgoingReset([UInt16])
    /// The other side refused to take note that these streams are reset, or knows no resets.
    case resetFailed([UInt16])
    /// It is over. Nothing follows.
    case closed(AssociationEnd)
}

/// Why an association ended.
public enum AssociationEnd: Equatable, Sendable, CustomStringConvertible {
    /// Shut down in order, by either side, and all that had been sent has arrived.
    case shutDown
    /// This side gave up, for this reason.
    case aborted(String)
    /// The other side gave up. The causes it named, as text.
    case abortedByPeer(String)
    /// The other side began anew (RFC 9260 section 5.2.4, action A): what was under way is lost.
    case restarted
    /// No answer for so long.
    case timedOut
    /// The other side did what no sound implementation does.
    case protocolViolation(String)

    /// A sentence for a log.
    public var description: String {
        switch self {
        case .shutDown: "the association was shut down"
        case .aborted(let reason): reason
        case .abortedByPeer(let causes): "the peer aborted the association: \(causes)"
        case .restarted: "the peer restarted the association"
        case .timedOut: "the peer did not answer for too long"
        case .protocolViolation(let reason): "the peer broke the rules: \(reason)"
        }
    }
}

/// Why something was not sent.
public enum SendError: Error, Equatable, CustomStringConvertible {
    /// The association is over, or about to be.
    case closed
    /// The stream's number is not below the number of streams.
    case invalidStream(UInt16, limit: Int)
    /// There are no empty messages in SCTP.
    case emptyMessage

    /// What is wrong, and what to do.
    public var description: String {
        switch self {
        case .closed: "the association is closed: nothing can be sent any more"
        case .invalidStream(let stream, let limit): "stream \(stream) does not exist: use one below \(limit)"
        case .emptyMessage: "an SCTP message has at least one byte"
        }
    }
}

/// A message to be sent.
public struct OutgoingMessage: Sendable {
    /// On which stream.
    public var stream: UInt16
    /// What the payload is, for the other side's application (RFC 9260 section 3.3.1).
    public var protocolIdentifier: UInt32
    /// At least one byte. Shared until it is acknowledged, not copied.
    public var payload: ByteBuffer
    /// Whether it arrives in the order of the stream's ordered messages. Default true.
    public var isOrdered = true
    /// How long it is worth sending. Default `.reliable`.
    public var reliability = Reliability.reliable
    /// Whether its bytes count in `Association.bufferedBytes` and what follows from it. Default true; false for what the
    /// owner sends on its own account.
    public var isCounted = true

    /// A reliable, ordered message.
    public init(stream: UInt16, protocolIdentifier: UInt32, payload: ByteBuffer) {
        self.stream = stream
        self.protocolIdentifier = protocolIdentifier
        self.payload = payload
    }
}

/// When a message is given up (RFC 3758, RFC 7496).
public enum Reliability: Hashable, Sendable {
    /// Never.
    case reliable
    /// When it has not arrived by then.
    case until(NIODeadline)
    /// When one of its parts has been lost more often than that.
    case retransmissions(UInt16)
}

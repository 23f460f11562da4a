/// Why a channel refused, or was lost.
public enum DataChannelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `send` before the channel is open.
    case notOpen
    /// The channel or its connection is closing or closed.
    case closed
    /// The connection failed under the channel; why.
    case connectionLost(String)
    /// Larger than the peer accepts, or than `maximumMessageSize`.
    case messageTooLarge(size: Int, limit: Int)
    /// `maximumBufferedAmount` is reached: wait for `onBufferedAmountLow`.
    case bufferFull(limit: Int)
    /// A label, subprotocol or id that cannot be.
    case invalidConfiguration(String)
    /// More channels than the connection takes.
    case tooManyChannels(limit: Int)
    /// The task that waited was cancelled; nothing was sent.
    case cancelled

    /// A sentence with the value that was wrong.
    public var description: String {
        switch self {
        case .notOpen: "the data channel is not open yet: wait for onOpen"
        case .closed: "the data channel is closed"
        case .connectionLost(let reason): "the connection was lost: \(reason)"
        case .messageTooLarge(let size, let limit): "a message of \(size) bytes is larger than the limit of \(limit)"
        case .bufferFull(let limit): "\(limit) bytes are buffered already: wait for onBufferedAmountLow"
        case .invalidConfiguration(let reason): reason
        case .tooManyChannels(let limit): "the limit of \(limit) data channels is reached: raise maximumDataChannels"
        case .cancelled: "the task was cancelled while it waited to send"
        }
    }
}

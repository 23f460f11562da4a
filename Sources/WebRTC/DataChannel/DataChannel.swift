public import NIOCore

/// A channel for messages, after the W3C `RTCDataChannel`. Lives on the transport's event loop.
public final class DataChannel {
    /// `readyState` became `open`.
    public var onOpen: (() -> Void)?
    /// A message came.
    public var onMessage: ((ByteBuffer, DataChannelMessageKind) -> Void)?
    /// `bufferedAmount` fell from above `bufferedAmountLowThreshold` to it or below.
    public var onBufferedAmountLow: (() -> Void)?
    /// `readyState` became `closed`. Called once.
    public var onClose: (() -> Void)?
    /// Something went wrong; `onClose` follows.
    public var onError: ((DataChannelError) -> Void)?

    /// The name its creator gave it.
    public let label: String
    /// How the channel behaves: what its creator asked for, on both sides.
    public let configuration: DataChannelConfiguration
    /// The subprotocol's name.
    public var subprotocol: String { self.configuration.subprotocol }
    /// Whether messages arrive in the order sent.
    public var ordered: Bool { self.configuration.ordered }
    /// Whether and how long lost messages are sent again.
    public var reliability: DataChannelReliability { self.configuration.reliability }
    /// The channel's share of the connection.
    public var priority: DataChannelPriority { self.configuration.priority }
    /// Whether the application agreed on the stream by other means.
    public var negotiated: Bool { self.configuration.negotiatedID != nil }
    /// The SCTP stream, once known.
    public internal(set) var id: UInt16?
    /// The state of the channel.
    public internal(set) var readyState = DataChannelState.connecting
    /// Bytes given to `send` that have not been put on the wire. Stays as it is when the channel closes.
    public internal(set) var bufferedAmount = 0
    /// See `onBufferedAmountLow`. Default 0.
    public var bufferedAmountLowThreshold = 0

    /// The peer has confirmed the channel. Until then even an unordered one sends in order (RFC 8832 section 6).
    var isAcknowledged = false
    var traffic = Traffic()
    /// Held until the channel closes, so that a channel is never without a connection while it may need one.
    var connection: PeerConnection?
    var isLowDue = false
    /// In its connection's list of channels that have something to raise, or are to be closed.
    var isNoted = false

    /// What went over the channel, for the statistics.
    struct Traffic {
        var sentMessages: UInt64 = 0
        var sentBytes: UInt64 = 0
        var receivedMessages: UInt64 = 0
        var receivedBytes: UInt64 = 0
    }

    init(label: String, configuration: DataChannelConfiguration, connection: PeerConnection) {
        self.label = label
        self.configuration = configuration
        self.connection = connection
    }

    /// Closes the channel once everything queued has been sent. Idempotent.
    public func close() {
        switch self.readyState {
        case .closing, .closed:
            return
        case .connecting where self.id == nil:
            self.connection?.forget(unassigned: self)
            self.becomeClosed()
        case .connecting, .open:
            self.readyState = .closing
            self.note()
        }
    }

    // MARK: - Called by the connection

    func becomeOpen() {
        guard self.readyState == .connecting else { return }
        self.readyState = .open
        self.connection?.streams.openedChannels &+= 1
        self.onOpen?()
    }

    func becomeClosed(error: DataChannelError? = nil) {
        guard self.readyState != .closed else { return }
        let wasOpen = self.readyState != .connecting
        self.readyState = .closed
        self.dropQueue()
        if wasOpen { self.connection?.streams.closedChannels &+= 1 }
        if let error { self.onError?(error) }
        self.onClose?()
        // Whoever captured the channel in its own closures would keep it for ever.
        self.connection = nil
        (self.onOpen, self.onMessage, self.onBufferedAmountLow, self.onClose, self.onError) = (nil, nil, nil, nil, nil)
    }

    func receive(_ message: ByteBuffer, as kind: DataChannelMessageKind) {
        // An acknowledgement may be overtaken by data of an unordered channel: data proves as much.
        self.isAcknowledged = true
        guard self.readyState == .open else { return }
        self.traffic.receivedMessages &+= 1
        self.traffic.receivedBytes &+= UInt64(message.readableBytes)
        self.onMessage?(message, kind)
    }

    /// Raises what is due; true when the channel is to be closed once it has sent all it had.
    func raiseDue() -> Bool {
        if self.isLowDue {
            self.isLowDue = false
            if self.bufferedAmount <= self.bufferedAmountLowThreshold { self.onBufferedAmountLow?() }
        }
        return self.readyState == .closing
    }

    /// Asks the connection to look at this channel at the end of the tick.
    func note() {
        guard let connection = self.connection else { return }
        if !self.isNoted {
            self.isNoted = true
            connection.streams.noted.append(self)
        }
        connection.transport.markDirty(connection)
    }
}

public import NIOCore

/// How a channel behaves (W3C `RTCDataChannelInit`).
public struct DataChannelConfiguration: Hashable, Sendable {
    /// Whether messages arrive in the order sent. Default true.
    public var ordered = true
    /// Whether and how long lost messages are sent again. Default `.reliable`.
    public var reliability = DataChannelReliability.reliable
    /// The subprotocol's name (W3C `protocol`). Default empty.
    public var subprotocol = ""
    /// The stream, if the application agreed on it by other means (W3C `negotiated` with `id`). Default nil: the
    /// channel is announced to the peer in band.
    public var negotiatedID: UInt16?

    /// An ordered, reliable channel, announced in band.
    public init() {}
}

/// The state of a channel (W3C `RTCDataChannelState`).
public enum DataChannelState: String, Hashable, Sendable {
    /// Not usable yet.
    case connecting
    /// Usable.
    case open
    /// Waiting until everything queued has been sent.
    case closing
    /// Over.
    case closed
}

/// What a message is to the peer's application.
public enum DataChannelMessageKind: Hashable, Sendable {
    /// UTF-8 text (a JavaScript string).
    case text
    /// Bytes (a JavaScript ArrayBuffer or Blob).
    case binary
}

/// Why a channel refused.
public enum DataChannelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `send` before the channel is open.
    case notOpen
    /// The channel or its connection is closing or closed.
    case closed
    /// Larger than the peer accepts, or than `maximumMessageSize`.
    case messageTooLarge(size: Int, limit: Int)
    /// `maximumBufferedAmount` is reached: wait for `onBufferedAmountLow`.
    case bufferFull(limit: Int)
    /// A label, subprotocol or id that cannot be.
    case invalidConfiguration(String)
    /// More channels than the connection takes.
    case tooManyChannels(limit: Int)
    /// The SCTP stack refused the message; its `errno`.
    case transport(code: Int32)

    /// A sentence with the value that was wrong.
    public var description: String {
        switch self {
        case .notOpen: "the data channel is not open yet: wait for onOpen"
        case .closed: "the data channel is closed"
        case .messageTooLarge(let size, let limit): "a message of \(size) bytes is larger than the limit of \(limit)"
        case .bufferFull(let limit): "\(limit) bytes are buffered already: wait for onBufferedAmountLow"
        case .invalidConfiguration(let reason): reason
        case .tooManyChannels(let limit): "there are already \(limit) data channels"
        case .transport(let code): "SCTP refused the message (errno \(code))"
        }
    }
}

/// A channel for messages, after the W3C `RTCDataChannel`. Lives on the transport's event loop.
public final class DataChannel {
    /// `readyState` became `open`.
    public var onOpen: (() -> Void)?
    /// A message came.
    public var onMessage: ((ByteBuffer, DataChannelMessageKind) -> Void)?
    /// `bufferedAmount` fell to `bufferedAmountLowThreshold` or below.
    public var onBufferedAmountLow: (() -> Void)?
    /// `readyState` became `closed`. Called once.
    public var onClose: (() -> Void)?
    /// Something went wrong; `onClose` follows.
    public var onError: ((DataChannelError) -> Void)?

    /// The name its creator gave it.
    public let label: String
    /// The subprotocol's name.
    public let subprotocol: String
    /// Whether messages arrive in the order sent.
    public let ordered: Bool
    /// Whether and how long lost messages are sent again.
    public let reliability: DataChannelReliability
    /// The SCTP stream, once known.
    public internal(set) var id: UInt16?
    /// The state of the channel.
    public private(set) var readyState = DataChannelState.connecting
    /// Bytes given to `send` that have not been put on the wire: what waits here and what waits in SCTP's send buffer.
    public private(set) var bufferedAmount = 0
    /// See `onBufferedAmountLow`. Default 0.
    public var bufferedAmountLowThreshold = 0

    /// The peer has confirmed the channel. Until then even an unordered one sends in order (RFC 8832 section 6).
    var isAcknowledged = false
    var hasResetSent = false
    /// Held until the channel closes, so that a channel is never without a connection while it may need one.
    private var connection: PeerConnection?
    /// What SCTP's send buffer has no room for.
    private var queue = CircularBuffer<(message: ByteBuffer, ppid: UInt32, bytes: Int)>()
    private var isLowDue = false
    private var isResetRequested = false

    init(label: String, configuration: DataChannelConfiguration, connection: PeerConnection) {
        self.label = label
        self.subprotocol = configuration.subprotocol
        self.ordered = configuration.ordered
        self.reliability = configuration.reliability
        self.connection = connection
    }

    /// Sends one message, or queues it.
    ///
    /// - Throws: `DataChannelError`; then nothing was sent or queued.
    public func send(_ message: ByteBuffer, as kind: DataChannelMessageKind = .binary) throws(DataChannelError) {
        switch self.readyState {
        case .connecting: throw .notOpen
        case .open: break
        case .closing, .closed: throw .closed
        }
        let size = message.readableBytes
        guard let connection = self.connection else { throw .closed }
        let limit = connection.maximumSendSize
        guard size <= limit else { throw .messageTooLarge(size: size, limit: limit) }
        let capacity = connection.transport.configuration.maximumBufferedAmount
        guard self.queue.isEmpty || self.bufferedAmount + size <= capacity else { throw .bufferFull(limit: capacity) }
        // SCTP has no empty messages: one zero byte and a protocol identifier of its own (RFC 8831 section 6.6).
        switch (kind, size) {
        case (.binary, 0): try self.submit(Self.emptyMessage, PayloadProtocol.binaryEmpty, bytes: 0)
        case (.binary, _): try self.submit(message, PayloadProtocol.binary, bytes: size)
        case (.text, 0): try self.submit(Self.emptyMessage, PayloadProtocol.stringEmpty, bytes: 0)
        case (.text, _): try self.submit(message, PayloadProtocol.string, bytes: size)
        }
        connection.traffic.sentMessages &+= 1
    }

    /// Sends one text message.
    ///
    /// - Throws: `DataChannelError`; then nothing was sent or queued.
    public func send(_ text: String) throws(DataChannelError) {
        try self.send(ByteBuffer(string: text), as: .text)
    }

    /// Closes the channel once everything queued has been sent. Idempotent.
    public func close() {
        switch self.readyState {
        case .closing, .closed:
            return
        case .connecting where self.id == nil:
            self.connection?.unassigned.removeAll { $0 === self }
            self.becomeClosed()
        case .connecting, .open:
            self.readyState = .closing
            self.markDirty()
        }
    }

    // MARK: - Called by the connection

    private static let emptyMessage = ByteBuffer(bytes: [0])

    /// A control message of the channel itself; always reliable and in order, and not counted as buffered.
    func sendControl(_ message: DCEPMessage) {
        do throws(DataChannelError) {
            try self.submit(message.encoded(), PayloadProtocol.dcep, bytes: 0)
        } catch {
            self.becomeClosed(error: error)
        }
    }

    func becomeOpen(announcing: Bool) {
        guard self.readyState == .connecting else { return }
        self.readyState = .open
        if announcing { self.onOpen?() }
    }

    func announceOpen() {
        if self.readyState == .open { self.onOpen?() }
    }

    func becomeClosed(error: DataChannelError? = nil) {
        guard self.readyState != .closed else { return }
        self.readyState = .closed
        self.queue.removeAll()
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
        self.onMessage?(message, kind)
    }

    func transmitted(_ bytes: Int) {
        guard bytes > 0 else { return }
        let before = self.bufferedAmount
        self.bufferedAmount -= min(bytes, before)
        let threshold = self.bufferedAmountLowThreshold
        if before > threshold, self.bufferedAmount <= threshold { self.isLowDue = true }
    }

    var needsService: Bool {
        !self.queue.isEmpty || self.isLowDue || (self.readyState == .closing && !self.isResetRequested)
    }

    /// Moves the queue on, and raises what is due.
    func service() {
        while let first = self.queue.first {
            switch self.hand(first.message, first.ppid) {
            case .sent:
                self.queue.removeFirst()
                continue
            case .wouldBlock:
                break
            case .failed(let code):
                self.queue.removeAll()
                self.onError?(.transport(code: code))
                self.close()
            }
            break
        }
        if self.isLowDue {
            self.isLowDue = false
            if self.bufferedAmount <= self.bufferedAmountLowThreshold { self.onBufferedAmountLow?() }
        }
        if self.readyState == .closing, self.queue.isEmpty, !self.isResetRequested, let id = self.id {
            self.isResetRequested = true
            self.connection?.pendingResets.insert(id)
        }
    }

    private func submit(_ message: ByteBuffer, _ ppid: UInt32, bytes: Int) throws(DataChannelError) {
        if self.queue.isEmpty {
            switch self.hand(message, ppid) {
            case .sent:
                self.bufferedAmount += bytes
                return self.markDirty()
            case .failed(let code):
                throw .transport(code: code)
            case .wouldBlock:
                break
            }
        }
        self.bufferedAmount += bytes
        self.queue.append((message, ppid, bytes))
        self.markDirty()
    }

    private func markDirty() {
        guard let connection = self.connection else { return }
        connection.transport.markDirty(connection)
    }

    private func hand(_ message: ByteBuffer, _ ppid: UInt32) -> SCTPAssociation.SendResult {
        guard let association = self.connection?.association, let id = self.id else { return .wouldBlock }
        let isControl = ppid == PayloadProtocol.dcep
        return association.send(
            message,
            stream: id,
            ppid: ppid,
            reliability: isControl ? .reliable : self.reliability,
            ordered: isControl || self.ordered || !self.isAcknowledged
        )
    }
}

/// How a channel behaves (W3C `RTCDataChannelInit`).
public struct DataChannelConfiguration: Hashable, Sendable {
    /// Whether messages arrive in the order sent. Default true.
    public var ordered: Bool
    /// Whether and how long lost messages are sent again (W3C `maxRetransmits`, `maxPacketLifeTime`). Default
    /// `.reliable`.
    public var reliability: DataChannelReliability
    /// The subprotocol's name (W3C `protocol`), at most 65,535 bytes. Default empty.
    public var subprotocol: String
    /// The share of the connection that the channel gets while others wait, too. Default `.low`, as in W3C.
    public var priority: DataChannelPriority
    /// The stream, if the application agreed on it by other means (W3C `negotiated` with `id`), at most 65,534. Default
    /// nil: the channel is announced to the peer in band.
    public var negotiatedID: UInt16?

    /// An ordered, reliable channel that is announced in band, unless told otherwise.
    public init(
        ordered: Bool = true,
        reliability: DataChannelReliability = .reliable,
        subprotocol: String = "",
        priority: DataChannelPriority = .low,
        negotiatedID: UInt16? = nil
    ) {
        self.ordered = ordered
        self.reliability = reliability
        self.subprotocol = subprotocol
        self.priority = priority
        self.negotiatedID = negotiatedID
    }
}

/// The weight of a channel among those of its connection (RFC 8831 section 6.4, W3C `RTCPriorityType`): while several
/// have messages waiting, each is sent bytes in proportion to its weight.
public struct DataChannelPriority: RawRepresentable, Hashable, Sendable {
    /// W3C `very-low`, RFC 8831 "below normal": 128.
    public static let veryLow = DataChannelPriority(rawValue: 128)
    /// W3C `low`, RFC 8831 "normal": 256.
    public static let low = DataChannelPriority(rawValue: 256)
    /// W3C `medium`, RFC 8831 "high": 512.
    public static let medium = DataChannelPriority(rawValue: 512)
    /// W3C `high`, RFC 8831 "extra high": 1024.
    public static let high = DataChannelPriority(rawValue: 1024)

    /// The weight as it travels in DCEP. 0 counts as 1.
    public var rawValue: UInt16

    /// Any weight; the named ones are what browsers use.
    public init(rawValue: UInt16) { self.rawValue = rawValue }
}

/// The state of a channel (W3C `RTCDataChannelState`).
public enum DataChannelState: String, Hashable, Sendable {
    /// Not usable yet.
    case connecting
    /// Usable.
    case open
    /// Waiting until everything queued has been sent, and the peer has closed its side.
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

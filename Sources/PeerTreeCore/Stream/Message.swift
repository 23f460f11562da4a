/// What the source wrote in one piece, as a viewer gets it.
public struct Message<Buffer: FrameBuffer> {
    /// The payload in order; more than one part if the message was cut into chunks. Concatenate them.
    public var parts: [Buffer]
    /// Position of the message's first chunk in the stream.
    public var sequence: UInt64
    /// Position of its last chunk: report it back by `consumed` once the application has taken the message.
    public var lastSequence: UInt64
    /// The source's clock when it was written: microseconds since 1970-01-01 UTC.
    public var timestamp: UInt64
    /// Text rather than bytes.
    public var isText: Bool
    /// A viewer can start here.
    public var isJoinPoint: Bool
    /// The key under which the newest message is kept for newcomers; nil for an ordinary message.
    public var retainedKey: UInt16?
    /// The source encrypted the payload: hosts open it, the core and relays carry it as it is.
    public var isEncrypted = false

    /// The number of payload bytes.
    public var count: Int {
        parts.reduce(0) { $0 + $1.count }
    }
}

/// How the source marks a message.
public struct MessageOptions: Equatable, Sendable {
    /// The application writes text, not bytes.
    public var isText: Bool
    /// A viewer can start with this message.
    public var isJoinPoint: Bool
    /// Keep the newest message under this key and give it to every newcomer first.
    public var retainedKey: UInt16?
    /// The payload is encrypted. Clients set it by themselves where they have a secret.
    public var isEncrypted: Bool

    /// Marks for a message; the default is an ordinary binary message.
    public init(
        isText: Bool = false,
        isJoinPoint: Bool = false,
        retainedKey: UInt16? = nil,
        isEncrypted: Bool = false
    ) {
        self.isText = isText
        self.isJoinPoint = isJoinPoint
        self.retainedKey = retainedKey
        self.isEncrypted = isEncrypted
    }
}

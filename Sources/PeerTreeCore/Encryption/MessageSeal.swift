/// With what a message is sealed, or opened: AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869) makes of
/// the broadcast's secret, salted with the stream's id, for the purpose ``purpose``. The host has the secret and computes.
///
/// A sealed message is the stream's id, the ciphertext and the tag. The nonce is the number of the message's first chunk,
/// which no stream uses twice; id, number and marks are authenticated with the payload. `Protocol.md` shows it byte by byte.
public struct MessageSeal: Equatable, Sendable {
    /// How many bytes the tag has that follows the ciphertext.
    public static let tagLength = 16
    /// How many bytes a sealed message is longer than the message.
    public static let overhead = streamIDLength + tagLength
    /// What the key is derived for: the info of HKDF.
    public static let purpose: StaticString = "peer-tree message 1"

    static let streamIDLength = 16

    /// What is not secret, and may not be changed either: the stream's id, the number and the marks.
    public let authenticated: [UInt8]

    /// For the message of a stream whose first chunk has this number. `options.isEncrypted` is of no matter here.
    init(streamID: SignedStreamID, sequence: UInt64, _ options: MessageOptions) {
        var marks: UInt8 = 0
        if options.isText { marks |= 1 }
        if options.isJoinPoint { marks |= 2 }
        if options.retainedKey != nil { marks |= 4 }
        var writer = WireWriter(capacity: 27)
        streamID.write(to: &writer)
        writer.uint64(sequence)
        writer.uint8(marks)
        writer.uint16(options.retainedKey ?? 0)
        authenticated = writer.bytes
    }

    /// The salt of the key, 16 bytes.
    public var streamID: [UInt8] { Array(authenticated[..<Self.streamIDLength]) }

    /// The nonce, 12 bytes.
    public var nonce: [UInt8] { [0, 0, 0, 0] + authenticated[Self.streamIDLength..<Self.streamIDLength + 8] }
}

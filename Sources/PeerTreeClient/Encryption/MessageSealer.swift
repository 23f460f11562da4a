import NIOCore
import PeerTreeCore

/// The source's end of an encrypted broadcast.
struct MessageSealer {
    private let secret: BroadcastSecret
    private var cipher: MessageCipher
    /// The least number that this stream's key has not been used with.
    private var unused: UInt64 = 0
    private var random = SystemRandomNumberGenerator()

    init(_ secret: BroadcastSecret) {
        self.secret = secret
        cipher = MessageCipher(secret, streamID: Self.drawStreamID(&random))
    }

    /// A payload as it travels, from the chunk `sequence` on. Where the numbers begin again, so does the stream: no key
    /// meets a number twice.
    mutating func seal(_ payload: ByteBuffer, _ options: inout MessageOptions, sequence: UInt64) throws -> ByteBuffer {
        if sequence < unused { cipher = MessageCipher(secret, streamID: Self.drawStreamID(&random)) }
        unused = sequence + 1
        options.isEncrypted = true
        return try cipher.seal(payload, options, sequence: sequence)
    }

    private static func drawStreamID(_ random: inout some RandomNumberGenerator) -> [UInt8] {
        (0..<MessageCipher.streamIDLength).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}

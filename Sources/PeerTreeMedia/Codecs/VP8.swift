import NIOCore

/// The size that a VP8 key frame says (RFC 6386, section 9.1).
struct VP8KeyFrame: Equatable {
    var width: Int
    var height: Int

    /// Reads the head of a frame; nil if it is no key frame.
    init?(_ frame: ByteBuffer) {
        guard let bytes = frame.getBytes(at: frame.readerIndex, length: 10), bytes[0] & 1 == 0,
            bytes[3...5] == [0x9D, 0x01, 0x2A]
        else { return nil }
        width = Int(bytes[7] & 0x3F) << 8 | Int(bytes[6])
        height = Int(bytes[9] & 0x3F) << 8 | Int(bytes[8])
    }
}

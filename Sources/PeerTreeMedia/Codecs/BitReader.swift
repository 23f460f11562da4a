import NIOCore

/// Reads a few bits from the beginning of a frame, most significant first. Beyond the end it reads nil.
struct BitReader {
    private let bytes: ByteBufferView
    private var position = 0

    init(_ bytes: ByteBuffer) {
        self.bytes = bytes.readableBytesView
    }

    /// The next bits, at most 32.
    mutating func bits(_ count: Int) -> UInt32? {
        guard position + count <= bytes.count * 8 else { return nil }
        var value: UInt32 = 0
        for _ in 0..<count {
            let byte = bytes[bytes.startIndex + position / 8]
            value = value << 1 | UInt32(byte >> UInt8(7 - position % 8) & 1)
            position += 1
        }
        return value
    }

    mutating func flag() -> Bool? {
        bits(1).map { $0 == 1 }
    }
}

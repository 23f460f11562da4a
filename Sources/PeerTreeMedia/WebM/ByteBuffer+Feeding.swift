import NIOCore

extension ByteBuffer {
    /// Takes the next bytes of a stream behind those that are not used yet. Without any of these nothing is copied.
    mutating func feed(_ bytes: ByteBuffer) {
        if readableBytes == 0 {
            self = bytes
        } else {
            // Moves at most once per piece that is taken: afterwards the reader index is zero until the next one.
            if readerIndex > 0 { discardReadBytes() }
            writeImmutableBuffer(bytes)
        }
    }
}

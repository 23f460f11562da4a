package import NIOCore

/// Cuts a stream of bytes into frames. Holds at most one frame that is not complete, and what came last.
package struct FrameReader: Sendable {
    private var pending = ByteBuffer()
    /// Whether nobody else has a part of the storage, so that appending does not copy it.
    private var isOwn = false

    package init() {}

    /// Adds what came.
    package mutating func append(_ bytes: ByteBuffer) {
        guard pending.readableBytes > 0 else {
            (pending, isOwn) = (bytes, false)
            return
        }
        if !isOwn {
            var own = ByteBufferAllocator().buffer(capacity: pending.readableBytes + bytes.readableBytes)
            own.writeImmutableBuffer(pending)
            (pending, isOwn) = (own, true)
        }
        pending.writeImmutableBuffer(bytes)
    }

    /// The next frame without its length, nil if it is not complete.
    ///
    /// - Throws: ``LinkViolation`` if a frame is longer than `limit` or has no byte: nothing behind it makes sense.
    package mutating func next(limit: Int) throws(LinkViolation) -> ByteBuffer? {
        guard let length = pending.getInteger(at: pending.readerIndex, as: UInt32.self) else { return nil }
        guard length > 0 else { throw .empty }
        guard length <= limit else { throw .tooLong(bytes: Int(length), limit: limit) }
        let whole = LinkFrame.lengthBytes + Int(length)
        guard pending.readableBytes >= whole else { return nil }
        pending.moveReaderIndex(forwardBy: LinkFrame.lengthBytes)
        isOwn = false
        return pending.readSlice(length: Int(length))
    }

    /// Bytes that wait for more.
    package var pendingBytes: Int { pending.readableBytes }
}

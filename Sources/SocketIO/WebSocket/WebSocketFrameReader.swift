package import NIOCore

/// Cuts a stream of bytes into the frames of RFC 6455, section 5.2, and takes their masks off.
///
/// Between frames it holds no memory. A frame that arrives in pieces costs what has arrived of it, whatever length its
/// header claims.
package struct WebSocketFrameReader {
    /// A frame as the next layer sees it.
    package struct Frame: Hashable {
        package var isFinal: Bool
        package var hasReservedBits: Bool
        package var opcode: WebSocketFrameOpcode
        package var isMasked: Bool
        /// Without its mask; storage of its own.
        package var payload: ByteBuffer
    }

    /// The part of a frame before its payload.
    private struct Header {
        var flags: UInt8
        var isMasked: Bool
        var mask: UInt32
        var length: Int
        /// Bytes of the header itself.
        var size: Int
    }

    private var unread = ByteBuffer()
    private var isBroken = false
    private let maximumFrameSize: Int

    private static let longestControlPayload = 125

    /// - Parameter maximumFrameSize: The longest payload that is taken, in bytes.
    package init(maximumFrameSize: Int) { self.maximumFrameSize = maximumFrameSize }

    /// Takes in what has arrived.
    package mutating func append(_ bytes: ByteBuffer) {
        guard !isBroken else { return }
        if unread.readableBytes == 0 {
            unread = bytes
        } else {
            unread.writeImmutableBuffer(bytes)
        }
    }

    /// The next complete frame, or nil until more has arrived. After an error there is none any more.
    package mutating func next() throws(WebSocketProtocolError) -> Frame? {
        guard !isBroken else { return nil }
        do throws(WebSocketProtocolError) {
            guard let header = try readHeader(), unread.readableBytes >= header.size + header.length else {
                keepRemainder()
                return nil
            }
            unread.moveReaderIndex(forwardBy: header.size)
            return Frame(
                isFinal: header.flags & 0x80 != 0,
                hasReservedBits: header.flags & 0x70 != 0,
                opcode: WebSocketFrameOpcode(rawValue: header.flags & 0x0F),
                isMasked: header.isMasked,
                payload: readPayload(header)
            )
        } catch {
            isBroken = true
            unread = ByteBuffer()
            throw error
        }
    }

    private func readHeader() throws(WebSocketProtocolError) -> Header? {
        let start = unread.readerIndex
        guard let (flags, second) = unread.getMultipleIntegers(at: start, as: (UInt8, UInt8).self) else { return nil }
        var header = Header(flags: flags, isMasked: second & 0x80 != 0, mask: 0, length: Int(second & 0x7F), size: 2)
        if flags & 0x08 != 0 {
            guard flags & 0x80 != 0 else { throw .fragmentedControlFrame }
            guard header.length <= Self.longestControlPayload else { throw .controlFrameTooLong }
        }
        if header.length == 126 {
            guard let length = unread.getInteger(at: start + 2, as: UInt16.self) else { return nil }
            (header.length, header.size) = (Int(length), 4)
        } else if header.length == 127 {
            guard let length = unread.getInteger(at: start + 2, as: UInt64.self) else { return nil }
            (header.length, header.size) = (Int(clamping: length), 10)
        }
        guard header.length <= maximumFrameSize else { throw .messageTooLarge(limit: maximumFrameSize) }
        if header.isMasked {
            guard let mask = unread.getInteger(at: start + header.size, as: UInt32.self) else { return nil }
            header.mask = mask
            header.size += 4
        }
        return header
    }

    private mutating func readPayload(_ header: Header) -> ByteBuffer {
        var payload = ByteBuffer()
        if header.length > 0 {
            // A copy, since the bytes lie in the buffer that the connection reads into.
            payload.reserveCapacity(header.length)
            payload.writeWithUnsafeMutableBytes(minimumWritableBytes: header.length) { target in
                unread.withUnsafeReadableBytes { source in
                    let source = UnsafeRawBufferPointer(rebasing: source.prefix(header.length))
                    WebSocketMask.apply(header.mask, from: source, to: target)
                }
                return header.length
            }
            unread.moveReaderIndex(forwardBy: header.length)
        }
        return payload
    }

    /// Lets go of the connection's buffer: what is left of it is copied.
    private mutating func keepRemainder() {
        if unread.readableBytes == 0 {
            unread = ByteBuffer()
        } else if unread.readerIndex > 0 {
            unread = ByteBuffer(bytes: unread.readableBytesView)
        }
    }
}

/// What a frame is (RFC 6455, section 11.8).
package struct WebSocketFrameOpcode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let continuation = Self(rawValue: 0)
    package static let text = Self(rawValue: 1)
    package static let binary = Self(rawValue: 2)
    package static let connectionClose = Self(rawValue: 8)
    package static let ping = Self(rawValue: 9)
    package static let pong = Self(rawValue: 10)
}

/// The mask of RFC 6455, section 5.3.
enum WebSocketMask {
    /// Combines `source` with the mask, whose first byte is its most significant one.
    static func apply(_ mask: UInt32, from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        guard mask != 0 else {
            target.copyMemory(from: source)
            return
        }
        let word = UInt64(mask) << 32 | UInt64(mask)
        let pattern = word.bigEndian
        var offset = 0
        while offset + 8 <= source.count {
            let value = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ pattern
            target.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        while offset < source.count {
            target[offset] = source[offset] ^ UInt8(truncatingIfNeeded: mask >> (24 - UInt32(offset & 3) * 8))
            offset += 1
        }
    }
}

package import NIOCore

/// Writes frames of RFC 6455, section 5.2: always whole messages, never extensions.
package enum WebSocketFrameWriter {
    /// The payload as one frame; with `mask`, as clients must send it.
    package static func frame(_ opcode: WebSocketFrameOpcode, _ payload: ByteBuffer, mask: UInt32?) -> ByteBuffer {
        let length = payload.readableBytes
        let flag: UInt8 = mask == nil ? 0 : 0x80
        var frame = ByteBuffer()
        frame.reserveCapacity(longestHeader + length)
        frame.writeInteger(0x80 | opcode.rawValue)
        if length < 126 {
            frame.writeInteger(flag | UInt8(length))
        } else if length <= 0xFFFF {
            frame.writeInteger(flag | 126)
            frame.writeInteger(UInt16(length))
        } else {
            frame.writeInteger(flag | 127)
            frame.writeInteger(UInt64(length))
        }
        guard let mask else {
            frame.writeImmutableBuffer(payload)
            return frame
        }
        frame.writeInteger(mask)
        frame.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { target in
            payload.withUnsafeReadableBytes { WebSocketMask.apply(mask, from: $0, to: target) }
            return length
        }
        return frame
    }

    private static let longestHeader = 14
}

package import NIOCore

/// What an Engine.IO message carries: UTF-8 text or bytes.
package enum EngineIOMessage: Sendable, Hashable {
    /// Valid UTF-8.
    case text(ByteBuffer)
    case binary(ByteBuffer)

    package var byteCount: Int {
        switch self {
        case .text(let buffer), .binary(let buffer): buffer.readableBytes
        }
    }
}

/// One Engine.IO packet. How it is written depends on the client: see ``EngineIOEncoding``.
package enum EngineIOPacket: Sendable, Hashable {
    /// `0`: the handshake, a JSON text.
    case open(ByteBuffer)
    /// `1`
    case close
    /// `2`, with `probe` while upgrading.
    case ping(isProbe: Bool)
    /// `3`, with `probe` while upgrading.
    case pong(isProbe: Bool)
    /// `4`, or a binary message.
    case message(EngineIOMessage)
    /// `5`
    case upgrade
    /// `6`
    case noop
}

/// Why bytes are not an Engine.IO packet.
package enum EngineIOParseError: Error, Hashable {
    case emptyPacket
    case unknownType(UInt8)
    /// A ping, pong, close, upgrade or noop followed by something that does not belong there.
    case unexpectedData
    case invalidBase64
    case invalidUTF8
    /// Revision 3: the length before a packet is malformed, or not the packet's.
    case invalidLength
    /// More packets in one payload than a client has reason to send.
    case tooManyPackets
}

/// The content of a WebSocket message.
package enum EngineIOFrame: Sendable, Hashable {
    case text(ByteBuffer)
    case binary(ByteBuffer)
}

extension EngineIOPacket {
    /// The byte between the packets of a polling payload.
    package static let separator: UInt8 = 0x1E

    /// Decodes a WebSocket message of revision 4.
    package init(frame: EngineIOFrame) throws(EngineIOParseError) {
        self = try EngineIOEncoding.standard.packet(of: frame)
    }

    /// Decodes one text packet: a WebSocket text message or one packet of a payload other than base64.
    package init(text: ByteBuffer) throws(EngineIOParseError) {
        var text = text
        guard let type = text.readInteger(as: UInt8.self) else { throw .emptyPacket }
        switch type {
        case UInt8(ascii: "0"): self = .open(text)
        case UInt8(ascii: "2"): self = .ping(isProbe: try Self.isProbe(text))
        case UInt8(ascii: "3"): self = .pong(isProbe: try Self.isProbe(text))
        case UInt8(ascii: "4"):
            guard text.isValidUTF8 else { throw .invalidUTF8 }
            self = .message(.text(text))
        case UInt8(ascii: "1"): self = .close
        case UInt8(ascii: "5"): self = .upgrade
        case UInt8(ascii: "6"): self = .noop
        default: throw .unknownType(type)
        }
        switch self {
        case .close, .upgrade, .noop:
            guard text.readableBytes == 0 else { throw .unexpectedData }
        default: break
        }
    }

    private static func isProbe(_ rest: ByteBuffer) throws(EngineIOParseError) -> Bool {
        if rest.readableBytes == 0 { return false }
        guard rest.readableBytesView.elementsEqual("probe".utf8) else { throw .unexpectedData }
        return true
    }

    /// Takes the next packet off a polling payload of revision 4; nil at its end.
    package static func next(of payload: inout ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket? {
        guard payload.readableBytes > 0 else { return nil }
        let length = payload.readableBytesView.firstIndex(of: separator).map { $0 - payload.readerIndex }
        guard let packet = payload.readSlice(length: length ?? payload.readableBytes) else { throw .emptyPacket }
        if length != nil {
            payload.moveReaderIndex(forwardBy: 1)
            guard payload.readableBytes > 0 else { throw .emptyPacket }
        }
        guard packet.readableBytesView.first == UInt8(ascii: "b") else { return try EngineIOPacket(text: packet) }
        guard let bytes = Base64.decode(packet.readableBytesView.dropFirst()) else { throw .invalidBase64 }
        return .message(.binary(bytes))
    }

    /// The packet as a WebSocket message of revision 4.
    package var frame: EngineIOFrame {
        if case .message(.binary(let bytes)) = self { return .binary(bytes) }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(payloadSize)
        writePayload(into: &buffer)
        return .text(buffer)
    }

    /// Appends the packet as it stands in a polling payload.
    package func writePayload(into buffer: inout ByteBuffer) {
        switch self {
        case .open(let handshake):
            buffer.writeInteger(UInt8(ascii: "0"))
            buffer.writeImmutableBuffer(handshake)
        case .close: buffer.writeInteger(UInt8(ascii: "1"))
        case .ping(let isProbe): buffer.writeStaticString(isProbe ? "2probe" : "2")
        case .pong(let isProbe): buffer.writeStaticString(isProbe ? "3probe" : "3")
        case .message(.text(let text)):
            buffer.writeInteger(UInt8(ascii: "4"))
            buffer.writeImmutableBuffer(text)
        case .message(.binary(let bytes)):
            buffer.writeInteger(UInt8(ascii: "b"))
            Base64.encode(bytes.readableBytesView, into: &buffer)
        case .upgrade: buffer.writeInteger(UInt8(ascii: "5"))
        case .noop: buffer.writeInteger(UInt8(ascii: "6"))
        }
    }

    /// How many bytes the packet takes in a polling payload.
    package var payloadSize: Int {
        switch self {
        case .open(let buffer), .message(.text(let buffer)): buffer.readableBytes + 1
        case .message(.binary(let buffer)): (buffer.readableBytes + 2) / 3 * 4 + 1
        case .ping(let isProbe), .pong(let isProbe): isProbe ? 6 : 1
        case .close, .upgrade, .noop: 1
        }
    }
}

extension ByteBuffer {
    /// Whether the readable bytes are valid UTF-8. Plain ASCII, the usual case, allocates nothing.
    package var isValidUTF8: Bool {
        withUnsafeReadableBytes { bytes in
            guard let firstNonASCII = bytes.firstIndex(where: { $0 >= 0x80 }) else { return true }
            return String(validating: UnsafeRawBufferPointer(rebasing: bytes[firstNonASCII...]), as: UTF8.self) != nil
        }
    }
}

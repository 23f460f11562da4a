package import NIOCore

/// The revisions of the Engine.IO protocol.
package enum EngineIORevision: Int, Sendable, Hashable {
    /// Socket.IO 1 and 2: the client pings, payloads are length-prefixed.
    case v3 = 3
    /// Socket.IO 3 and 4: the server pings, payloads are separated by a byte.
    case v4 = 4
}

/// How one client wants its packets written.
package struct EngineIOEncoding: Sendable, Hashable {
    package var revision: EngineIORevision
    /// False if the client asked for base 64 wherever bytes could stand (`b64=1`).
    package var supportsBinary: Bool

    package init(revision: EngineIORevision = .v4, supportsBinary: Bool = true) {
        self.revision = revision
        self.supportsBinary = supportsBinary
    }

    /// The usual: revision 4, bytes as bytes.
    package static let standard = EngineIOEncoding()
}

// MARK: - WebSocket messages

extension EngineIOEncoding {
    /// The packet in a WebSocket message.
    package func frame(_ packet: EngineIOPacket) -> EngineIOFrame {
        guard case .message(.binary(let bytes)) = packet else { return packet.frame }
        guard supportsBinary else {
            var text = ByteBuffer()
            write(packet, into: &text)
            return .text(text)
        }
        guard revision == .v3 else { return .binary(bytes) }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(bytes.readableBytes + 1)
        buffer.writeInteger(Self.binaryMessage)
        buffer.writeImmutableBuffer(bytes)
        return .binary(buffer)
    }

    /// The packet in a WebSocket message.
    package func packet(of frame: EngineIOFrame) throws(EngineIOParseError) -> EngineIOPacket {
        switch frame {
        case .text(let text): return try packet(of: text)
        case .binary(let bytes): return revision == .v4 ? .message(.binary(bytes)) : try Self.typed(bytes)
        }
    }

    /// In revision 3 the first byte of a binary packet is its type, as a number. Only messages are ever binary.
    private static let binaryMessage: UInt8 = 4

    private static func typed(_ packet: ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket {
        var packet = packet
        guard let type = packet.readInteger(as: UInt8.self) else { throw .emptyPacket }
        guard type == binaryMessage else { throw .unknownType(type) }
        return .message(.binary(packet))
    }

    /// A text packet: `b` announces a binary message in base 64, which revision 3 gives its type as well.
    private func packet(of text: ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket {
        guard text.readableBytesView.first == UInt8(ascii: "b") else { return try EngineIOPacket(text: text) }
        var encoded = text.readableBytesView.dropFirst()
        if revision == .v3 {
            guard let type = encoded.popFirst() else { throw .unexpectedData }
            guard type == UInt8(ascii: "4") else { throw .unknownType(type) }
        }
        guard let bytes = Base64.decode(encoded) else { throw .invalidBase64 }
        return .message(.binary(bytes))
    }

    /// Appends the packet as text.
    private func write(_ packet: EngineIOPacket, into buffer: inout ByteBuffer) {
        guard revision == .v3, case .message(.binary(let bytes)) = packet else {
            packet.writePayload(into: &buffer)
            return
        }
        buffer.writeStaticString("b4")
        Base64.encode(bytes.readableBytesView, into: &buffer)
    }
}

// MARK: - Polling payloads

extension EngineIOEncoding {
    /// What one poll brings.
    package struct Payload: Sendable, Hashable {
        package var body: ByteBuffer
        package var isBinary: Bool
    }

    /// Several packets for one poll. Revision 4: text with separators. Revision 3: each preceded by its length, in
    /// bytes where any packet is binary and the client takes that, otherwise as text.
    package func payload(_ packets: [EngineIOPacket]) -> Payload {
        var body = ByteBuffer()
        body.reserveCapacity(packets.reduce(0) { $0 + $1.payloadSize + 4 })
        switch revision {
        case .v4:
            for packet in packets {
                if body.readableBytes > 0 { body.writeInteger(EngineIOPacket.separator) }
                write(packet, into: &body)
            }
        case .v3 where supportsBinary && packets.contains(where: \.isBinary):
            for packet in packets { Self.writeBinary(packet, into: &body) }
            return Payload(body: body, isBinary: true)
        case .v3:
            for packet in packets { writeCounted(packet, into: &body) }
        }
        return Payload(body: body, isBinary: false)
    }

    /// Takes the next packet off a polling payload; nil at its end.
    package func next(of payload: inout ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket? {
        guard let first = payload.readableBytesView.first else { return nil }
        switch revision {
        case .v4: return try EngineIOPacket.next(of: &payload)
        case .v3 where first <= 1: return try Self.nextBinary(of: &payload)
        case .v3: return try nextCounted(of: &payload)
        }
    }

    /// `<length>:<packet>`, the length in UTF-16 code units, as JavaScript counts.
    private func writeCounted(_ packet: EngineIOPacket, into body: inout ByteBuffer) {
        var text = ByteBuffer()
        write(packet, into: &text)
        let units = text.readableBytesView.reduce(0) { $0 + Self.utf16Units(endingIn: $1) }
        body.writeString("\(units):")
        body.writeBuffer(&text)
    }

    /// Each character counts at its first byte: none of the others does.
    private static func utf16Units(endingIn byte: UInt8) -> Int {
        if byte & 0xC0 == 0x80 { return 0 }
        return byte >= 0xF0 ? 2 : 1
    }

    private func nextCounted(of payload: inout ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket? {
        let digits = payload.readableBytesView.prefix(Self.mostDigits + 1).prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty, digits.count <= Self.mostDigits else { throw .invalidLength }
        var units = digits.reduce(0) { $0 * 10 + Int($1 & 15) }
        payload.moveReaderIndex(forwardBy: digits.count)
        guard payload.readInteger(as: UInt8.self) == UInt8(ascii: ":") else { throw .invalidLength }
        var length = 0
        for byte in payload.readableBytesView {
            let added = Self.utf16Units(endingIn: byte)
            if units == 0, added > 0 { break }
            units -= added
            length += 1
        }
        guard units == 0, let text = payload.readSlice(length: length) else { throw .invalidLength }
        return try packet(of: text)
    }

    private static let mostDigits = 9

    /// `<0 text, 1 binary><length, a byte per digit><255><packet>`.
    private static func writeBinary(_ packet: EngineIOPacket, into body: inout ByteBuffer) {
        var bytes = ByteBuffer()
        if case .message(.binary(let message)) = packet {
            bytes.writeInteger(binaryMessage)
            bytes.writeImmutableBuffer(message)
        } else {
            packet.writePayload(into: &bytes)
        }
        body.writeInteger(packet.isBinary ? 1 as UInt8 : 0)
        for digit in String(bytes.readableBytes).utf8 { body.writeInteger(digit & 15) }
        body.writeInteger(endOfLength)
        body.writeBuffer(&bytes)
    }

    private static let endOfLength: UInt8 = 255

    private static func nextBinary(of payload: inout ByteBuffer) throws(EngineIOParseError) -> EngineIOPacket? {
        let isBinary = payload.readInteger(as: UInt8.self) == 1
        var length = 0
        for count in 0... {
            guard let digit = payload.readInteger(as: UInt8.self) else { throw .invalidLength }
            if digit == endOfLength { break }
            guard digit <= 9, count < mostDigits else { throw .invalidLength }
            length = length * 10 + Int(digit)
        }
        guard let packet = payload.readSlice(length: length) else { throw .invalidLength }
        return isBinary ? try typed(packet) : try EngineIOPacket(text: packet)
    }
}

extension EngineIOPacket {
    /// Whether the packet is a binary message.
    fileprivate var isBinary: Bool {
        guard case .message(.binary) = self else { return false }
        return true
    }
}

package import NIOCore
package import NIOWebSocket

/// Which end of a WebSocket this is: clients mask their frames, servers do not (RFC 6455, section 5.1).
package enum WebSocketRole: Sendable {
    case server
    case client
}

/// How a peer broke RFC 6455.
package enum WebSocketProtocolError: Error, Hashable {
    /// A client's frame came unmasked, or a server's masked.
    case wrongMasking
    /// A reserved bit is set although no extension was negotiated.
    case reservedBits
    case unknownOpcode(UInt8)
    /// A continuation without a beginning, or a beginning inside another message.
    case unexpectedContinuation
    case messageTooLarge(limit: Int)

    package var code: WebSocketErrorCode {
        if case .messageTooLarge = self { return .messageTooLarge }
        return .protocolError
    }
}

/// Puts fragmented messages together and sorts control frames out.
package struct WebSocketMessageAssembler {
    package enum Event {
        case message(EngineIOFrame)
        case ping(ByteBuffer)
        case close
    }

    private let role: WebSocketRole
    private let maximumMessageSize: Int
    private var fragments: (opcode: WebSocketOpcode, data: ByteBuffer)?

    package init(role: WebSocketRole, maximumMessageSize: Int) {
        self.role = role
        self.maximumMessageSize = maximumMessageSize
    }

    package mutating func handle(_ frame: WebSocketFrame) throws(WebSocketProtocolError) -> Event? {
        guard (frame.maskKey != nil) == (role == .server) else { throw .wrongMasking }
        guard frame.reservedBits.isEmpty else { throw .reservedBits }
        switch frame.opcode {
        case .text, .binary:
            guard fragments == nil else { throw .unexpectedContinuation }
            return try append(frame.unmaskedData, opcode: frame.opcode, isLast: frame.fin)
        case .continuation:
            guard let opcode = fragments?.opcode else { throw .unexpectedContinuation }
            return try append(frame.unmaskedData, opcode: opcode, isLast: frame.fin)
        case .ping: return .ping(frame.unmaskedData)
        case .pong: return nil
        case .connectionClose: return .close
        default: throw .unknownOpcode(UInt8(webSocketOpcode: frame.opcode))
        }
    }

    private mutating func append(
        _ data: ByteBuffer,
        opcode: WebSocketOpcode,
        isLast: Bool
    ) throws(WebSocketProtocolError) -> Event? {
        var data = data
        guard data.readableBytes + (fragments?.data.readableBytes ?? 0) <= maximumMessageSize else {
            throw .messageTooLarge(limit: maximumMessageSize)
        }
        if fragments != nil {
            fragments?.data.writeBuffer(&data)
        } else if isLast {
            return .message(opcode == .text ? .text(data) : .binary(data))
        } else {
            fragments = (opcode, data)
        }
        guard isLast, let whole = fragments?.data else { return nil }
        fragments = nil
        return .message(opcode == .text ? .text(whole) : .binary(whole))
    }
}

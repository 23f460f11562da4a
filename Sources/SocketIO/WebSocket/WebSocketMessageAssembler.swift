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
    case fragmentedControlFrame
    case controlFrameTooLong
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
    private var fragments: (opcode: WebSocketFrameOpcode, data: ByteBuffer)?

    package init(role: WebSocketRole, maximumMessageSize: Int) {
        self.role = role
        self.maximumMessageSize = maximumMessageSize
    }

    package mutating func handle(_ frame: WebSocketFrameReader.Frame) throws(WebSocketProtocolError) -> Event? {
        guard frame.isMasked == (role == .server) else { throw .wrongMasking }
        guard !frame.hasReservedBits else { throw .reservedBits }
        switch frame.opcode {
        case .text, .binary:
            guard fragments == nil else { throw .unexpectedContinuation }
            return try append(frame.payload, opcode: frame.opcode, isLast: frame.isFinal)
        case .continuation:
            guard let opcode = fragments?.opcode else { throw .unexpectedContinuation }
            return try append(frame.payload, opcode: opcode, isLast: frame.isFinal)
        case .ping: return .ping(frame.payload)
        case .pong: return nil
        case .connectionClose: return .close
        default: throw .unknownOpcode(frame.opcode.rawValue)
        }
    }

    private mutating func append(
        _ data: ByteBuffer,
        opcode: WebSocketFrameOpcode,
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

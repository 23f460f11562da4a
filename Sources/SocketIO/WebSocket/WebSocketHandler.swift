package import NIOCore
package import NIOWebSocket

/// Who wants to know what a WebSocket brings. Called on the WebSocket's event loop.
package protocol WebSocketDelegate: AnyObject, Sendable {
    func webSocket(_ id: UInt64, didReceive frame: EngineIOFrame)
    /// The connection is gone.
    func webSocket(_ id: UInt64, didClose reason: WebSocketCloseReason)
}

/// Why a WebSocket is gone.
package enum WebSocketCloseReason: Sendable {
    /// The peer or the network closed it.
    case closed
    /// The peer broke RFC 6455.
    case protocolError
    /// A message above the limit.
    case tooLarge
    /// The peer did not read what it was sent.
    case slowReader

    package var refusal: SocketIORefusal? {
        switch self {
        case .closed: nil
        case .protocolError: .webSocketProtocolError
        case .tooLarge: .payloadTooLarge
        case .slowReader: .slowReader
        }
    }
}

/// The only handler of a WebSocket's pipeline: frames and messages in and out, and the closing handshake.
package final class WebSocketHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// How long the peer may take to answer a close frame.
    private static let closeTimeout = TimeAmount.seconds(1)

    private let id: UInt64
    private let role: WebSocketRole
    private let slowReaderTimeout: TimeAmount
    private var delegate: (any WebSocketDelegate)?
    private var reader: WebSocketFrameReader
    private var assembler: WebSocketMessageAssembler
    private var context: ChannelHandlerContext?
    private var isClosing = false
    private var isReading = false
    private var needsFlush = false

    /// - Parameter slowReaderTimeout: How long a peer that read too slowly may take to come to the close frame.
    package init(
        id: UInt64,
        role: WebSocketRole,
        maximumMessageSize: Int,
        slowReaderTimeout: TimeAmount,
        delegate: any WebSocketDelegate
    ) {
        self.id = id
        self.role = role
        self.slowReaderTimeout = slowReaderTimeout
        self.delegate = delegate
        reader = WebSocketFrameReader(maximumFrameSize: maximumMessageSize)
        assembler = WebSocketMessageAssembler(role: role, maximumMessageSize: maximumMessageSize)
    }

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Sends a message. While a batch of reads is worked through, flushing waits for its end: one system call for all.
    package func send(_ frame: EngineIOFrame) {
        switch frame {
        case .text(let data): write(opcode: .text, data: data)
        case .binary(let data): write(opcode: .binary, data: data)
        }
    }

    /// Sends messages unless earlier ones are still waiting for the peer.
    package func sendVolatile(_ frames: [EngineIOFrame]) {
        let options = context?.channel.syncOptions
        let waiting = try? options?.getOption(.bufferedWritableBytes)
        guard waiting ?? 0 <= Self.volatileLimit else { return }
        for frame in frames { send(frame) }
    }

    /// Bytes that may wait for the peer when it is sent something that need not arrive.
    private static let volatileLimit = 64 << 10

    /// Begins the closing handshake; the connection ends when the peer answers, or soon after.
    package func close(code: WebSocketErrorCode? = nil) {
        guard !isClosing, let context else { return }
        var data = ByteBuffer()
        if let code { data.write(webSocketErrorCode: code) }
        write(opcode: .connectionClose, data: data)
        isClosing = true
        delegate = nil
        let channel = context.channel
        context.eventLoop.scheduleTask(in: Self.closeTimeout) { channel.close(promise: nil) }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        reader.append(unwrapInboundIn(data))
        do throws(WebSocketProtocolError) {
            while let frame = try reader.next() { try handle(frame, context: context) }
        } catch {
            if !isClosing { fail(code: error.code) }
        }
    }

    private func handle(
        _ frame: WebSocketFrameReader.Frame,
        context: ChannelHandlerContext
    ) throws(WebSocketProtocolError) {
        guard !isClosing else {
            if frame.opcode == .connectionClose { context.close(promise: nil) }
            return
        }
        switch try assembler.handle(frame) {
        case .message(let message)?: delegate?.webSocket(id, didReceive: message)
        case .ping(let data)?: write(opcode: .pong, data: data)
        case .close?: answerClose(context: context)
        case nil: break
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        report(.closed)
        context.fireChannelInactive()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        // The high water mark is the limit on bytes the peer has not taken: it reads too slowly to be kept.
        if !context.channel.isWritable, !isClosing {
            isClosing = true
            let box = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.eventLoop.execute { box.value.endSlowReader() }
        }
        context.fireChannelWritabilityChanged()
    }

    /// Nothing may overtake what waits for the peer already, so the reason goes behind it; nothing more does. The peer
    /// learns it if it reads on soon enough.
    private func endSlowReader() {
        report(.slowReader)
        guard let context else { return }
        var data = ByteBuffer()
        data.write(webSocketErrorCode: .policyViolation)
        data.writeString("slow reader")
        let mask = role == .client ? UInt32.random(in: .min ... .max) : nil
        let frame = WebSocketFrameWriter.frame(.connectionClose, data, mask: mask)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: slowReaderTimeout) { channel.close(promise: nil) }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answerClose(context: ChannelHandlerContext) {
        write(opcode: .connectionClose, data: ByteBuffer())
        isClosing = true
        report(.closed)
        context.flush()
        context.close(promise: nil)
    }

    private func fail(code: WebSocketErrorCode) {
        let delegate = delegate
        close(code: code)
        delegate?.webSocket(id, didClose: code == .messageTooLarge ? .tooLarge : .protocolError)
    }

    private func report(_ reason: WebSocketCloseReason) {
        let delegate = delegate
        self.delegate = nil
        delegate?.webSocket(id, didClose: reason)
    }

    private func write(opcode: WebSocketFrameOpcode, data: ByteBuffer) {
        guard let context, !isClosing else { return }
        let mask = role == .client ? UInt32.random(in: .min ... .max) : nil
        let frame = WebSocketFrameWriter.frame(opcode, data, mask: mask)
        if isReading {
            needsFlush = true
            context.write(wrapOutboundOut(frame), promise: nil)
        } else {
            context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        }
    }
}

/// A WebSocket as seen from any thread.
package struct WebSocketLink: Sendable {
    package let id: UInt64
    package let eventLoop: any EventLoop
    private let handler: NIOLoopBound<WebSocketHandler>

    package init(id: UInt64, handler: WebSocketHandler, eventLoop: any EventLoop) {
        self.id = id
        self.eventLoop = eventLoop
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
    }

    package func send(_ frame: EngineIOFrame) {
        if eventLoop.inEventLoop {
            handler.value.send(frame)
        } else {
            eventLoop.execute { handler.value.send(frame) }
        }
    }

    package func sendVolatile(_ frames: [EngineIOFrame]) {
        if eventLoop.inEventLoop {
            handler.value.sendVolatile(frames)
        } else {
            eventLoop.execute { handler.value.sendVolatile(frames) }
        }
    }

    package func close() {
        if eventLoop.inEventLoop {
            handler.value.close()
        } else {
            eventLoop.execute { handler.value.close() }
        }
    }
}

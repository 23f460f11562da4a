import NIOCore
import NIOHTTP1
import NIOWebSocket

extension EngineIOClientTarget {
    /// Opens a WebSocket, for a new session or the upgrade of `sid`. What it brings goes to `delegate`.
    func openWebSocket(
        id: UInt64,
        sid: String?,
        delegate: any WebSocketDelegate,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<WebSocketLink> {
        let opened = eventLoop.makePromise(of: WebSocketLink.self)
        let head = requestHead(.GET, transport: .webSocket, sid: sid)
        connect(on: eventLoop) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes)
                let handler = WebSocketHandler(
                    id: id,
                    role: .client,
                    maximumMessageSize: maximumPayload,
                    slowReaderTimeout: .zero,
                    delegate: delegate
                )
                let upgrade = WebSocketUpgradeHandler(
                    head: head,
                    link: WebSocketLink(id: id, handler: handler, eventLoop: channel.eventLoop),
                    handler: handler,
                    target: self,
                    opened: opened
                )
                try pipeline.addHandlers([HTTPRequestEncoder(), ByteToMessageHandler(decoder), upgrade])
            }
        }.whenFailure { opened.fail($0) }
        return opened.futureResult
    }
}

/// Asks for the upgrade and, if the server agrees, puts the WebSocket handlers in the place of the HTTP ones.
final class WebSocketUpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private static let longestErrorText = 1024

    private let head: HTTPRequestHead
    private let link: WebSocketLink
    private let handler: WebSocketHandler
    private let target: EngineIOClientTarget
    private let opened: EventLoopPromise<WebSocketLink>
    private let upgrader: NIOWebSocketClientUpgrader
    private var response: HTTPResponseHead?
    private var errorText = ByteBuffer()
    private var isSwitched = false
    private var held: [NIOAny] = []

    init(
        head: HTTPRequestHead,
        link: WebSocketLink,
        handler: WebSocketHandler,
        target: EngineIOClientTarget,
        opened: EventLoopPromise<WebSocketLink>
    ) {
        self.head = head
        self.link = link
        self.handler = handler
        self.target = target
        self.opened = opened
        upgrader = NIOWebSocketClientUpgrader { channel, _ in channel.eventLoop.makeSucceededVoidFuture() }
    }

    func channelActive(context: ChannelHandlerContext) {
        var head = head
        head.headers.add(name: "Connection", value: "upgrade")
        head.headers.add(name: "Upgrade", value: "websocket")
        upgrader.addCustom(upgradeRequestHeaders: &head.headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isSwitched else {
            held.append(data)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head): response = head
        case .body(let part):
            let room = Self.longestErrorText - errorText.readableBytes
            errorText.writeImmutableBuffer(
                part.getSlice(at: part.readerIndex, length: min(room, part.readableBytes)) ?? part
            )
        case .end: decide(context: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened.fail(EngineIOClientError(description: "the server closed the connection before it became a WebSocket"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isSwitched else {
            context.fireErrorCaught(error)
            return
        }
        opened.fail(error)
        context.close(promise: nil)
    }

    private func decide(context: ChannelHandlerContext) {
        guard let response, response.status == .switchingProtocols,
            upgrader.shouldAllowUpgrade(upgradeResponse: response)
        else {
            let status = response.map { String($0.status.code) } ?? "unknown"
            let text = String(buffer: errorText)
            let details = text.isEmpty ? "" : ": \(text)"
            opened.fail(
                EngineIOClientError(
                    description: "the server refused the WebSocket with HTTP status \(status)\(details)"
                )
            )
            context.close(promise: nil)
            return
        }
        do {
            try switchProtocols(context: context)
        } catch {
            opened.fail(error)
            context.close(promise: nil)
        }
    }

    private func switchProtocols(context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        let limit = target.maximumBufferedBytes
        let mark = ChannelOptions.Types.WriteBufferWaterMark(low: limit / 2, high: limit)
        try context.channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
        pipeline.removeHandler(try pipeline.handler(type: HTTPRequestEncoder.self), promise: nil)
        try pipeline.addHandler(handler, position: .after(self))
        isSwitched = true
        // The response decoder looks at what is written and would not understand frames: nothing may be sent, and
        // hence nothing received, until it has left.
        let responseDecoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        pipeline.removeHandler(responseDecoder).whenComplete { _ in
            bound.value.handler.finish(context: bound.value.context)
        }
    }

    private func finish(context: ChannelHandlerContext) {
        opened.succeed(link)
        for data in held { context.fireChannelRead(data) }
        if !held.isEmpty { context.fireChannelReadComplete() }
        held = []
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

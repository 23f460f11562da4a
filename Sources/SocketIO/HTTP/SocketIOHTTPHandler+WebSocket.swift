import NIOCore
import NIOHTTP1
import NIOWebSocket

extension SocketIOHTTPHandler {
    /// Answers 101 and puts the WebSocket handlers in the place of the HTTP ones.
    func switchToWebSocket(_ exchange: EngineIOExchange, context: ChannelHandlerContext) {
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() }
        )
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        upgrader.buildUpgradeResponse(
            channel: context.channel,
            upgradeRequest: exchange.head,
            initialResponseHeaders: [:]
        ).whenComplete { result in
            let (handler, context) = bound.value
            guard case .responding(let exchange) = handler.state else { return }
            do {
                try handler.completeSwitch(exchange, headers: try result.get(), context: context)
            } catch {
                var refusal = EngineIOResponse.refused(.badRequest)
                refusal.closesConnection = true
                handler.write(refusal, for: exchange.head, context: context)
            }
        }
    }

    private func completeSwitch(
        _ exchange: EngineIOExchange,
        headers: HTTPHeaders,
        context: ChannelHandlerContext
    ) throws {
        let connection: EngineIOConnection
        do throws(AdmissionError) {
            connection = try self.connection(for: exchange, context: context)
        } catch {
            write(.full(error), for: exchange.head, context: context)
            return
        }
        var headers = headers
        if exchange.connection == nil, let cookie = configuration.cookie {
            headers.add(name: "Set-Cookie", value: cookie.header(sid: connection.id))
        }
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        // What a new session is greeted with goes along: one system call for both.
        defer { context.flush() }
        state = .switched
        let handler = try replaceHandlers(id: exchange.id, connection: connection, context: context)
        let link = WebSocketLink(id: exchange.id, handler: handler, eventLoop: context.eventLoop)
        if exchange.connection == nil {
            server.start(connection, webSocket: link)
        } else {
            connection.onLoop { $0.attach(link) }
        }
    }

    private func connection(
        for exchange: EngineIOExchange,
        context: ChannelHandlerContext
    ) throws(AdmissionError) -> EngineIOConnection {
        if let connection = exchange.connection { return connection }
        var encoding = EngineIOEncoding.standard
        if case .success(.webSocket(let wanted)) = exchange.request { encoding = wanted }
        return try server.open(
            .webSocket(exchange.id),
            encoding: encoding,
            handshake: makeHandshake(exchange.head, context: context),
            eventLoop: context.eventLoop
        )
    }

    private func replaceHandlers(
        id: UInt64,
        connection: EngineIOConnection,
        context: ChannelHandlerContext
    ) throws -> WebSocketHandler {
        let pipeline = context.pipeline.syncOperations
        let limit = configuration.maximumPayload
        for handler in [
            try? pipeline.handler(type: HTTPResponseEncoder.self) as any RemovableChannelHandler,
            try? pipeline.handler(type: HTTPServerPipelineHandler.self),
            try? pipeline.handler(type: HTTPServerProtocolErrorHandler.self),
            try? pipeline.handler(type: NIOHTTPResponseHeadersValidator.self),
        ] {
            if let handler { pipeline.removeHandler(handler, promise: nil) }
        }
        let handler = WebSocketHandler(
            id: id,
            role: .server,
            maximumMessageSize: limit,
            slowReaderTimeout: configuration.slowReaderTimeout,
            delegate: connection
        )
        try pipeline.addHandler(handler, position: .after(self))
        setSlowReaderLimit(context.channel)
        // The decoder gives up what it has not parsed when it leaves, and only then can this handler go.
        let requestDecoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        pipeline.removeHandler(requestDecoder).whenComplete { _ in
            let (handler, context) = bound.value
            // What the decoder gave up came outside of a read: answers to it wait for this to be flushed.
            context.fireChannelReadComplete()
            context.pipeline.syncOperations.removeHandler(handler, promise: nil)
            context.channel.read()
        }
        return handler
    }

    private func setSlowReaderLimit(_ channel: any Channel) {
        let limit = configuration.maximumBufferedBytes
        let mark = ChannelOptions.Types.WriteBufferWaterMark(low: limit / 2, high: limit)
        try? channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
    }
}

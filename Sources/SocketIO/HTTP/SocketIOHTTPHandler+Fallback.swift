import NIOCore
import NIOHTTP1

/// One request that is not for the endpoint.
struct FallbackExchange {
    let head: HTTPRequestHead
    var requestEnded = false
    var responseStarted = false
    var responseEnded = false
    /// When the rest of the request must have come.
    let deadline: NIODeadline

    /// The decoder stops at a request to upgrade, so the connection cannot serve another one.
    var isLast: Bool { head.headers.contains(name: "upgrade") }
}

extension SocketIOHTTPHandler {
    func beginFallback(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard let fallback else {
            refuseUnknownPath(head, context: context)
            return
        }
        let exchange = FallbackExchange(head: head, deadline: .now() + configuration.requestTimeout)
        guard !isFallbackInstalled else {
            forward(.head(head), of: exchange, context: context)
            return
        }
        state = .installingFallback
        // What the fallback serves may be large: buffers as NIO has them by default.
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator())
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        fallback(context.channel).hop(to: context.eventLoop).whenComplete { result in
            bound.value.handler.fallbackInstalled(result, exchange: exchange, context: bound.value.context)
        }
    }

    private func fallbackInstalled(
        _ result: Result<Void, any Error>,
        exchange: FallbackExchange,
        context: ChannelHandlerContext
    ) {
        guard case .installingFallback = state else { return }
        guard case .success = result else {
            context.close(promise: nil)
            return
        }
        isFallbackInstalled = true
        forward(.head(exchange.head), of: exchange, context: context)
        processHeld(context: context)
    }

    func forward(_ part: HTTPServerRequestPart, of exchange: FallbackExchange, context: ChannelHandlerContext) {
        var exchange = exchange
        if case .end = part { exchange.requestEnded = true }
        state = .fallback(exchange)
        setDeadline(of: exchange, context: context)
        context.fireChannelRead(wrapInboundOut(part))
        guard exchange.requestEnded else { return }
        context.fireChannelReadComplete()
        // The answer may have come at once.
        if case .fallback(let exchange) = state { finish(exchange, context: context) }
    }

    func writeFallback(
        _ data: NIOAny,
        of exchange: FallbackExchange,
        promise: EventLoopPromise<Void>?,
        context: ChannelHandlerContext
    ) {
        var exchange = exchange
        exchange.responseStarted = true
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status == .switchingProtocols: state = .switched
        case .head, .body: state = .fallback(exchange)
        case .end: exchange.responseEnded = true
        }
        context.write(data, promise: promise)
        if exchange.responseEnded { finish(exchange, context: context) }
    }

    private func finish(_ exchange: FallbackExchange, context: ChannelHandlerContext) {
        state = .fallback(exchange)
        guard exchange.requestEnded, exchange.responseEnded else { return }
        if exchange.isLast {
            state = .closing
            context.flush()
            context.close(promise: nil)
        } else {
            becomeIdle(context: context)
        }
    }

    // MARK: - Time-outs

    /// The client has a time for the rest of its request, and again for each part of the answer that it has to take. How
    /// long the fallback takes for the answer is its own affair.
    func setDeadline(of exchange: FallbackExchange, context: ChannelHandlerContext) {
        if !exchange.requestEnded {
            setDeadline(at: exchange.deadline)
        } else {
            setDeadline(context.channel.isWritable ? nil : configuration.slowReaderTimeout, context: context)
        }
    }

    /// The client has not done its part in time.
    func end(_ exchange: FallbackExchange, context: ChannelHandlerContext) {
        guard exchange.responseStarted else {
            refuseSlowRequest(exchange.head, context: context)
            return
        }
        server.refusals.count(exchange.requestEnded ? .slowReader : .slowRequest)
        context.close(promise: nil)
    }
}

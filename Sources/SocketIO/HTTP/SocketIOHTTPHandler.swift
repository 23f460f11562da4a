import NIOCore
import NIOHTTP1

/// Appends the handlers that serve what is not Socket.IO.
typealias FallbackInstaller = @Sendable (any Channel) -> EventLoopFuture<Void>

/// Serves the Socket.IO endpoint of one HTTP/1.1 connection and passes every other request on.
///
/// It stands right behind the HTTP codec, takes one request at a time (further ones wait, so responses keep their
/// order), and leaves the pipeline when a WebSocket takes over. The fallback's handlers are installed behind it when
/// the first request comes that is not for the endpoint.
final class SocketIOHTTPHandler: ChannelDuplexHandler, RemovableChannelHandler, DeadlineHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    enum State {
        /// Between requests.
        case idle
        /// Reading a request for the endpoint.
        case receiving(EngineIOExchange)
        /// Waiting for a session to answer.
        case responding(EngineIOExchange)
        /// The fallback's handlers are being installed; its request waits.
        case installingFallback
        /// A request belongs to the fallback until it and its response are complete.
        case fallback(FallbackExchange)
        /// HTTP is over; bytes for the next protocol's handlers pass through.
        case switched
        /// The last response is written; whatever still arrives is ignored.
        case closing
    }

    let server: EngineIOServer
    let fallback: FallbackInstaller?
    var isFallbackInstalled = false
    var state = State.idle
    var held: CircularBuffer<HTTPServerRequestPart> = []
    private var isProcessingHeld = false
    private var hasSeenRequest = false
    private var isReadPending = false
    private var deadline = NIODeadline.distantFuture
    private var timer: (deadline: NIODeadline, token: DeadlineTimer.Token)?
    private var deadlines: DeadlineTimer?
    /// Whom the connection is from, if a proxy has said so by the PROXY protocol.
    private(set) var proxiedAddress: SocketAddress?
    private var context: ChannelHandlerContext?

    init(server: EngineIOServer, fallback: FallbackInstaller?) {
        self.server = server
        self.fallback = fallback
    }

    var configuration: SocketIOServerConfiguration { server.configuration }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadlines = server.deadlines(on: context.eventLoop)
        if context.channel.isActive { setDeadline(configuration.requestTimeout, context: context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        cancelTimer()
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        setDeadline(configuration.requestTimeout, context: context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .receiving(let exchange), .responding(let exchange): exchange.abort()
        default: break
        }
        state = .closing
        cancelTimer()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .switched = state {
            context.fireChannelRead(data)
            return
        }
        let part = unwrapInboundIn(data)
        if isBusy || !held.isEmpty {
            held.append(part)
        } else {
            process(part, context: context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let proxied = event as? ProxiedConnection { proxiedAddress = proxied.source }
        if event is EngineIOServerClosing, case .idle = state { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func read(context: ChannelHandlerContext) {
        if isBusy {
            isReadPending = true
        } else {
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch state {
        case .fallback(let exchange): writeFallback(data, of: exchange, promise: promise, context: context)
        // The fallback answers a request that has been refused.
        case .closing: promise?.fail(ChannelError.ioOnClosedChannel)
        default: context.write(data, promise: promise)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .fallback(let exchange) = state { setDeadline(of: exchange, context: context) }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch state {
        case .idle, .receiving:
            if case .receiving(let exchange) = state { exchange.abort() }
            if let error = error as? HTTPParserError {
                refuseMalformedRequest(error, context: context)
            } else {
                context.close(promise: nil)
            }
        case .switched, .fallback: context.fireErrorCaught(error)
        case .responding, .installingFallback, .closing: context.close(promise: nil)
        }
    }

    // MARK: - Requests in order

    /// Whether the next request must wait.
    private var isBusy: Bool {
        switch state {
        case .responding, .installingFallback: true
        case .fallback(let exchange): exchange.requestEnded
        case .idle, .receiving, .switched, .closing: false
        }
    }

    private func process(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
        switch (state, part) {
        case (.idle, .head(let head)):
            deadline = .distantFuture
            hasSeenRequest = true
            if isForEndpoint(head) {
                begin(head, context: context)
            } else {
                beginFallback(head, context: context)
            }
        case (.receiving, .body(let body)): receive(body, context: context)
        case (.receiving(let exchange), .end): dispatch(exchange, context: context)
        case (.fallback(let exchange), _): forward(part, of: exchange, context: context)
        default: break
        }
    }

    private func isForEndpoint(_ head: HTTPRequestHead) -> Bool {
        let path = head.path
        return path == configuration.path || path == configuration.path.dropLast()
    }

    /// A response is complete: the next request may come.
    func becomeIdle(context: ChannelHandlerContext) {
        state = .idle
        setDeadline(configuration.keepAliveTimeout, context: context)
        processHeld(context: context)
    }

    /// Takes up what waited. Requests that are answered at once come back here: they must not nest, or a client could
    /// exhaust the stack with many small ones.
    func processHeld(context: ChannelHandlerContext) {
        guard !isProcessingHeld else { return }
        isProcessingHeld = true
        while !isBusy, let part = held.popFirst() { process(part, context: context) }
        isProcessingHeld = false
        if isReadPending, !isBusy {
            isReadPending = false
            context.read()
        }
    }

    // MARK: - Time-outs

    /// Sets when the client's patience with us, or ours with it, ends; `.distantFuture` waits for ever.
    func setDeadline(_ timeout: TimeAmount?, context: ChannelHandlerContext) {
        setDeadline(at: timeout.map { .now() + $0 } ?? .distantFuture)
    }

    func setDeadline(at deadline: NIODeadline) {
        self.deadline = deadline
        scheduleTimer()
    }

    private func scheduleTimer() {
        guard deadline != .distantFuture else { return }
        if let timer, timer.deadline <= deadline { return }
        cancelTimer()
        if let token = deadlines?.set(deadline, self) { timer = (deadline, token) }
    }

    private func cancelTimer() {
        if let timer { deadlines?.cancel(timer.token) }
        timer = nil
    }

    func deadlineReached() {
        timer = nil
        guard let context else { return }
        guard deadline <= .now() else {
            scheduleTimer()
            return
        }
        switch state {
        case .idle where !hasSeenRequest:
            refuseSlowRequest(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), context: context)
        case .idle, .closing: context.close(promise: nil)
        case .receiving(let exchange):
            exchange.abort()
            refuseSlowRequest(exchange.head, context: context)
        case .fallback(let exchange): end(exchange, context: context)
        case .responding, .installingFallback, .switched: break
        }
    }
}

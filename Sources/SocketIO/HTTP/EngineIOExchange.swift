import NIOCore
import NIOHTTP1
import NIOWebSocket

/// One request for the endpoint, from its head to its answer.
struct EngineIOExchange {
    let id: UInt64
    let head: HTTPRequestHead
    /// What is asked for, or the answer where that is clear before the end of the request.
    var request: Result<EngineIORequest, Refusal>
    /// The session that the request belongs to.
    var connection: EngineIOConnection?
    var body = ByteBuffer()
    /// Bytes of the body seen, kept or not.
    var bodyBytes = 0

    struct Refusal: Error {
        var response: EngineIOResponse
    }

    /// Tells the session that its request is gone.
    func abort() {
        let id = id
        connection?.onLoop { $0.handle(.requestAborted(id)) }
    }
}

extension SocketIOHTTPHandler {
    func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        var exchange = EngineIOExchange(id: server.makeIdentifier(), head: head, request: .success(.preflight))
        do throws(EngineIORequestError) {
            exchange.request = .success(try EngineIORequest(head: head, configuration: configuration))
            exchange.connection = try connection(for: exchange.request)
        } catch {
            exchange.request = .failure(.init(response: refusal(error, for: head)))
        }
        if exchange.declaredLength > configuration.maximumPayload {
            exchange.request = .failure(.init(response: .tooLarge))
        }
        state = .receiving(exchange)
        setDeadline(configuration.requestTimeout, context: context)
        if case .success(.data) = exchange.request { announceData(exchange, context: context) }
    }

    private func connection(
        for request: Result<EngineIORequest, EngineIOExchange.Refusal>
    ) throws(EngineIORequestError) -> EngineIOConnection? {
        switch request {
        case .success(.poll(let sid)), .success(.data(let sid, _)), .success(.webSocket(let sid?)):
            guard let connection = server.connection(sid) else { throw .unknownSessionID }
            return connection
        default: return nil
        }
    }

    /// Refused upgrades get plain text, as from the reference server.
    private func refusal(_ error: EngineIORequestError, for head: HTTPRequestHead) -> EngineIOResponse {
        guard head.isWebSocketUpgrade else { return .refused(error) }
        return EngineIOResponse(
            status: error.status,
            contentType: "text/html",
            body: ByteBuffer(string: error.message),
            closesConnection: true
        )
    }

    private func announceData(_ exchange: EngineIOExchange, context: ChannelHandlerContext) {
        let id = exchange.id
        let respond = makeResponder(id, context: context)
        exchange.connection?.onLoop { $0.handle(.dataStarted(id), request: id, respond: respond) }
    }

    func receive(_ part: ByteBuffer, context: ChannelHandlerContext) {
        guard case .receiving(var exchange) = state else { return }
        exchange.bodyBytes += part.readableBytes
        guard exchange.bodyBytes <= configuration.maximumPayload else {
            let id = exchange.id
            exchange.connection?.onLoop { $0.refuseData(id) }
            write(.tooLarge, for: exchange.head, context: context)
            return
        }
        if case .success(.data) = exchange.request {
            // Moving the exchange out of the state keeps the body's storage unique, so that it grows in place.
            state = .closing
            var part = part
            exchange.body.writeBuffer(&part)
        }
        state = .receiving(exchange)
    }

    func dispatch(_ exchange: EngineIOExchange, context: ChannelHandlerContext) {
        setDeadline(nil, context: context)
        state = .responding(exchange)
        let id = exchange.id
        switch exchange.request {
        case .failure(let refusal): write(refusal.response, for: exchange.head, context: context)
        case .success(.preflight): writePreflight(exchange.head, context: context)
        case .success(.handshake): openSession(exchange, context: context)
        case .success(.poll):
            let respond = makeResponder(id, context: context)
            exchange.connection?.onLoop { $0.handle(.poll(id), request: id, respond: respond) }
        case .success(.data(_, let isBinary)):
            let body = exchange.body
            exchange.connection?.onLoop { $0.handle(.data(id, body, isBinary: isBinary)) }
        case .success(.webSocket): switchToWebSocket(exchange, context: context)
        }
    }

    private func openSession(_ exchange: EngineIOExchange, context: ChannelHandlerContext) {
        let opening = EngineIOSession.Opening.poll(exchange.id)
        let handshake = makeHandshake(exchange.head, context: context)
        guard let connection = server.open(opening, handshake: handshake, eventLoop: context.eventLoop) else {
            write(.serverFull, for: exchange.head, context: context)
            return
        }
        server.start(connection, responder: (exchange.id, makeResponder(exchange.id, context: context)))
    }

    func makeHandshake(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> EngineIOHandshake {
        EngineIOHandshake(
            remoteAddress: context.channel.remoteAddress,
            uri: head.uri,
            headers: configuration.keepsHandshakeHeaders ? head.headers : [:]
        )
    }

    private func makeResponder(_ id: UInt64, context: ChannelHandlerContext) -> EngineIOConnection.Responder {
        let eventLoop = context.eventLoop
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: eventLoop)
        return { response in
            if eventLoop.inEventLoop {
                bound.value.handler.deliver(response, to: id, context: bound.value.context)
            } else {
                eventLoop.execute { bound.value.handler.deliver(response, to: id, context: bound.value.context) }
            }
        }
    }

    /// The session's answer. It may come before the request's end, and after the connection's.
    private func deliver(_ response: EngineIOResponse, to id: UInt64, context: ChannelHandlerContext) {
        switch state {
        case .responding(let exchange) where exchange.id == id:
            write(response, for: exchange.head, context: context)
        case .receiving(var exchange) where exchange.id == id:
            exchange.request = .failure(.init(response: response))
            exchange.connection = nil
            state = .receiving(exchange)
        default: break
        }
    }
}

extension EngineIOExchange {
    /// The length the client announces; 0 if it does not.
    fileprivate var declaredLength: Int {
        head.headers.first(name: "content-length").flatMap(Int.init) ?? 0
    }
}

extension EngineIOResponse {
    /// The payload is above the limit; the rest of it is not read.
    static let tooLarge = EngineIOResponse(
        status: 413,
        contentType: "text/plain; charset=UTF-8",
        body: ByteBuffer(),
        closesConnection: true
    )

    /// No further session is admitted.
    static let serverFull = EngineIOResponse(
        status: 503,
        contentType: "application/json",
        body: ByteBuffer(string: #"{"code":4,"message":"Server is full"}"#),
        closesConnection: true
    )
}

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
    /// The number of the script callback, if the client polls by script tags.
    var callback: String?
    /// A `Set-Cookie` that goes with the answer.
    var cookie: String?

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
        let query = QueryParameters(uri: head.uri)
        exchange.callback = configuration.allowJSONP ? query["j"].map(JSONPolling.callback) : nil
        do throws(EngineIORequestError) {
            exchange.request = .success(try EngineIORequest(head: head, query: query, configuration: configuration))
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
        case .success(.poll(let sid)), .success(.data(let sid, _)), .success(.upgrade(let sid)):
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
            closesConnection: true,
            refusal: error.refusal
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
        case .success(.handshake(let encoding)): openSession(exchange, encoding: encoding, context: context)
        case .success(.poll):
            let respond = makeResponder(id, context: context)
            exchange.connection?.onLoop { $0.handle(.poll(id), request: id, respond: respond) }
        case .success(.data(_, let isBinary)):
            let body =
                exchange.callback == nil ? exchange.body : JSONPolling.payload(ofForm: exchange.body) ?? ByteBuffer()
            exchange.connection?.onLoop { $0.handle(.data(id, body, isBinary: isBinary)) }
        case .success(.webSocket), .success(.upgrade): switchToWebSocket(exchange, context: context)
        }
    }

    private func openSession(_ exchange: EngineIOExchange, encoding: EngineIOEncoding, context: ChannelHandlerContext) {
        let connection: EngineIOConnection
        do throws(AdmissionError) {
            connection = try server.open(
                .poll(exchange.id),
                encoding: encoding,
                handshake: makeHandshake(exchange.head, context: context),
                eventLoop: context.eventLoop
            )
        } catch {
            write(.full(error), for: exchange.head, context: context)
            return
        }
        if let cookie = configuration.cookie {
            var exchange = exchange
            exchange.cookie = cookie.header(sid: connection.id)
            state = .responding(exchange)
        }
        server.start(connection, responder: (exchange.id, makeResponder(exchange.id, context: context)))
    }

    func makeHandshake(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> EngineIOHandshake {
        EngineIOHandshake(
            remoteAddress: clientAddress(head, context: context),
            uri: head.uri,
            headers: configuration.keepsHandshakeHeaders ? head.headers : [:]
        )
    }

    private func clientAddress(_ head: HTTPRequestHead, context: ChannelHandlerContext) -> SocketAddress? {
        let peer = proxiedAddress ?? context.channel.remoteAddress
        let proxies = configuration.trustedProxies
        return proxies.isEmpty ? peer : ForwardedAddress.client(of: head.headers, from: peer, trusting: proxies)
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
            write(exchange.finish(response), for: exchange.head, context: context)
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

    /// The session's answer as this client wants it.
    fileprivate func finish(_ response: EngineIOResponse) -> EngineIOResponse {
        var response = response
        response.cookie = cookie
        if let callback, response.status == 200, response != .accepted {
            response.contentType = "text/javascript; charset=UTF-8"
            response.body = JSONPolling.script(response.body, callback: callback)
        }
        return response
    }
}

extension EngineIOResponse {
    /// The payload is above the limit; the rest of it is not read.
    static let tooLarge = EngineIOResponse(
        status: 413,
        contentType: "text/plain; charset=UTF-8",
        body: ByteBuffer(),
        closesConnection: true,
        refusal: .payloadTooLarge
    )

    /// No further session is admitted.
    static func full(_ error: AdmissionError) -> EngineIOResponse {
        EngineIOResponse(
            status: 503,
            contentType: "application/json",
            body: ByteBuffer(string: #"{"code":4,"message":"\#(error.message)"}"#),
            closesConnection: true,
            refusal: error.refusal
        )
    }
}

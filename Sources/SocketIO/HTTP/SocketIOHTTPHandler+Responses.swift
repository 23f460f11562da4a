import NIOCore
import NIOHTTP1

extension SocketIOHTTPHandler {
    /// How long a client that is still sending may take to read its refusal before the connection is cut.
    private static let lingerTimeout = TimeAmount.seconds(1)

    func write(_ response: EngineIOResponse, for head: HTTPRequestHead, context: ChannelHandlerContext) {
        if let refusal = response.refusal { server.refusals.count(refusal) }
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: response.contentType)
        headers.add(name: "Content-Length", value: String(response.body.readableBytes))
        headers.add(name: "Cache-Control", value: "no-store")
        if let cookie = response.cookie { headers.add(name: "Set-Cookie", value: cookie) }
        write(
            status: HTTPResponseStatus(statusCode: response.status),
            headers: headers,
            body: response.body,
            for: head,
            closes: response.closesConnection,
            context: context
        )
    }

    func writePreflight(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.add(name: "Access-Control-Allow-Methods", value: "GET,POST")
        if let requested = head.headers.first(name: "access-control-request-headers") {
            headers.add(name: "Access-Control-Allow-Headers", value: requested)
        }
        headers.add(name: "Vary", value: "Access-Control-Request-Headers")
        if let age = configuration.cors?.maximumAge {
            headers.add(name: "Access-Control-Max-Age", value: String(age.nanoseconds / 1_000_000_000))
        }
        write(status: .noContent, headers: headers, body: nil, for: head, context: context)
    }

    func refuseUnknownPath(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let response = EngineIOResponse(
            status: 404,
            contentType: "text/plain; charset=UTF-8",
            body: ByteBuffer(string: "Not found: \(head.path)\n"),
            closesConnection: head.isWebSocketUpgrade,
            refusal: .unknownPath
        )
        state = .receiving(
            EngineIOExchange(id: server.makeIdentifier(), head: head, request: .failure(.init(response: response)))
        )
        setDeadline(configuration.requestTimeout, context: context)
    }

    func refuseMalformedRequest(_ error: HTTPParserError, context: ChannelHandlerContext) {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        let isTooLarge = error == .headerOverflow
        server.refusals.count(isTooLarge ? .headersTooLarge : .malformedRequest)
        write(
            status: isTooLarge ? .requestHeaderFieldsTooLarge : .badRequest,
            headers: ["Content-Length": "0"],
            body: nil,
            for: head,
            closes: true,
            context: context
        )
    }

    func refuseSlowRequest(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let headers: HTTPHeaders = ["Content-Length": "0"]
        server.refusals.count(.slowRequest)
        write(status: .requestTimeout, headers: headers, body: nil, for: head, closes: true, context: context)
    }

    private func write(
        status: HTTPResponseStatus,
        headers: HTTPHeaders,
        body: ByteBuffer?,
        for request: HTTPRequestHead,
        closes: Bool = false,
        context: ChannelHandlerContext
    ) {
        var wasComplete = false
        if case .responding = state { wasComplete = true }
        let isLast = !request.isKeepAlive || request.headers.contains(name: "upgrade") || server.isClosing
        let closes = closes || isLast
        var headers = headers
        addCORSHeaders(for: request, to: &headers)
        if closes { headers.add(name: "Connection", value: "close") }
        let head = HTTPResponseHead(version: request.version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body, body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        guard closes else {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            becomeIdle(context: context)
            return
        }
        state = .closing
        let channel = context.channel
        let written = context.eventLoop.makePromise(of: Void.self)
        // A client in the middle of its request would lose the answer to a reset: let it read first.
        let mode = wasComplete ? CloseMode.all : .output
        written.futureResult.whenComplete { _ in channel.close(mode: mode, promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        if !wasComplete { setDeadline(Self.lingerTimeout, context: context) }
    }

    private func addCORSHeaders(for request: HTTPRequestHead, to headers: inout HTTPHeaders) {
        guard let cors = configuration.cors, let origin = request.headers.first(name: "origin") else { return }
        switch cors.origins {
        case .any where !cors.allowsCredentials:
            headers.add(name: "Access-Control-Allow-Origin", value: "*")
            return
        case .any: break
        case .list(let origins): guard origins.contains(origin) else { return }
        }
        headers.add(name: "Access-Control-Allow-Origin", value: origin)
        headers.add(name: "Vary", value: "Origin")
        if cors.allowsCredentials { headers.add(name: "Access-Control-Allow-Credentials", value: "true") }

    }
}

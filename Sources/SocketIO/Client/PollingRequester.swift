import NIOCore
import NIOHTTP1

/// Sends requests of one kind one after another over a connection that it keeps, and opens anew when it is gone.
/// Used on one event loop only.
final class PollingRequester {
    typealias Completion = (Result<(status: Int, body: ByteBuffer), any Error>) -> Void

    private let target: EngineIOClientTarget
    private let eventLoop: any EventLoop
    private var connection: (channel: any Channel, handler: PollingResponseHandler)?
    private var isClosed = false

    init(target: EngineIOClientTarget, eventLoop: any EventLoop) {
        self.target = target
        self.eventLoop = eventLoop
    }

    /// Sends a request. The one before must have been answered.
    func send(_ method: HTTPMethod, sid: String?, body: ByteBuffer? = nil, completion: @escaping Completion) {
        var head = target.requestHead(method, transport: .polling, sid: sid)
        if let body {
            head.headers.replaceOrAdd(name: "Content-Type", value: "text/plain;charset=UTF-8")
            head.headers.replaceOrAdd(name: "Content-Length", value: String(body.readableBytes))
        }
        if let connection, connection.channel.isActive, connection.handler.isReusable {
            connection.handler.send(head, body: body, completion: completion)
            return
        }
        open { result in
            switch result {
            case .success(let handler): handler.send(head, body: body, completion: completion)
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// Drops the connection; a request under way gets no answer any more.
    func close() {
        isClosed = true
        connection?.handler.abandon()
        connection?.channel.close(promise: nil)
        connection = nil
    }

    private func open(_ completion: @escaping (Result<PollingResponseHandler, any Error>) -> Void) {
        let limit = target.maximumPayload
        let bound = NIOLoopBound((requester: self, completion: completion), eventLoop: eventLoop)
        target.connect(on: eventLoop) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(PollingResponseHandler(maximumBodySize: limit))
            }
        }.whenComplete { result in
            let (requester, completion) = bound.value
            do {
                let channel = try result.get()
                guard !requester.isClosed else {
                    channel.close(promise: nil)
                    return
                }
                let handler = try channel.pipeline.syncOperations.handler(type: PollingResponseHandler.self)
                requester.connection = (channel, handler)
                completion(.success(handler))
            } catch {
                if !requester.isClosed { completion(.failure(error)) }
            }
        }
    }
}

/// Puts the answer to one request at a time together, up to a limit.
final class PollingResponseHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let maximumBodySize: Int
    private var context: ChannelHandlerContext?
    private var completion: PollingRequester.Completion?
    private var status = 0
    private var body = ByteBuffer()
    private(set) var isReusable = true

    init(maximumBodySize: Int) { self.maximumBodySize = maximumBodySize }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func send(_ head: HTTPRequestHead, body: ByteBuffer?, completion: @escaping PollingRequester.Completion) {
        guard let context, context.channel.isActive else {
            completion(.failure(ChannelError.ioOnClosedChannel))
            return
        }
        self.completion = completion
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if let body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func abandon() { completion = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            status = Int(head.status.code)
            body = ByteBuffer()
            isReusable = head.isKeepAlive
        case .body(var part):
            guard body.readableBytes + part.readableBytes <= maximumBodySize else {
                fail(EngineIOClientError(description: "the server's answer exceeds \(maximumBodySize) bytes"))
                context.close(promise: nil)
                return
            }
            body.writeBuffer(&part)
        case .end:
            let completion = completion
            self.completion = nil
            if !isReusable { context.close(promise: nil) }
            completion?(.success((status, body)))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isReusable = false
        fail(EngineIOClientError(description: "the server closed the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isReusable = false
        fail(error)
        context.close(promise: nil)
    }

    private func fail(_ error: any Error) {
        let completion = completion
        self.completion = nil
        completion?(.failure(error))
    }
}

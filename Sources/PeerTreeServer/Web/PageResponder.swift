import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import SocketIO

/// Answers what is not Socket.IO: pages and health checks, by Hummingbird's router.
struct PageResponder: Sendable {
    private let http: HTTP1Channel
    private let logger: Logger

    init(
        peers: PeerTreeServer,
        assets: WebAssets,
        configuration: PeerTreeWebServer.Configuration,
        proxies: [AddressRange],
        logger: Logger
    ) {
        self.logger = logger
        let router = Router(context: BasicRequestContext.self, options: .autoGenerateHeadEndpoints)
        let scheme = PageScheme(isSecure: configuration.tls != nil, proxies: proxies)
        Pages.add(to: router, peers: peers, assets: assets)
        DashboardPages.add(to: router, peers: peers, access: configuration.dashboard)
        if let metrics = configuration.metrics { Pages.add(metrics, to: router, peers: peers) }
        let responder = router.buildResponder()
        http = HTTP1Channel { request, writer, channel in
            var head = request.head
            head.scheme = scheme.scheme(of: head.headerFields, from: channel.remoteAddress)
            let request = Request(head: head, body: request.body)
            let context = BasicRequestContext(source: .init(channel: channel, logger: logger))
            let response: Response
            do {
                if let answer = Pages.methodAnswer(request) {
                    response = answer
                } else {
                    response = try await responder.respond(to: request, context: context)
                }
            } catch {
                response = Pages.failure(error)
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }

    /// Puts Hummingbird's handlers behind Socket.IO's and serves the connection's further requests.
    func serve(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            let wrapped = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true)
            )
            Task { await http.handle(value: wrapped, logger: logger) }
        }
    }
}

import NIOCore
import NIOHTTP1
import NIOPosix

/// Where a client's requests go, and what they have in common.
struct EngineIOClientTarget: Sendable {
    var url: SocketIOURL
    var path: String
    var headers: HTTPHeaders
    /// For TCP alone.
    var dialTimeout: TimeAmount
    var maximumPayload: Int
    var maximumBufferedBytes: Int
    /// For `https` and `wss`.
    var tls: TLSClient?

    /// Opens a connection whose pipeline `initialize` fills, behind TLS if there is to be.
    func connect(
        on eventLoop: any EventLoop,
        initialize: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(dialTimeout)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                do {
                    try tls?.secure(channel)
                } catch {
                    return channel.eventLoop.makeFailedFuture(error)
                }
                return initialize(channel)
            }
            .connect(host: url.host, port: url.port)
    }

    /// A request's target: the endpoint with Engine.IO's parameters and the URL's own.
    func uri(transport: SocketIOTransport, sid: String?) -> String {
        var uri = "\(path)?EIO=4&transport=\(transport.rawValue)"
        if let sid { uri += "&sid=\(sid)" }
        if !url.query.isEmpty { uri += "&\(url.query)" }
        return uri
    }

    func requestHead(_ method: HTTPMethod, transport: SocketIOTransport, sid: String?) -> HTTPRequestHead {
        var headers = headers
        headers.replaceOrAdd(name: "Host", value: url.hostHeader)
        return HTTPRequestHead(
            version: .http1_1,
            method: method,
            uri: uri(transport: transport, sid: sid),
            headers: headers
        )
    }
}

/// Why a client's request failed.
struct EngineIOClientError: Error, CustomStringConvertible {
    var description: String
    /// Whether another attempt would end alike until somebody changes something.
    var isFinal = false
}

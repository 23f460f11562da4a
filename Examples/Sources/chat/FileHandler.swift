import NIOCore
import NIOHTTP1

/// Serves a few files from memory: what the Socket.IO server passes on because it is not for its endpoint.
final class FileHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let files: [String: ByteBuffer]

    private init(files: [String: ByteBuffer]) { self.files = files }

    static func install(on channel: any Channel, files: [String: ByteBuffer]) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(FileHandler(files: files))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let request) = unwrapInboundIn(data) else { return }
        let path = String(request.uri.prefix { $0 != "?" })
        let body = files[path] ?? ByteBuffer(string: "Not found\n")
        let type = files[path] == nil ? "text/plain" : path.hasSuffix(".js") ? "text/javascript" : "text/html"
        let headers: HTTPHeaders = [
            "Content-Type": "\(type); charset=UTF-8", "Content-Length": String(body.readableBytes),
        ]
        let status: HTTPResponseStatus = files[path] == nil ? .notFound : .ok
        context.write(
            wrapOutboundOut(.head(.init(version: request.version, status: status, headers: headers))),
            promise: nil
        )
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

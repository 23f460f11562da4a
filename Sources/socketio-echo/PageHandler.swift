import NIOCore
import NIOHTTP1

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Serves the files of one folder, for pages that tests open in browsers.
final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private static let largestFile = 1 << 20
    private let folder: String

    private init(folder: String) { self.folder = folder }

    static func install(on channel: any Channel, folder: String) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(PageHandler(folder: folder))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let name = head.uri.dropFirst().prefix { $0 != "?" }
        let isPlain = !name.isEmpty && !name.contains("/") && !name.hasPrefix(".")
        let content = isPlain ? Self.read("\(folder)/\(name)") : nil
        let body = content ?? ByteBuffer(string: "Not found\n")
        let type = name.hasSuffix(".js") ? "text/javascript" : content == nil ? "text/plain" : "text/html"
        let headers: HTTPHeaders = [
            "Content-Type": "\(type); charset=UTF-8", "Content-Length": String(body.readableBytes),
        ]
        let response = HTTPResponseHead(
            version: head.version,
            status: content == nil ? .notFound : .ok,
            headers: headers
        )
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private static func read(_ path: String) -> ByteBuffer? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: largestFile)
        let count = fread(&bytes, 1, bytes.count, file)
        return ByteBuffer(bytes: bytes.prefix(count))
    }
}

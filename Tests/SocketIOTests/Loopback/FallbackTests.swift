import NIOCore
import NIOHTTP1
import NIOPosix
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    /// A client cannot hold a connection with a request that others than the endpoint serve.
    @Suite("Slow requests for a fallback", .timeLimit(.minutes(5)))
    struct FallbackTests {
        private static func withFallback(
            _ answer: PageAnswer,
            requestTimeout: TimeAmount = .milliseconds(50),
            body: (SocketIOServer, Int) async throws -> Void
        ) async throws {
            var configuration = SocketIOServerConfiguration()
            configuration.requestTimeout = requestTimeout
            configuration.slowReaderTimeout = .milliseconds(50)
            let io = SocketIOServer(configuration: configuration)
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    io.configure(channel) { $0.pipeline.addHandler(Page(answer)) }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            do {
                try await body(io, listener.localAddress?.port ?? 0)
            } catch {
                await io.close()
                throw error
            }
            await io.close()
            try await listener.close()
        }

        @Test("A body that never comes is answered 408 and the connection closed", arguments: ["", "ab"])
        func missingBody(partOfBody: String) async throws {
            try await Self.withFallback(.behindTheRequest) { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n" + partOfBody)
                #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 408 "))
                #expect(io.refusals == [.slowRequest: 1])
            }
        }

        @Test("Where the page was sent without waiting for the body, the connection is closed")
        func answeredWithoutBody() async throws {
            try await Self.withFallback(.atOnce(bytes: 2)) { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n")
                let answer = try await raw.readToEnd()
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("\r\n\r\nxx"))
                #expect(io.refusals == [.slowRequest: 1])
            }
        }

        @Test("A page that takes longer than a request may is served")
        func slowPage() async throws {
            try await Self.withFallback(.later(.milliseconds(200))) { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await raw.readResponse().body == "xx")
                #expect(io.refusals.isEmpty)
                raw.close()
            }
        }

        @Test("A client that does not read its page is cut")
        func unreadPage() async throws {
            // More than the kernel keeps between two sockets.
            try await Self.withFallback(.atOnce(bytes: 64 << 20), requestTimeout: .seconds(10)) { io, port in
                let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .channelOption(.autoRead, value: false)
                    .connect(host: "127.0.0.1", port: port).get()
                try await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).get()
                try await eventually { io.refusals == [.slowReader: 1] }
                try await channel.close()
            }
        }
    }
}

private enum PageAnswer: Sendable {
    case atOnce(bytes: Int)
    case behindTheRequest
    case later(TimeAmount)
}

/// Serves a page of `x`. One answered at once ends when the client has taken it, as with a writer that waits.
private final class Page: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: PageAnswer

    init(_ answer: PageAnswer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = context.channel
        switch (unwrapInboundIn(data), answer) {
        case (.head, .atOnce(let bytes)): Self.send(bytes, on: channel)
        case (.end, .behindTheRequest): Self.send(2, on: channel)
        case (.end, .later(let delay)): context.eventLoop.scheduleTask(in: delay) { Self.send(2, on: channel) }
        default: break
        }
    }

    private static func send(_ bytes: Int, on channel: any Channel) {
        let headers: HTTPHeaders = ["Content-Length": String(bytes)]
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        let page = ByteBuffer(repeating: UInt8(ascii: "x"), count: bytes)
        channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(page))).whenSuccess {
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        }
    }
}

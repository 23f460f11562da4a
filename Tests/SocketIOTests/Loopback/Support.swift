import NIOCore
import NIOHTTP1
import NIOPosix
import SocketIO
import Synchronization
import Testing

/// A server on a free loopback port, for the time of `body`.
func withServer(
    _ configure: (inout SocketIOServerConfiguration) -> Void = { _ in },
    body: (SocketIOServer, Int) async throws -> Void
) async throws {
    var configuration = SocketIOServerConfiguration()
    configuration.closeTimeout = .seconds(2)
    configure(&configuration)
    let io = SocketIOServer(configuration: configuration)
    let port = try #require(try await io.listen(port: 0).port)
    do {
        try await body(io, port)
    } catch {
        await io.close()
        throw error
    }
    await io.close()
}

/// A client of `port` that closes after `body`.
func withClient(
    port: Int,
    path: String = "",
    _ configure: (inout SocketIOClientConfiguration) -> Void = { $0.transports = [.webSocket] },
    body: (SocketIOClient) async throws -> Void
) async throws {
    var configuration = SocketIOClientConfiguration()
    configuration.reconnectionDelay = .milliseconds(20)
    configuration.reconnectionDelayMaximum = .milliseconds(100)
    configure(&configuration)
    let client = try SocketIOClient(url: "http://127.0.0.1:\(port)\(path)", configuration: configuration)
    do {
        try await body(client)
    } catch {
        await client.close()
        throw error
    }
    await client.close()
}

/// Values that callbacks bring and tests await, in order.
final class Inbox<Element: Sendable>: Sendable {
    private let stream: AsyncStream<Element>
    private let continuation: AsyncStream<Element>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(of: Element.self) }

    func put(_ element: Element) { continuation.yield(element) }

    func next() async throws -> Element {
        for await element in stream { return element }
        throw InboxError.ended
    }

    enum InboxError: Error {
        case ended
    }
}

extension SocketIOClient {
    /// The arguments of every event of this name from now on.
    func inbox(_ event: String) -> Inbox<[JSONValue]> {
        let inbox = Inbox<[JSONValue]>()
        on(event) { inbox.put($0.arguments) }
        return inbox
    }
}

/// A TCP connection that sends what it is told and keeps what it gets.
final class RawConnection: Sendable {
    private let channel: any Channel
    private let received = Inbox<ByteBuffer?>()
    private let buffer = Mutex(ByteBuffer())

    init(port: Int) async throws {
        let received = received
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.pipeline.addHandler(Collector { received.put($0) })
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    func close() { channel.close(promise: nil) }

    /// Everything received up to and including `text`; fails if the connection ends before.
    func read(until text: String) async throws -> String {
        while true {
            let found = buffer.withLock { buffer -> String? in
                let range = buffer.readableBytesView.firstRange(of: Array(text.utf8))
                return range.flatMap { buffer.readString(length: $0.upperBound - buffer.readerIndex) }
            }
            if let found { return found }
            guard let more = try await received.next() else { throw RawError.ended(missing: text, after: rest()) }
            buffer.withLock { _ = $0.writeImmutableBuffer(more) }
        }
    }

    /// Exactly `count` bytes.
    func read(_ count: Int) async throws -> [UInt8] {
        while true {
            if let bytes = buffer.withLock({ $0.readBytes(length: count) }) { return bytes }
            guard let more = try await received.next() else {
                throw RawError.ended(missing: "\(count) bytes", after: rest())
            }
            buffer.withLock { _ = $0.writeImmutableBuffer(more) }
        }
    }

    /// Everything up to the end of the connection.
    func readToEnd() async throws -> String {
        while let more = try await received.next() { buffer.withLock { _ = $0.writeImmutableBuffer(more) } }
        return rest()
    }

    /// The head and body of one response with a `Content-Length`.
    func readResponse() async throws -> (head: String, body: String) {
        let head = try await read(until: "\r\n\r\n")
        let length = head.lowercased().split(separator: "content-length: ").dropFirst().first
        let count = length.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
        return (head, String(decoding: try await read(count), as: UTF8.self))
    }

    private func rest() -> String { buffer.withLock { String(buffer: $0) } }

    enum RawError: Error {
        case ended(missing: String, after: String)
    }

    final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let receive: @Sendable (ByteBuffer?) -> Void

        init(_ receive: @escaping @Sendable (ByteBuffer?) -> Void) { self.receive = receive }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { receive(unwrapInboundIn(data)) }
        func channelInactive(context: ChannelHandlerContext) { receive(nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

// MARK: - WebSocket by hand

extension RawConnection {
    static let webSocketHeaders =
        "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    /// Becomes a WebSocket; returns the handshake of Engine.IO unless an upgrade of `sid` is wanted. Messages may be
    /// sent in the same breath, so that no time passes before them.
    @discardableResult
    func openWebSocket(sid: String? = nil, sendingAtOnce messages: [String] = []) async throws -> String {
        let parameter = sid.map { "&sid=\($0)" } ?? ""
        let request = "GET /socket.io/?EIO=4&transport=websocket\(parameter) HTTP/1.1\r\n" + Self.webSocketHeaders
        try await send(Array(request.utf8) + messages.flatMap { Self.frame(Array($0.utf8)) })
        let head = try await read(until: "\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 101 "))
        // The example of RFC 6455, section 1.3.
        #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        return sid == nil ? try await readText() : ""
    }

    /// One text frame of the server, shorter than 64 KiB.
    func readText() async throws -> String {
        let header = try await read(2)
        #expect(header[0] == 0x81)
        #expect(header[1] < 127)
        var count = Int(header[1])
        if count == 126 { count = try await read(2).reduce(0) { $0 << 8 | Int($1) } }
        return String(decoding: try await read(count), as: UTF8.self)
    }

    /// The code of the server's close frame; 0 if it has none. Other frames before it are skipped.
    func readCloseCode() async throws -> Int {
        while true {
            let header = try await read(2)
            let payload = try await read(Int(header[1]))
            guard header[0] == 0x88 else { continue }
            close()
            return payload.prefix(2).reduce(0) { $0 << 8 | Int($1) }
        }
    }

    func sendText(_ text: String) async throws { try await send(Self.frame(Array(text.utf8))) }

    /// A masked frame as clients send them.
    static func frame(_ payload: [UInt8], opcode: UInt8 = 1, isLast: Bool = true) -> [UInt8] {
        var bytes = [opcode | (isLast ? 0x80 : 0)]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else if payload.count < 65536 {
            bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        } else {
            bytes += [0x80 | 127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        let key: [UInt8] = [1, 2, 3, 4]
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }
}

extension RawConnection {
    /// The first line of a response, or nothing if the connection ends.
    func readToEndOrResponse() async throws -> String {
        do {
            return try await read(until: "\r\n\r\n")
        } catch is RawError {
            return ""
        }
    }
}

/// A Socket.IO client by WebSocket that joins and then does not read.
final class StalledConnection: Sendable {
    private let channel: any Channel
    private let received = Inbox<ByteBuffer?>()

    init(port: Int) async throws {
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { [received] channel in
                channel.pipeline.addHandler(RawConnection.Collector { received.put($0) })
            }
            .connect(host: "127.0.0.1", port: port).get()
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + RawConnection.webSocketHeaders
        try await channel.writeAndFlush(ByteBuffer(string: request)).get()
        try await channel.writeAndFlush(ByteBuffer(bytes: RawConnection.frame(Array("40".utf8)))).get()
    }

    /// Reads all that was sent up to the end of the connection, and returns the last of it. The server is answered with a
    /// close frame when the bytes so far end with `ending`.
    func readToEnd(answeringCloseAfter ending: [UInt8]) async throws -> [UInt8] {
        try await channel.setOption(.autoRead, value: true).get()
        var tail: [UInt8] = []
        while let more = try await received.next() {
            tail = Array((tail + Array(more.readableBytesView)).suffix(64))
            guard tail.suffix(ending.count).elementsEqual(ending) else { continue }
            try? await channel.writeAndFlush(ByteBuffer(bytes: RawConnection.frame([], opcode: 8))).get()
        }
        return tail
    }

    func close() { channel.close(promise: nil) }
}

import NIOCore
import NIOPosix
import SocketIO
import Testing

@Suite(.timeLimit(.minutes(1)))
struct Thin {
    @Test(arguments: [[SocketIOTransport.webSocket], [.polling], [.polling, .webSocket]])
    func roundTrip(transports: [SocketIOTransport]) async throws {
        let io = SocketIOServer()
        io.onConnection { socket in
            socket.on("message") { socket.emit("message-back", arguments: $0.arguments) }
            socket.on("ack") { $0.acknowledgement?.send($0.arguments) }
        }
        let address = try await io.listen(port: 0)
        var configuration = SocketIOClientConfiguration()
        configuration.transports = transports
        let client = try SocketIOClient(url: "http://127.0.0.1:\(address.port ?? 0)", configuration: configuration)
        let (stream, continuation) = AsyncStream.makeStream(of: SocketIOEvent.self)
        client.on("message-back") { continuation.yield($0) }
        client.on("connect_error") { print("E", $0) }
        client.connect()
        client.emit("message", 1, "two", .binary(ByteBuffer(string: "three")))
        var iterator = stream.makeAsyncIterator()
        let event = await iterator.next()
        #expect(event?.arguments == [1, "two", .binary(ByteBuffer(string: "three"))])
        let answer = try await client.emitWithAck("ack", ["a": [1.5]], timeout: .seconds(5))
        #expect(answer == [["a": [1.5]]])
        await client.close()
        await io.close()
    }
}

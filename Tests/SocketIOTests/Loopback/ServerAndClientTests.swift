import NIOCore
import NIOHTTP1
import NIOPosix
import SocketIO
import Synchronization
import Testing

extension SocketIOTests {
    @Suite("Server and client over loopback", .timeLimit(.minutes(5)))
    struct ServerAndClientTests {
        private static let transports: [[SocketIOTransport]] = [[.webSocket], [.polling], [.polling, .webSocket]]
        private static let bytes = JSONValue.binary([0, 1, 2, 255])

        @Test("Events, binary and acknowledgements go both ways by every transport", arguments: transports)
        func bothWays(transports: [SocketIOTransport]) async throws {
            try await withServer { io, port in
                let answers = Inbox<[JSONValue]>()
                io.onConnection { socket in
                    socket.on("message") { socket.emit("message-back", arguments: $0.arguments) }
                    socket.on("ack") { $0.acknowledgement?.send($0.arguments) }
                    socket.on("ask me") { _ in
                        socket.emit("question", arguments: [Self.bytes]) { result in
                            answers.put((try? result.get()) ?? [])
                        }
                    }
                }
                try await withClient(port: port) {
                    $0.transports = transports
                } body: { client in
                    let back = client.inbox("message-back")
                    client.on("question") { $0.acknowledge("answer", $0[0] ?? nil) }
                    client.connect()
                    let arguments: [JSONValue] = [1, "two", ["three": [nil, true, Self.bytes]], Self.bytes, 1.5]
                    client.emit("message", arguments: arguments)
                    #expect(try await back.next() == arguments)
                    #expect(try await client.emitWithAck("ack", Self.bytes, "x") == [Self.bytes, "x"])
                    client.emit("ask me")
                    #expect(try await answers.next() == ["answer", Self.bytes])
                    let large = JSONValue.string(String(repeating: "é", count: 200_000))
                    #expect(try await client.emitWithAck("ack", large) == [large])
                    if transports.count == 2 {
                        while try await client.eventLoop.submit({ client.transport }).get() != .webSocket {
                            _ = try await client.emitWithAck("ack")
                        }
                    }
                }
            }
        }

        @Test("Many events keep their order across the upgrade", arguments: transports)
        func order(transports: [SocketIOTransport]) async throws {
            try await withServer { io, port in
                io.onConnection { socket in socket.on("number") { socket.emit("back", arguments: $0.arguments) } }
                try await withClient(port: port) {
                    $0.transports = transports
                    $0.maximumBufferedEmits = 10_000
                } body: { client in
                    let back = client.inbox("back")
                    client.connect()
                    for number in 0..<3000 { client.emit("number", JSONValue(number)) }
                    for number in 0..<3000 {
                        let arguments = try await back.next()
                        guard arguments == [JSONValue(number)] else {
                            Issue.record("got \(arguments) in the place of \(number)")
                            return
                        }
                    }
                }
            }
        }

        @Test("An acknowledgement that does not come is an error, on both sides")
        func acknowledgementTimeout() async throws {
            try await withServer { io, port in
                let results = Inbox<Result<[JSONValue], SocketIOError>>()
                io.onConnection { socket in
                    socket.emit("silence", arguments: [], timeout: .milliseconds(20)) { results.put($0) }
                    socket.emit("silence", arguments: []) { results.put($0) }
                }
                try await withClient(port: port) { client in
                    client.connect()
                    await #expect(throws: SocketIOError.acknowledgementTimeout(.milliseconds(30))) {
                        try await client.emitWithAck("silence", timeout: .milliseconds(30))
                    }
                    let timedOut = try await results.next()
                    #expect(timedOut == .failure(.acknowledgementTimeout(.milliseconds(20))))
                    client.emit("silence", arguments: []) { results.put($0) }
                    client.disconnect()
                    #expect(try await results.next() == .failure(.disconnected))
                    #expect(try await results.next() == .failure(.disconnected))
                }
            }
        }

        @Test("Rooms: to, except, broadcast, leave, one socket by its identifier, and gone with the socket")
        func rooms() async throws {
            try await withServer { io, port in
                let joined = Inbox<String>()
                let gone = Inbox<String>()
                io.onConnection { socket in
                    socket.on("join") { event in
                        socket.join(event[0]?.stringValue ?? "")
                        event.acknowledge()
                    }
                    socket.on("leave") { event in
                        socket.leave(event[0]?.stringValue ?? "")
                        event.acknowledge()
                    }
                    socket.on("shout") { socket.broadcast.emit("heard", arguments: $0.arguments) }
                    socket.onDisconnect { _ in gone.put(socket.id) }
                    joined.put(socket.id)
                }
                try await withClient(port: port) { first in
                    try await withClient(port: port) {
                        $0.transports = [.polling]
                    } body: { second in
                        let heardByFirst = first.inbox("heard")
                        let heardBySecond = second.inbox("heard")
                        first.connect()
                        let firstID = try await joined.next()
                        second.connect()
                        let secondID = try await joined.next()
                        #expect(firstID == first.id)
                        _ = try await first.emitWithAck("join", "red")
                        _ = try await second.emitWithAck("join", "red")
                        _ = try await second.emitWithAck("join", "blue")
                        #expect(io.socket(secondID)?.rooms == ["red", "blue"])
                        io.to("red").to("blue").emit("heard", "all")
                        #expect(try await heardByFirst.next() == ["all"])
                        #expect(try await heardBySecond.next() == ["all"])
                        io.to("red").except("blue").emit("heard", "red only")
                        io.to(firstID).emit("heard", "first")
                        second.emit("shout", "from second")
                        #expect(try await heardByFirst.next() == ["red only"])
                        #expect(try await heardByFirst.next() == ["first"])
                        #expect(try await heardByFirst.next() == ["from second"])
                        _ = try await second.emitWithAck("leave", "red")
                        io.to("red").emit("heard", "red")
                        io.emit("heard", "everyone")
                        #expect(try await heardBySecond.next() == ["everyone"])
                        second.disconnect()
                        #expect(try await gone.next() == secondID)
                        #expect(io.to("blue").sockets.isEmpty)
                        #expect(io.main.socketCount == 1)
                    }
                }
            }
        }

        @Test("Namespaces are separate; unknown ones and those that refuse are connect errors")
        func namespaces() async throws {
            try await withServer { io, port in
                let admin = io.of("/admin")
                admin.use { socket throws(SocketIOConnectError) in
                    guard socket.handshake.auth["token"] == "right" else {
                        throw SocketIOConnectError("Not authorized", data: ["hint": 1])
                    }
                }
                admin.onConnection { socket in socket.emit("hello", .string(socket.namespace.name)) }
                for (path, token, expected) in [
                    ("/nowhere", nil, "Invalid namespace"), ("/admin", nil, "Not authorized"), ("/admin", "right", nil),
                ] as [(String, JSONValue?, String?)] {
                    try await withClient(port: port, path: path) {
                        $0.auth = token.map { ["token": $0] }
                    } body: { client in
                        let hello = client.inbox("hello")
                        let errors = client.inbox("connect_error")
                        client.connect()
                        if let expected {
                            let error = try await errors.next()
                            #expect(error[0] == .string(expected))
                            #expect(error[1] == (path == "/admin" ? ["hint": 1] : nil))
                        } else {
                            #expect(try await hello.next() == ["/admin"])
                        }
                    }
                }
            }
        }

        @Test(
            "The server can dismiss a client, from the namespace or altogether; it stays away",
            arguments: [false, true]
        )
        func dismissal(close: Bool) async throws {
            try await withServer { io, port in
                let reasons = Inbox<String>()
                io.onConnection { socket in
                    socket.on("bye") { _ in socket.disconnect(close: close) }
                    socket.on("disconnect") { reasons.put($0[0]?.stringValue ?? "") }
                }
                try await withClient(port: port) { client in
                    let disconnected = client.inbox("disconnect")
                    client.connect()
                    client.emit("bye")
                    let atClient = try await disconnected.next()
                    let atServer = try await reasons.next()
                    #expect(atClient == ["io server disconnect"])
                    #expect(atServer == "server namespace disconnect")
                    #expect(client.id == nil)
                }
            }
        }

        @Test("A client that leaves says so", arguments: transports)
        func leaving(transports: [SocketIOTransport]) async throws {
            try await withServer { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onConnection { socket in socket.emit("welcome") }
                io.onDisconnect { _, reason in reasons.put(reason) }
                try await withClient(port: port) {
                    $0.transports = transports
                } body: { client in
                    let welcome = client.inbox("welcome")
                    let disconnected = client.inbox("disconnect")
                    client.connect()
                    _ = try await welcome.next()
                    client.disconnect()
                    #expect(try await disconnected.next() == ["io client disconnect"])
                    #expect(try await reasons.next() == .clientNamespaceDisconnect)
                    client.connect()
                    _ = try await welcome.next()
                }
            }
        }

        @Test("A client whose connection is cut comes back with a new identifier and what it emitted meanwhile")
        func reconnection() async throws {
            let io = SocketIOServer()
            let numbers = Inbox<[JSONValue]>()
            io.onConnection { socket in
                socket.emit("welcome")
                socket.on("number") { numbers.put($0.arguments) }
            }
            let channels = Mutex<[any Channel]>([])
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channels.withLock { $0.append(channel) }
                    return io.configure(channel)
                }
                .bind(host: "127.0.0.1", port: 0).get()
            try await withClient(port: listener.localAddress?.port ?? 0) { client in
                let welcome = client.inbox("welcome")
                let disconnected = client.inbox("disconnect")
                client.on("disconnect") { _ in client.emit("number", 7) }
                client.connect()
                _ = try await welcome.next()
                let firstID = client.id
                for channel in channels.withLock({ $0 }) { channel.close(promise: nil) }
                let reason = try await disconnected.next()
                #expect(reason == ["transport close"] || reason == ["transport error"])
                _ = try await welcome.next()
                #expect(try await numbers.next() == [7])
                #expect(client.id != firstID)
            }
            try await listener.close()
            await io.close()
        }

        @Test("A client waits for a server that comes up later, and says what is wrong meanwhile")
        func lateServer() async throws {
            let occupied = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.1", port: 0).get()
            let port = try #require(occupied.localAddress?.port)
            try await occupied.close()
            try await withClient(port: port) { client in
                let errors = client.inbox("connect_error")
                let attempts = client.inbox("reconnect_attempt")
                client.connect()
                let error = try await errors.next()[0].stringValue ?? ""
                #expect(error.lowercased().contains("refused"), "\(error)")
                #expect(try await attempts.next() == [1])
                async let answer = client.emitWithAck("ack", 1)
                let io = SocketIOServer()
                io.onConnection { socket in socket.on("ack") { $0.acknowledge("here") } }
                _ = try await io.listen(port: port)
                let arguments = try await answer
                #expect(arguments == ["here"])
                await io.close()
            }
        }

        @Test("Closing the server tells the clients and ends every connection in time", arguments: transports)
        func serverClose(transports: [SocketIOTransport]) async throws {
            try await withServer {
                $0.closeTimeout = .seconds(30)
            } body: { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onConnection { $0.emit("welcome") }
                io.onDisconnect { _, reason in reasons.put(reason) }
                let idle = try await RawConnection(port: port)
                try await withClient(port: port) {
                    $0.transports = transports
                    $0.reconnects = false
                } body: { client in
                    let welcome = client.inbox("welcome")
                    let disconnected = client.inbox("disconnect")
                    client.connect()
                    _ = try await welcome.next()
                    let start = NIODeadline.now()
                    await io.close()
                    #expect(NIODeadline.now() - start < .seconds(20))
                    #expect(try await disconnected.next() == ["io server disconnect"])
                    #expect(try await reasons.next() == .serverShuttingDown)
                    #expect(io.sessionCount == 0)
                    #expect(try await idle.readToEnd() == "")
                }
            }
        }

        @Test("Handlers may be removed, and catch-all handlers see everything; one handler can serve all sockets")
        func handlers() async throws {
            try await withServer { io, port in
                let seen = Inbox<String>()
                io.onEvent { socket, event in
                    socket.emit("seen", .string(event.name))
                    event.acknowledge(.string("by \(socket.id)"))
                }
                io.onConnection { socket in
                    socket.onAny { seen.put($0.name) }
                    socket.on("gone") { _ in seen.put("never") }
                    socket.off("gone")
                }
                try await withClient(port: port) { client in
                    let echoes = client.inbox("seen")
                    client.connect()
                    let answer = try await client.emitWithAck("gone")
                    #expect(answer == [.string("by \(client.id ?? "")")])
                    client.emit("next")
                    #expect(try await echoes.next() == ["gone"])
                    #expect(try await echoes.next() == ["next"])
                    #expect(try await seen.next() == "gone")
                    #expect(try await seen.next() == "next")
                }
            }
        }
    }
}

import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    private struct Message: Codable, Sendable, Equatable {
        var text: String
        var number: Int?
        var picture: JSONBytes?
    }

    @Suite("Interface", .timeLimit(.minutes(5)))
    struct InterfaceTests {
        @Test("Typed payloads go both ways, with bytes as attachments; others are ignored or reported")
        func typed() async throws {
            try await withServer { io, port in
                io.onConnection { socket in
                    socket.on("message", as: Message.self) { message, event in
                        try? socket.emit("message", encoding: message)
                        event.acknowledge("ok")
                    } onMismatch: { event, error in
                        event.acknowledge(.string("\(error is DecodingError)"))
                    }
                    socket.answer("double", as: Int.self) { $0 * 2 }
                }
                try await withClient(port: port) { client in
                    let messages = Inbox<Message>()
                    client.on("message", as: Message.self) { message, _ in messages.put(message) }
                    client.connect()
                    let message = Message(text: "hi", number: nil, picture: JSONBytes([1, 2]))
                    try client.emit("message", encoding: message)
                    #expect(try await messages.next() == message)
                    #expect(try await client.emitWithAck("message", ["text": 1]) == ["true"])
                    #expect(try await client.emitWithAck("message") == ["true"])
                    #expect(try await client.request("double", encoding: 21, as: Int.self) == 42)
                    await #expect(throws: DecodingError.self) {
                        try await client.request("double", encoding: 21, as: String.self)
                    }
                    await #expect(throws: SocketIOError.self) {
                        try await client.request("double", encoding: "x", as: Int.self, timeout: .milliseconds(50))
                    }
                    try io.main.all.emit("message", encoding: Message(text: "all"))
                    #expect(try await messages.next() == Message(text: "all"))
                }
            }
        }

        @Test("Middleware may take its time; it decides in order, and what a client sends meanwhile is too early")
        func asyncMiddleware() async throws {
            try await withServer { io, port in
                let asked = Inbox<String>()
                io.use { socket throws(SocketIOConnectError) in
                    asked.put("first")
                    if socket.handshake.auth["token"] == nil { throw SocketIOConnectError("no token") }
                }
                io.useAsync { socket async throws(SocketIOConnectError) in
                    await Task.yield()
                    asked.put("second")
                    guard socket.handshake.auth["token"] == "good" else {
                        throw SocketIOConnectError("bad token", data: ["code": 7])
                    }
                }
                io.use { _ throws(SocketIOConnectError) in asked.put("third") }
                func answer(_ connect: String) async throws -> String {
                    let raw = try await RawConnection(port: port)
                    try await raw.openWebSocket(sendingAtOnce: [connect])
                    defer { raw.close() }
                    return try await raw.readText()
                }
                #expect(try await answer("40") == #"44{"message":"no token"}"#)
                #expect(try await answer(#"40{"token":"bad"}"#) == #"44{"message":"bad token","data":{"code":7}}"#)
                #expect(try await answer(#"40{"token":"good"}"#).hasPrefix("40{"))
                for expected in ["first", "first", "second", "first", "second", "third"] {
                    #expect(try await asked.next() == expected)
                }
                let hasty = try await RawConnection(port: port)
                try await hasty.openWebSocket(sendingAtOnce: [#"40{"token":"good"}"#, #"42["early"]"#])
                #expect(try await hasty.readCloseCode() == 0)
                try await eventually { io.main.socketCount == 0 }
            }
        }

        @Test("Namespaces made on demand share handlers, and are forgotten when the last client leaves")
        func families() async throws {
            try await withServer { io, port in
                let family = io.of { name, _ in name.hasPrefix("/room-") }
                family.use { socket throws(SocketIOConnectError) in
                    if socket.handshake.auth["token"] == nil { throw SocketIOConnectError("no token") }
                }
                family.onConnection { socket in socket.emit("welcome", .string(socket.namespace.name)) }
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(
                    sendingAtOnce: ["40/room-1,", #"40/room-1,{"token":1}"#, #"40/room-2,{"token":1}"#, "40/other,"]
                )
                #expect(try await raw.readText() == #"44/room-1,{"message":"no token"}"#)
                for name in ["/room-1", "/room-2"] {
                    #expect(try await raw.readText().hasPrefix("40\(name),{"))
                    #expect(try await raw.readText() == #"42\#(name),["welcome","\#(name)"]"#)
                }
                #expect(try await raw.readText() == #"44/other,{"message":"Invalid namespace"}"#)
                #expect(io.hasNamespace("/room-1") && io.hasNamespace("/room-2"))
                try await raw.sendText("41/room-1,")
                try await eventually { !io.hasNamespace("/room-1") }
                raw.close()
                try await eventually { !io.hasNamespace("/room-2") }
            }
        }

        @Test("Broadcasts can be acknowledged, and move or disconnect everyone they address")
        func broadcasts() async throws {
            try await withServer { io, port in
                let manager = try SocketIOManager(url: "ws://127.0.0.1:\(port)", configuration: Self.webSocketOnly)
                var clients: [SocketIOClient] = [manager.socket()]
                for _ in 0..<2 {
                    clients.append(
                        try SocketIOClient(url: "ws://127.0.0.1:\(port)", configuration: Self.webSocketOnly)
                    )
                }
                let left = Inbox<String>()
                for (number, client) in clients.enumerated() {
                    if number < 2 { client.on("who") { $0.acknowledge(JSONValue(number)) } }
                    client.onDisconnect { _ in left.put("\(number)") }
                    client.connect()
                }
                try await eventually { io.main.socketCount == 3 }
                // Two answer at once, the third never: of the two, only a machine that stands still is too late.
                let answers = await io.main.all.emitWithAck("who", timeout: .seconds(2))
                #expect(answers.count == 3)
                for (id, answer) in answers {
                    let number = clients.firstIndex { $0.id == id }
                    switch answer {
                    case .success(let arguments): #expect(arguments == [JSONValue(number ?? -1)])
                    case .failure(let error): #expect(number == 2 && error == .acknowledgementTimeout(.seconds(2)))
                    }
                }
                io.to(clients[0].id ?? "", clients[1].id ?? "").join("pair")
                try await eventually { io.to("pair").sockets.count == 2 }
                io.to("pair").except(clients[0].id ?? "").leave("pair")
                try await eventually { io.to("pair").sockets.count == 1 }
                io.to("pair").disconnectSockets(close: true)
                #expect(try await left.next() == "0")
                for client in clients { await client.close() }
            }
        }

        @Test("Several namespaces share one connection, which ends with the last of them and comes back for all")
        func manager() async throws {
            try await withServer { io, port in
                for name in ["/", "/a", "/b"] {
                    io.of(name).onConnection { socket in
                        socket.on("echo") { $0.acknowledgement?.send($0.arguments) }
                        socket.emit("auth", .object(socket.handshake.auth))
                    }
                }
                var configuration = Self.webSocketOnly
                configuration.reconnectionDelay = .milliseconds(20)
                let manager = try SocketIOManager(url: "ws://127.0.0.1:\(port)", configuration: configuration)
                let main = manager.socket()
                let first = manager.socket("/a", auth: ["token": 1])
                let second = manager.socket("/b")
                let auth = first.inbox("auth")
                let connected = Inbox<String>()
                for (name, client) in [("/", main), ("/a", first), ("/b", second)] {
                    client.onConnect { connected.put(name) }
                    client.connect()
                }
                var names: Set<String> = []
                for _ in 0..<3 { names.insert(try await connected.next()) }
                #expect(names == ["/", "/a", "/b"])
                #expect(io.sessionCount == 1)
                #expect(try await auth.next() == [["token": 1]])
                let bytes = JSONValue.binary([9])
                async let one = main.emitWithAck("echo", 1, bytes)
                async let two = second.emitWithAck("echo", bytes, 2)
                #expect(try await one == [1, bytes])
                #expect(try await two == [bytes, 2])
                main.disconnect()
                try await eventually { io.main.socketCount == 0 }
                #expect(try await first.emitWithAck("echo") == [])
                #expect(io.sessionCount == 1)
                for socket in io.of("/a").sockets { socket.cutConnection() }
                names = []
                for _ in 0..<2 { names.insert(try await connected.next()) }
                #expect(names == ["/a", "/b"])
                #expect(io.sessionCount == 1)
                first.disconnect()
                second.disconnect()
                try await eventually { io.sessionCount == 0 }
            }
        }

        @Test("A handler for once is called once, and volatile events are dropped while nothing can take them")
        func onceAndVolatile() async throws {
            try await withServer { io, port in
                io.onConnection { socket in
                    socket.once("a") { _ in socket.emit("a") }
                    socket.on("b") { _ in socket.emit("b") }
                }
                let opened = try await RawConnection(port: port)
                try await opened.openWebSocket(
                    sendingAtOnce: ["40", #"42["a"]"#, #"42["a"]"#, #"42["b"]"#]
                )
                #expect(try await opened.readText().hasPrefix("40{"))
                #expect(try await opened.readText() == #"42["a"]"#)
                #expect(try await opened.readText() == #"42["b"]"#)
                io.volatile.emit("v", .binary([1]))
                #expect(try await opened.readText() == #"451-["v",{"_placeholder":true,"num":0}]"#)
                #expect(try await opened.read(3) == [0x82, 1, 1])
                opened.close()
            }
            try await withServer { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
                let text = try await raw.readResponse().body
                let sid = try JSONValue(parsing: text.dropFirst())["sid"]?.stringValue ?? ""
                let target = "/socket.io/?EIO=4&transport=polling&sid=\(sid)"
                try await raw.send("POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n40")
                _ = try await raw.readResponse()
                try await eventually { io.main.socketCount > 0 }
                io.volatile.emit("dropped")
                io.emit("kept")
                // A loop that is busy reads before it does what it was handed: the poll must not come first.
                try await io.main.sockets.first?.eventLoop.submit {}.get()
                try await raw.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await raw.readResponse().body.hasSuffix("\u{1e}" + #"42["kept"]"#))
                raw.close()
            }
        }

        @Test(
            "A cookie with the session's identifier goes with every handshake, if asked for",
            arguments: [true, false]
        )
        func cookie(byWebSocket: Bool) async throws {
            try await withServer {
                $0.cookie = SocketIOCookie(
                    maximumAge: .hours(1),
                    isSecure: true,
                    sameSite: SocketIOCookie.SameSite.none
                )
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                let transport = byWebSocket ? "websocket" : "polling"
                try await raw.send(
                    "GET /socket.io/?EIO=4&transport=\(transport) HTTP/1.1\r\n"
                        + (byWebSocket ? RawConnection.webSocketHeaders : "Host: a\r\n\r\n")
                )
                let head = try await raw.read(until: "\r\n\r\n")
                let text = byWebSocket ? try await raw.readText() : try await raw.read(until: "}")
                let sid = try JSONValue(parsing: text.dropFirst())["sid"]?.stringValue ?? "?"
                let expected = "io=\(sid); Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=None"
                #expect(head.contains("Set-Cookie: \(expected)\r\n"), "\(head)")
                raw.close()
            }
        }

        private static var webSocketOnly: SocketIOClientConfiguration {
            var configuration = SocketIOClientConfiguration()
            configuration.transports = [.webSocket]
            return configuration
        }
    }
}

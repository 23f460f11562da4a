import NIOCore
import NIOHTTP1
import NIOPosix
import SocketIO
import Synchronization
import Testing

extension SocketIOTests {
    @Suite("HTTP", .timeLimit(.minutes(5)))
    struct HTTPTests {
        private static func get(_ target: String, _ headers: String = "") -> String {
            "GET \(target) HTTP/1.1\r\nHost: a\r\n\(headers)\r\n"
        }

        private static func post(_ target: String, _ body: String, _ headers: String = "") -> String {
            "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
        }

        private static let endpoint = "/socket.io/?EIO=4&transport=polling"

        /// Opens a polling session and returns its identifier.
        private func openSession(_ raw: RawConnection) async throws -> String {
            try await raw.send(Self.get(Self.endpoint))
            let (head, body) = try await raw.readResponse()
            #expect(head.hasPrefix("HTTP/1.1 200 OK"))
            let handshake = try JSONValue(parsing: body.dropFirst())
            return try #require(handshake["sid"]?.stringValue)
        }

        @Test(
            "Requests that the reference server refuses are refused with its status, code and message",
            arguments: [
                ("GET", "/socket.io/?EIO=4", 400, 0, "Transport unknown"),
                ("GET", "/socket.io/?EIO=4&transport=abc", 400, 0, "Transport unknown"),
                ("GET", "/socket.io/?transport=polling", 400, 5, "Unsupported protocol version"),
                ("GET", "/socket.io/?EIO=abc&transport=polling", 400, 5, "Unsupported protocol version"),
                ("GET", "/socket.io/?EIO=3&transport=polling", 400, 5, "Unsupported protocol version"),
                ("POST", "/socket.io/?EIO=4&transport=polling", 400, 2, "Bad handshake method"),
                ("PUT", "/socket.io/?EIO=4&transport=polling", 400, 2, "Bad handshake method"),
                ("GET", "/socket.io/?EIO=4&transport=websocket", 400, 3, "Bad request"),
                ("GET", "/socket.io/?EIO=4&transport=polling&sid=abc", 400, 1, "Session ID unknown"),
                ("POST", "/socket.io/?EIO=4&transport=polling&sid=abc", 400, 1, "Session ID unknown"),
                ("OPTIONS", "/socket.io/?EIO=4&transport=polling", 400, 2, "Bad handshake method"),
            ] as [(String, String, Int, Int, String)]
        )
        func refusals(method: String, target: String, status: Int, code: Int, message: String) async throws {
            try await withServer { _, port in
                let raw = try await RawConnection(port: port)
                for _ in 0..<2 {
                    try await raw.send("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
                    let (head, body) = try await raw.readResponse()
                    #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(head.contains("Content-Type: application/json"))
                    #expect(body == #"{"code":\#(code),"message":"\#(message)"}"#)
                }
            }
        }

        @Test("Upgrades are refused in plain text, and other paths are not found")
        func otherRefusals() async throws {
            try await withServer { _, port in
                for (target, status, text) in [
                    ("/socket.io/?EIO=4&transport=websocket&sid=abc", 400, "Session ID unknown"),
                    ("/socket.io/?transport=websocket", 400, "Unsupported protocol version"),
                    ("/socket.io/?EIO=4", 400, "Transport unknown"), ("/other", 404, "Not found: /other\n"),
                ] {
                    let raw = try await RawConnection(port: port)
                    try await raw.send("GET \(target) HTTP/1.1\r\n" + RawConnection.webSocketHeaders)
                    let answer = try await raw.readToEnd()
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
                    #expect(answer.hasSuffix("\r\n\r\n" + text))
                }
            }
        }

        @Test("A handshake may be forbidden by its request, and sessions are limited")
        func admission() async throws {
            try await withServer {
                $0.allowRequest = { $0.headers.first(name: "x-secret") == "yes" }
                $0.maximumSessions = 1
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.send(Self.get(Self.endpoint))
                let forbidden = try await raw.readResponse()
                #expect(forbidden.head.hasPrefix("HTTP/1.1 403 "))
                #expect(forbidden.body == #"{"code":4,"message":"Forbidden"}"#)
                try await raw.send(Self.get(Self.endpoint, "X-Secret: yes\r\n"))
                let open = try await raw.readResponse()
                #expect(open.head.hasPrefix("HTTP/1.1 200 "))
                try await raw.send(Self.get(Self.endpoint, "X-Secret: yes\r\n"))
                let full = try await raw.readResponse()
                #expect(full.head.hasPrefix("HTTP/1.1 503 "))
            }
        }

        @Test("CORS: origins on the list are let in, preflights answered")
        func cors() async throws {
            try await withServer {
                $0.cors = CORSConfiguration(origins: .list(["https://a.example"]), allowsCredentials: true)
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.send(Self.get(Self.endpoint, "Origin: https://a.example\r\n"))
                let allowed = try await raw.readResponse().head
                #expect(allowed.contains("Access-Control-Allow-Origin: https://a.example\r\n"))
                #expect(allowed.contains("Access-Control-Allow-Credentials: true\r\n"))
                try await raw.send(Self.get(Self.endpoint, "Origin: https://b.example\r\n"))
                let other = try await raw.readResponse().head
                #expect(!other.contains("Access-Control-Allow"))
                try await raw.send(
                    "OPTIONS \(Self.endpoint) HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n"
                        + "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a, x-b\r\n\r\n"
                )
                let preflight = try await raw.readResponse().head
                #expect(preflight.hasPrefix("HTTP/1.1 204 "))
                #expect(preflight.contains("Access-Control-Allow-Methods: GET,POST\r\n"))
                #expect(preflight.contains("Access-Control-Allow-Headers: x-a, x-b\r\n"))
            }
        }

        @Test("A polling session by hand: connect, event and acknowledgement, close")
        func pollingSession() async throws {
            try await withServer { io, port in
                io.onConnection { socket in socket.on("hi") { $0.acknowledge("there") } }
                let raw = try await RawConnection(port: port)
                let target = Self.endpoint + "&sid=" + (try await openSession(raw))
                try await raw.send(Self.post(target, "40"))
                #expect(try await raw.readResponse().body == "ok")
                try await raw.send(Self.get(target))
                #expect(try await raw.readResponse().body.hasPrefix(#"40{"sid":""#))
                try await raw.send(Self.post(target, #"420["hi"]"#))
                #expect(try await raw.readResponse().body == "ok")
                try await raw.send(Self.get(target))
                #expect(try await raw.readResponse().body == #"430["there"]"#)
                try await raw.send(Self.post(target, "1"))
                #expect(try await raw.readResponse().body == "ok")
                try await raw.send(Self.get(target))
                #expect(try await raw.readResponse().body == #"{"code":1,"message":"Session ID unknown"}"#)
            }
        }

        @Test("Two polls at once, from two connections, end the session")
        func doublePoll() async throws {
            try await withServer { io, port in
                let first = try await RawConnection(port: port)
                let target = Self.endpoint + "&sid=" + (try await openSession(first))
                let second = try await RawConnection(port: port)
                try await first.send(Self.get(target))
                try await second.send(Self.get(target))
                // Which of the two comes first is for the network to say.
                let bodies = [try await first.readResponse().body, try await second.readResponse().body]
                #expect(Set(bodies) == ["1", #"{"code":3,"message":"Bad request"}"#])
                #expect(io.sessionCount == 0)
            }
        }

        @Test("A client whose connection breaks while its poll waits is gone at once")
        func abortedPoll() async throws {
            try await withServer { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in reasons.put(reason) }
                let raw = try await RawConnection(port: port)
                let target = Self.endpoint + "&sid=" + (try await openSession(raw))
                try await raw.send(Self.post(target, "40"))
                #expect(try await raw.readResponse().body == "ok")
                try await raw.send(Self.get(target))
                _ = try await raw.readResponse()
                try await raw.send(Self.get(target))
                raw.close()
                let reason = try await reasons.next()
                #expect(reason == .transportError)
            }
        }

        @Test("Thousands of requests pipelined behind a waiting poll are answered in order")
        func pipelining() async throws {
            try await withServer { _, port in
                let raw = try await RawConnection(port: port)
                let target = Self.endpoint + "&sid=" + (try await openSession(raw))
                let requests = (0..<5000).map { Self.get("/\($0)") }.joined()
                try await raw.send(Self.get(target) + requests)
                let poster = try await RawConnection(port: port)
                try await poster.send(Self.post(target, "40"))
                #expect(try await raw.readResponse().body.hasPrefix("40"))
                for number in 0..<5000 {
                    let body = try await raw.readResponse().body
                    guard body == "Not found: /\(number)\n" else {
                        Issue.record("got \(body) in the place of \(number)")
                        return
                    }
                }
            }
        }

        @Test("A payload above the limit is answered 413, announced or not, and the session goes on")
        func payloadTooLarge() async throws {
            try await withServer {
                $0.maximumPayload = 1000
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                let target = Self.endpoint + "&sid=" + (try await openSession(raw))
                let large = "4" + String(repeating: "x", count: 1000)
                let announced = try await RawConnection(port: port)
                try await announced.send(Self.post(target, large))
                #expect(try await announced.readResponse().head.hasPrefix("HTTP/1.1 413 "))
                let chunked = try await RawConnection(port: port)
                try await chunked.send("POST \(target) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                try await chunked.send(String(large.utf8.count, radix: 16) + "\r\n" + large + "\r\n")
                #expect(try await chunked.readResponse().head.hasPrefix("HTTP/1.1 413 "))
                try await raw.send(Self.post(target, "6"))
                #expect(try await raw.readResponse().body == "ok")
            }
        }

        @Test("The upgrade by hand; afterwards the session takes no polls and no second WebSocket")
        func upgrade() async throws {
            try await withServer {
                $0.upgradeTimeout = .seconds(60)
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                let sid = try await openSession(raw)
                let socket = try await RawConnection(port: port)
                try await socket.openWebSocket(sid: sid)
                try await socket.sendText("2probe")
                #expect(try await socket.readText() == "3probe")
                try await raw.send(Self.get(Self.endpoint + "&sid=" + sid))
                #expect(try await raw.readResponse().body == "6")
                try await socket.sendText("5")
                try await socket.sendText("40")
                #expect(try await socket.readText().hasPrefix(#"40{"sid":""#))
                try await raw.send(Self.get(Self.endpoint + "&sid=" + sid))
                #expect(try await raw.readResponse().body == #"{"code":3,"message":"Bad request"}"#)
                let late = try await RawConnection(port: port)
                try await late.openWebSocket(sid: sid)
                #expect(try await late.readCloseCode() == 0)
            }
        }

        @Test("Fallback and endpoint alternate on one connection, in order, even when requests are pipelined")
        func fallback() async throws {
            let io = SocketIOServer()
            let installations = Inbox<Int>()
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    io.configure(channel) { channel in
                        installations.put(1)
                        // Completing later shows that the request waits for the handlers.
                        return channel.eventLoop.scheduleTask(in: .milliseconds(10)) {}.futureResult.flatMap {
                            channel.pipeline.addHandler(SlowEcho())
                        }
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            let port = listener.localAddress?.port ?? 0
            let raw = try await RawConnection(port: port)
            try await raw.send(
                Self.get("/one") + Self.get(Self.endpoint) + Self.post("/two", "body")
                    + Self.get(Self.endpoint + "&sid=x")
                    + Self.get("/three")
            )
            #expect(try await raw.readResponse().body == "GET /one ")
            #expect(try await raw.readResponse().body.hasPrefix(#"0{"sid":""#))
            #expect(try await raw.readResponse().body == "POST /two body")
            #expect(try await raw.readResponse().body == #"{"code":1,"message":"Session ID unknown"}"#)
            #expect(try await raw.readResponse().body == "GET /three ")
            let sid = try await openSession(raw)
            try await raw.send(Self.get(Self.endpoint + "&sid=\(sid)") + Self.get("/after-the-poll"))
            let poster = try await RawConnection(port: port)
            try await poster.send(Self.post(Self.endpoint + "&sid=\(sid)", "40"))
            #expect(try await poster.readResponse().body == "ok")
            #expect(try await raw.readResponse().body.hasPrefix(#"40{"sid":""#))
            #expect(try await raw.readResponse().body == "GET /after-the-poll ")
            let last = try await RawConnection(port: port)
            try await last.send(Self.get("/five"))
            #expect(try await last.readResponse().body == "GET /five ")
            try await last.openWebSocket()
            try await last.sendText("40")
            #expect(try await last.readText().hasPrefix(#"40{"sid":""#))
            #expect(try await installations.next() == 1)
            #expect(try await installations.next() == 1)
            try await listener.close()
            await io.close()
        }
    }
}

/// Answers with the method, the target and the body, a little later.
private final class SlowEcho: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let request = Mutex("")

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): request.withLock { $0 = "\(head.method) \(head.uri) " }
        case .body(let body): request.withLock { $0 += String(buffer: body) }
        case .end:
            let body = ByteBuffer(string: request.withLock { $0 })
            let channel = context.channel
            context.eventLoop.scheduleTask(in: .milliseconds(5)) {
                let headers: HTTPHeaders = ["Content-Length": String(body.readableBytes)]
                let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
                channel.write(HTTPServerResponsePart.head(head), promise: nil)
                channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
                channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            }
        }
    }
}

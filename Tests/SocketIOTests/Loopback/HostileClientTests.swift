import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Hostile clients", .timeLimit(.minutes(5)))
    struct HostileClientTests {
        /// A server with a well-behaved client beside the hostile one, which must not notice anything.
        private func withBystander(
            _ configure: (inout SocketIOServerConfiguration) -> Void = { _ in },
            attack: (SocketIOServer, Int) async throws -> Void
        ) async throws {
            try await withServer(configure) { io, port in
                io.onConnection { socket in
                    socket.on("message") { socket.emit("message-back", arguments: $0.arguments) }
                    socket.on("ack") { $0.acknowledge("still here") }
                }
                try await withClient(port: port) { client in
                    client.connect()
                    _ = try await client.emitWithAck("ack")
                    let id = client.id
                    try await attack(io, port)
                    let answer = try await client.emitWithAck("ack")
                    #expect(answer == ["still here"])
                    #expect(client.id == id, "the bystander was disconnected")
                }
            }
        }

        @Test(
            "Bytes that are not HTTP are answered 400 and cut",
            arguments: [
                "\0\u{1}\u{2}garbage\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0",
            ]
        )
        func garbage(text: String) async throws {
            try await withBystander { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.send(text)
                #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 400 "))
            }
        }

        @Test("Half a request is cut after the time-out, at its head and at its body")
        func slowloris() async throws {
            try await withBystander {
                // The bystander's own requests have to be in time, too.
                $0.requestTimeout = .seconds(1)
            } attack: { _, port in
                let silent = try await RawConnection(port: port)
                let half = try await RawConnection(port: port)
                try await half.send("GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\nX-")
                let body = try await RawConnection(port: port)
                try await body.send(
                    "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n4"
                )
                for raw in [silent, half, body] {
                    #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 408 "))
                }
            }
        }

        @Test("An idle connection is closed after the keep-alive time-out")
        func idle() async throws {
            try await withBystander {
                $0.keepAliveTimeout = .milliseconds(100)
            } attack: { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 404 "))
            }
        }

        @Test("Headers without end are refused")
        func endlessHeaders() async throws {
            try await withBystander { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET /socket.io/ HTTP/1.1\r\n")
                for number in 0..<200 {
                    try await raw.send("X-\(number): " + String(repeating: "x", count: 1000) + "\r\n")
                }
                #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 431 "))
            }
        }

        @Test(
            "Frames that break RFC 6455 get the protocol error code",
            arguments: [
                ([0x81, 0x01, 0x34], 1002),  // unmasked
                (RawConnection.frame([0x34], opcode: 0x41), 1002),  // reserved bit
                (RawConnection.frame([0x34], opcode: 3), 1002),  // unknown opcode
                (RawConnection.frame([0x34], opcode: 0), 1002),  // continuation of nothing
                (RawConnection.frame([0x34], isLast: false) + RawConnection.frame([0x34]), 1002),  // not a continuation
                (RawConnection.frame([UInt8](repeating: 0, count: 126), opcode: 9), 1002),  // long control frame
                (RawConnection.frame([1], opcode: 9, isLast: false), 1002),  // fragmented control frame
                ([0x81, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4], 1009),  // 1 MiB
                ([0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], 1009),  // 2^64 - 1 bytes
            ] as [([UInt8], Int)]
        )
        func brokenFrames(bytes: [UInt8], code: Int) async throws {
            try await withBystander {
                $0.maximumPayload = 1000
            } attack: { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                try await raw.send(bytes)
                #expect(try await raw.readCloseCode() == code)
                try await eventually { io.sessionCount == 1 }
            }
        }

        @Test("Fragments that grow above the limit are refused; below it they make one message")
        func fragments() async throws {
            try await withBystander {
                $0.maximumPayload = 1000
            } attack: { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                try await raw.send(
                    RawConnection.frame([0x34], isLast: false) + RawConnection.frame([], opcode: 0, isLast: false)
                        + RawConnection.frame([1], opcode: 9) + RawConnection.frame([0x30], opcode: 0)
                )
                #expect(try await raw.read(3) == [0x8A, 1, 1])
                #expect(try await raw.readText().hasPrefix(#"40{"sid":""#))
                try await raw.send(RawConnection.frame([0x34], isLast: false))
                for _ in 0..<3 {
                    try await raw.send(
                        RawConnection.frame([UInt8](repeating: 0x20, count: 400), opcode: 0, isLast: false)
                    )
                }
                #expect(try await raw.readCloseCode() == 1009)
            }
        }

        @Test(
            "Messages that are not Engine.IO or Socket.IO end the session",
            arguments: [
                Array("abc".utf8), [0x34, 0xC3, 0x28], Array("9".utf8), Array("2".utf8), Array("4abc".utf8),
                Array("42".utf8),
                Array("42[".utf8), Array("42[]".utf8), Array(#"42["message"]"#.utf8), Array("43[]".utf8),
                Array("4".utf8),
                Array("451-[]".utf8), Array(#"42["disconnect"]"#.utf8), Array("44{}".utf8), [],
                Array(("42" + String(repeating: "[", count: 5000)).utf8), Array("1".utf8), Array("41/nowhere,".utf8),
            ]
        )
        func brokenMessages(bytes: [UInt8]) async throws {
            try await withBystander { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                try await raw.send(RawConnection.frame(bytes))
                #expect(try await raw.readCloseCode() == 0)
                try await eventually { io.sessionCount == 1 }
            }
        }

        @Test("Unexpected binary, and text among attachments, end the session")
        func brokenAttachments() async throws {
            try await withBystander { io, port in
                let binary = try await RawConnection(port: port)
                try await binary.openWebSocket()
                try await binary.send(RawConnection.frame([1, 2, 3], opcode: 2))
                #expect(try await binary.readCloseCode() == 0)
                let text = try await RawConnection(port: port)
                try await text.openWebSocket()
                try await text.sendText("40")
                _ = try await text.readText()
                try await text.sendText(#"451-["message",{"_placeholder":true,"num":0}]"#)
                try await text.sendText(#"42["message"]"#)
                #expect(try await text.readCloseCode() == 0)
                try await eventually { io.sessionCount == 1 }
            }
        }

        @Test("Hostile names and values are data like any other")
        func hostileValues() async throws {
            try await withBystander { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                try await raw.sendText(#"40{"__proto__":{"x":1}}"#)
                _ = try await raw.readText()
                try await raw.sendText(#"42["message",{"__proto__":{"toString":null}},"\u0000",1e999]"#)
                #expect(
                    try await raw.readText() == #"42["message-back",{"__proto__":{"toString":null}},"\u0000",null]"#
                )
                try await raw.sendText(#"42["__proto__"]"#)
                try await raw.sendText(#"42["toString",null]"#)
                try await raw.sendText("4399[1]")
                try await raw.sendText("40/toString,")
                #expect(try await raw.readText() == #"44/toString,{"message":"Invalid namespace"}"#)
            }
        }

        @Test("A client that does not answer pings is dropped, and so is one that joins no namespace")
        func silence() async throws {
            try await withServer {
                $0.pingInterval = .milliseconds(50)
                $0.pingTimeout = .milliseconds(50)
            } body: { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in reasons.put(reason) }
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sendingAtOnce: ["40"])
                #expect(try await raw.readCloseCode() == 0)
                let reason = try await reasons.next()
                #expect(reason == .pingTimeout)
            }
            try await withServer {
                $0.connectTimeout = .milliseconds(50)
            } body: { _, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                #expect(try await raw.readCloseCode() == 0)
                let left = try await RawConnection(port: port)
                try await left.openWebSocket(sendingAtOnce: ["40", "41"])
                #expect(try await left.readCloseCode() == 0)
            }
        }

        @Test("A client that does not read is cut at the limit, and told why if it reads on", arguments: [true, false])
        func slowReader(readsOn: Bool) async throws {
            try await withBystander {
                $0.maximumBufferedBytes = 1 << 20
                $0.slowReaderTimeout = readsOn ? .seconds(60) : .zero
            } attack: { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in reasons.put(reason) }
                let victim = Inbox<String>()
                io.onConnection { victim.put($0.id) }
                let raw = try await StalledConnection(port: port)
                let id = try await victim.next()
                let large = JSONValue.string(String(repeating: "x", count: 100_000))
                let flood = Task {
                    while !Task.isCancelled {
                        io.to(id).emit("flood", large)
                        try await Task.sleep(for: .milliseconds(1))
                    }
                }
                let reason = try await reasons.next()
                #expect(reason == .transportError)
                flood.cancel()
                #expect(io.refusals == [.slowReader: 1])
                // A close frame of the server: code 1008, and the reason. It is not reached by a client without time for it.
                let close: [UInt8] = [0x88, 13, 0x03, 0xF0] + Array("slow reader".utf8)
                let last = try await raw.readToEnd(answeringCloseAfter: close)
                #expect((Array(last.suffix(close.count)) == close) == readsOn)
                raw.close()
            }
        }

        @Test("Connections above the limit are told so and closed")
        func tooManyConnections() async throws {
            try await withServer {
                $0.maximumConnections = 2
            } body: { _, port in
                let first = try await RawConnection(port: port)
                try await first.openWebSocket()
                let second = try await RawConnection(port: port)
                try await second.openWebSocket()
                let third = try await RawConnection(port: port)
                #expect(try await third.readToEnd().hasPrefix("HTTP/1.1 503 "))
                second.close()
                _ = try await second.readToEnd()
                var isAdmitted = false
                while !isAdmitted {
                    let next = try await RawConnection(port: port)
                    try await next.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    isAdmitted = try await next.readToEndOrResponse().hasPrefix("HTTP/1.1 404")
                }
            }
        }

        @Test("Random bytes over a WebSocket never bring the server down")
        func fuzz() async throws {
            let seed: UInt64 = 0x5EED_0050
            try await withBystander { _, port in
                var random = SeededGenerator(seed: seed)
                for round in 0..<150 {
                    let raw = try await RawConnection(port: port)
                    try await raw.openWebSocket()
                    let count = Int.random(in: 1...200, using: &random)
                    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    try await raw.send(round % 2 == 0 ? bytes : RawConnection.frame(bytes))
                    raw.close()
                }
            }
        }
    }
}

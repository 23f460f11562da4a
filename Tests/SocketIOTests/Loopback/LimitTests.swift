import NIOCore
import NIOHTTP1
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    /// Every limit of the transport: what is above it is refused, the client is told, and the refusal is counted.
    @Suite("Limits", .timeLimit(.minutes(5)))
    struct LimitTests {
        /// Waits until the server has counted a refusal, and expects no other.
        private func expectOnly(_ refusal: SocketIORefusal, _ count: Int = 1, of io: SocketIOServer) async throws {
            try await eventually { io.refusals[refusal, default: 0] >= count }
            #expect(io.refusals == [refusal: count])
        }

        private func get(_ query: String, port: Int, method: String = "GET") async throws -> (
            head: String, body: String
        ) {
            let raw = try await RawConnection(port: port)
            try await raw.send("\(method) /socket.io/?\(query) HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try await raw.readResponse()
            raw.close()
            return response
        }

        @Test("Connections of one address")
        func connectionsPerAddress() async throws {
            try await withServer {
                $0.maximumConnectionsPerAddress = 1
            } body: { io, port in
                let first = try await RawConnection(port: port)
                try await first.openWebSocket()
                let second = try await RawConnection(port: port)
                try await second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await second.readToEnd()
                #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("Too many connections"))
                try await expectOnly(.tooManyConnectionsFromAddress, of: io)
                first.close()
            }
        }

        @Test("Sessions of one address, until one of them ends")
        func sessionsPerAddress() async throws {
            try await withServer {
                $0.maximumSessionsPerAddress = 1
            } body: { io, port in
                let first = try await RawConnection(port: port)
                try await first.openWebSocket()
                let refused = try await get("EIO=4&transport=polling", port: port)
                #expect(refused.head.hasPrefix("HTTP/1.1 503 "))
                #expect(refused.body == #"{"code":4,"message":"Too many sessions from this address"}"#)
                try await expectOnly(.tooManySessionsFromAddress, of: io)
                first.close()
                try await eventually { io.sessionCount == 0 }
                #expect(try await get("EIO=4&transport=polling", port: port).head.hasPrefix("HTTP/1.1 200 "))
            }
        }

        @Test("Addresses: IPv4 by themselves, IPv6 by their /64 network, IPv4 inside of IPv6 as such")
        func addresses() throws {
            func key(_ address: String) throws -> AddressKey? {
                AddressKey(try SocketAddress(ipAddress: address, port: 1))
            }
            #expect(try key("127.0.0.1") == key("127.0.0.1"))
            #expect(try key("127.0.0.1") != key("127.0.0.2"))
            #expect(try key("2001:db8::1") == key("2001:db8::ffff:2"))
            #expect(try key("2001:db8::1") != key("2001:db8:0:1::1"))
            #expect(try key("::ffff:10.0.0.1") == key("10.0.0.1"))
            #expect(try key("::1") != nil)
            for other in ["2001:db8::2", "2001:db8:0:0:5::", "2001:0DB8::", "2001:db8::1%eth0"] {
                #expect(try AddressKey(other) == key("2001:db8::1"))
            }
            #expect(AddressKey("example.org") == nil)
            #expect(AddressKey(nil) == nil)
            #expect(AddressKey(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == nil)
        }

        @Test("Events a second: the burst is served, then the client is told to go", arguments: [true, false])
        func eventRate(byWebSocket: Bool) async throws {
            try await withServer {
                $0.eventRate = EventRate(perSecond: 1, burst: 5)
            } body: { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in reasons.put(reason) }
                io.onConnection { socket in socket.on("count") { socket.emit("counted", arguments: $0.arguments) } }
                let raw = try await RawConnection(port: port)
                if byWebSocket {
                    let events = (0..<20).map { #"42["count",\#($0)]"# }
                    try await raw.openWebSocket(sendingAtOnce: ["40"] + events)
                    #expect(try await raw.readText().hasPrefix("40{"))
                    for number in 0..<4 { #expect(try await raw.readText() == #"42["counted",\#(number)]"#) }
                    #expect(try await raw.readText() == "41")
                } else {
                    try await raw.send("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
                    let opened = try await raw.readResponse().body
                    let sid = try JSONValue(parsing: opened.dropFirst())["sid"]?.stringValue ?? ""
                    let target = "/socket.io/?EIO=4&transport=polling&sid=\(sid)"
                    let body = (["40"] + (0..<20).map { #"42["count",\#($0)]"# }).joined(separator: "\u{1e}")
                    let length = "Content-Length: \(body.utf8.count)"
                    try await raw.send("POST \(target) HTTP/1.1\r\nHost: a\r\n\(length)\r\n\r\n\(body)")
                    #expect(try await raw.readResponse().body == "ok")
                    try await raw.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
                    let packets = try await raw.readResponse().body.split(separator: "\u{1e}").map(String.init)
                    let counted = (0..<4).map { #"42["counted",\#($0)]"# }
                    #expect(Array(packets.dropFirst()) == counted + ["41", "1"])
                }
                let reason = try await reasons.next()
                #expect(reason == .forcedServerClose)
                try await expectOnly(.tooManyEvents, of: io)
                raw.close()
            }
        }

        @Test("The rate meter admits the burst, then one by one, and never counts what it refuses")
        func meter() {
            var meter = RateMeter()
            let rate = EventRate(perSecond: 10, burst: 3)
            var now = NIODeadline.uptimeNanoseconds(5_000_000_000)
            #expect((0..<6).map { _ in meter.admit(at: now, rate: rate) } == [true, true, true, false, false, false])
            now = now + .milliseconds(100)
            #expect((0..<2).map { _ in meter.admit(at: now, rate: rate) } == [true, false])
            now = now + .seconds(100)
            #expect((0..<4).map { _ in meter.admit(at: now, rate: rate) } == [true, true, true, false])
        }

        @Test("Namespaces of one session")
        func namespaces() async throws {
            try await withServer {
                $0.maximumNamespacesPerSession = 2
            } body: { io, port in
                for name in ["/a", "/b", "/c"] { _ = io.of(name) }
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sendingAtOnce: ["40/a,", "40/b,", "40/c,", "41/a,", "40/c,"])
                #expect(try await raw.readText().hasPrefix("40/a,{"))
                #expect(try await raw.readText().hasPrefix("40/b,{"))
                #expect(try await raw.readText() == #"44/c,{"message":"Too many namespaces"}"#)
                #expect(try await raw.readText().hasPrefix("40/c,{"))
                try await expectOnly(.tooManyNamespaces, of: io)
                raw.close()
            }
        }

        @Test("Bytes waiting for a client that does not poll")
        func slowPolling() async throws {
            try await withServer {
                $0.maximumBufferedBytes = 100_000
            } body: { io, port in
                let reasons = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in reasons.put(reason) }
                io.onConnection { socket in
                    let large = JSONValue.string(String(repeating: "x", count: 60_000))
                    for _ in 0..<2 { socket.emit("large", large) }
                }
                let opened = try await get("EIO=4&transport=polling", port: port)
                let sid = try JSONValue(parsing: opened.body.dropFirst())["sid"]?.stringValue ?? ""
                let raw = try await RawConnection(port: port)
                let target = "/socket.io/?EIO=4&transport=polling&sid=\(sid)"
                try await raw.send("POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n40")
                let reason = try await reasons.next()
                #expect(reason == .transportError)
                try await expectOnly(.slowReader, of: io)
                raw.close()
            }
        }

        @Test("A WebSocket that does not complete an upgrade is closed, the session goes on")
        func upgradeTimeout() async throws {
            try await withServer {
                $0.upgradeTimeout = .milliseconds(50)
            } body: { io, port in
                let opened = try await get("EIO=4&transport=polling", port: port)
                let sid = try JSONValue(parsing: opened.body.dropFirst())["sid"]?.stringValue ?? ""
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sid: sid)
                #expect(try await raw.readCloseCode() == 0)
                try await expectOnly(.upgradeTimeout, of: io)
                #expect(io.sessionCount == 1)
            }
        }

        @Test("Compression is not negotiated, so a compressed frame breaks the protocol")
        func compression() async throws {
            try await withServer { io, port in
                let raw = try await RawConnection(port: port)
                let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                try await raw.send(
                    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + offer + RawConnection.webSocketHeaders
                )
                #expect(try await !raw.read(until: "\r\n\r\n").lowercased().contains("extensions"))
                _ = try await raw.readText()
                // "Hello", compressed, as in RFC 7692, section 7.2.3.1, in a frame with RSV1.
                try await raw.send(RawConnection.frame([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], opcode: 0x41))
                #expect(try await raw.readCloseCode() == 1002)
                try await expectOnly(.webSocketProtocolError, of: io)
            }
        }

        @Test("Compressed bodies are not expanded")
        func compressedBody() async throws {
            try await withServer { io, port in
                let opened = try await get("EIO=4&transport=polling", port: port)
                let sid = try JSONValue(parsing: opened.body.dropFirst())["sid"]?.stringValue ?? ""
                let raw = try await RawConnection(port: port)
                try await raw.send(
                    "POST /socket.io/?EIO=4&transport=polling&sid=\(sid) HTTP/1.1\r\nHost: a\r\n"
                        + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
                )
                try await raw.send([0x1F, 0x8B, 0x08, 0x00])
                #expect(try await raw.readResponse().head.hasPrefix("HTTP/1.1 400 "))
                #expect(io.refusals[.malformedPacket] == 1)
                raw.close()
            }
        }

        @Test("Bytes of attachments that wait for their packet to be complete")
        func attachments() async throws {
            try await withServer {
                $0.packetLimits.maximumAttachmentBytes = 1000
            } body: { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sendingAtOnce: ["40"])
                _ = try await raw.readText()
                try await raw.sendText(#"453-["a",{"_placeholder":true,"num":0}]"#)
                for _ in 0..<2 { try await raw.send(RawConnection.frame([UInt8](repeating: 0, count: 501), opcode: 2)) }
                #expect(try await raw.readCloseCode() == 0)
                try await expectOnly(.malformedPacket, of: io)
            }
        }

        @Test("Packets of one payload", arguments: [4, 3])
        func packetsAtOnce(revision: Int) async throws {
            try await withServer {
                $0.allowEIO3 = true
            } body: { io, port in
                let opened = try await get("EIO=\(revision)&transport=polling", port: port)
                let json = opened.body[(opened.body.firstIndex(of: "{") ?? opened.body.startIndex)...]
                let sid = try JSONValue(parsing: json)["sid"]?.stringValue ?? ""
                let packets = [String](repeating: revision == 4 ? "6" : "1:6", count: 20_000)
                let body = packets.joined(separator: revision == 4 ? "\u{1e}" : "")
                let raw = try await RawConnection(port: port)
                let target = "/socket.io/?EIO=\(revision)&transport=polling&sid=\(sid)"
                let length = "Content-Length: \(body.utf8.count)"
                try await raw.send("POST \(target) HTTP/1.1\r\nHost: a\r\n\(length)\r\n\r\n\(body)")
                #expect(try await raw.readResponse().head.hasPrefix("HTTP/1.1 400 "))
                #expect(io.refusals[.malformedPacket] == 1)
                raw.close()
            }
        }

        @Test(
            "What HTTP requests are refused for is counted",
            arguments: [
                ("EIO=4&transport=x", "GET", .unknownTransport), ("EIO=4", "GET", .unknownTransport),
                ("EIO=4&transport=polling&sid=x", "GET", .unknownSessionID),
                ("EIO=4&transport=polling", "PUT", .badHandshakeMethod),
                ("EIO=4&transport=websocket", "GET", .badRequest),
                ("EIO=4&transport=polling&secret", "GET", .forbidden),
                ("EIO=3&transport=polling", "GET", .unsupportedProtocolVersion),
                ("transport=polling", "GET", .unsupportedProtocolVersion),
            ] as [(String, String, SocketIORefusal)]
        )
        func requests(query: String, method: String, refusal: SocketIORefusal) async throws {
            try await withServer {
                $0.allowRequest = { !$0.uri.hasSuffix("secret") }
            } body: { io, port in
                let answer = try await get(query, port: port, method: method)
                #expect(answer.head.hasPrefix(refusal == .forbidden ? "HTTP/1.1 403 " : "HTTP/1.1 400 "))
                try await expectOnly(refusal, of: io)
            }
        }

        // A time-out that is short for one test is short for all of its connections: each has a server of its own, on
        // which nothing else is to happen in time.

        @Test("Malformed and large requests, unknown paths and namespaces are counted")
        func others() async throws {
            try await withServer {
                $0.maximumPayload = 1000
            } body: { io, port in
                io.of("/closed").use { _ throws(SocketIOConnectError) in throw SocketIOConnectError("no") }
                func send(_ text: String) async throws {
                    let raw = try await RawConnection(port: port)
                    try await raw.send(text)
                    _ = try await raw.readToEnd()
                }
                try await send("nonsense\r\n\r\n")
                try await send("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 30_000) + "\r\n\r\n")
                try await send("GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n")
                let body = String(repeating: "x", count: 1001)
                try await send("POST /socket.io/?EIO=4 HTTP/1.1\r\nContent-Length: 1001\r\n\r\n\(body)")
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sendingAtOnce: ["40/random,", "40/closed,"])
                #expect(try await raw.readText() == #"44/random,{"message":"Invalid namespace"}"#)
                #expect(try await raw.readText() == #"44/closed,{"message":"no"}"#)
                #expect(
                    io.refusals == [
                        .malformedRequest: 1, .headersTooLarge: 1, .unknownPath: 1, .payloadTooLarge: 1,
                        .invalidNamespace: 1, .connectRefused: 1,
                    ]
                )
                raw.close()
            }
        }

        @Test("A request that does not come to its end in time is counted")
        func slowRequest() async throws {
            try await withServer {
                $0.requestTimeout = .milliseconds(50)
            } body: { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.send("GET / HTTP/1.1\r\nHo")
                #expect(try await raw.readToEnd().hasPrefix("HTTP/1.1 408 "))
                try await expectOnly(.slowRequest, of: io)
            }
        }

        @Test("A session that joins no namespace in time is counted")
        func connectTimeout() async throws {
            try await withServer {
                $0.connectTimeout = .milliseconds(50)
            } body: { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket()
                #expect(try await raw.readCloseCode() == 0)
                try await expectOnly(.connectTimeout, of: io)
            }
        }

        @Test("A session that does not answer a ping in time is counted")
        func pingTimeout() async throws {
            try await withServer {
                $0.pingInterval = .milliseconds(50)
                $0.pingTimeout = .milliseconds(50)
            } body: { io, port in
                let raw = try await RawConnection(port: port)
                try await raw.openWebSocket(sendingAtOnce: ["40"])
                #expect(try await raw.readCloseCode() == 0)
                try await expectOnly(.pingTimeout, of: io)
            }
        }
    }
}

import NIOCore
import SocketIO
import Testing

/// A client's session, a clock, and its outputs in words.
private struct Harness {
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var session: EngineIOClientSession

    init(_ transports: [SocketIOTransport]) {
        session = EngineIOClientSession(transports: transports, openTimeout: .seconds(5))
    }

    mutating func feed(_ input: EngineIOClientSession.Input) -> [String] {
        session.handle(input, at: now)
        var all: [String] = []
        while let output = session.nextOutput() { all.append(Self.describe(output)) }
        return all
    }

    mutating func frame(_ text: String) -> [String] { feed(.webSocketFrame(.text(ByteBuffer(string: text)))) }

    mutating func answer(_ text: String, status: Int = 200) -> [String] {
        feed(.pollAnswered(status: status, body: ByteBuffer(string: text)))
    }

    mutating func posted(status: Int = 200) -> [String] {
        feed(.postAnswered(status: status, body: ByteBuffer(string: "ok")))
    }

    mutating func send(_ text: String) -> [String] { feed(.send(.text(ByteBuffer(string: text)))) }

    mutating func wait(_ time: TimeAmount) -> [String] {
        now = now + time
        return feed(.timeout)
    }

    private static func describe(_ output: EngineIOClientSession.Output) -> String {
        switch output {
        case .poll(let sid): "poll \(sid ?? "-")"
        case .post(_, let body): "post \(String(buffer: body))"
        case .openWebSocket(let sid): "open \(sid ?? "-")"
        case .sendFrame(.text(let text)): "send \(String(buffer: text))"
        case .sendFrame(.binary): "send binary"
        case .closeWebSocket: "close"
        case .opened(let handshake): "opened \(handshake.sid)"
        case .message(.text(let text)): "message \(String(buffer: text))"
        case .message(.binary(let bytes)): "message binary \(Array(bytes.readableBytesView))"
        case .closed(.transportError(let error)): "closed: \(error.message)"
        case .closed(let reason): "closed \(reason)"
        }
    }
}

extension SocketIOTests {
    @Suite("Engine.IO client session")
    struct EngineIOClientSessionTests {
        private static func handshake(upgrades: String = #""websocket""#, maximumPayload: Int = 20) -> String {
            #"0{"sid":"S","upgrades":[\#(upgrades)],"pingInterval":300,"pingTimeout":200,"maxPayload":\#(maximumPayload)}"#
        }

        @Test("WebSocket alone: open, messages, heartbeat, close")
        func webSocketOnly() {
            var harness = Harness([.webSocket])
            #expect(harness.feed(.start) == ["open -"])
            #expect(harness.feed(.webSocketOpened) == [])
            #expect(harness.send("too early") == [])
            #expect(harness.frame(Self.handshake(upgrades: "")) == ["opened S"])
            #expect(harness.send("a") == ["send 4a"])
            #expect(harness.frame("4b") == ["message b"])
            #expect(harness.wait(.milliseconds(400)) == [])
            #expect(harness.frame("2") == ["send 3"])
            #expect(harness.wait(.milliseconds(499)) == [])
            #expect(harness.wait(.milliseconds(1)) == ["close", "closed pingTimeout"])
        }

        @Test("Polling alone: one poll and one POST at a time, no more than the server takes at once")
        func pollingOnly() {
            var harness = Harness([.polling])
            #expect(harness.feed(.start) == ["poll -"])
            #expect(harness.answer(Self.handshake()) == ["opened S", "poll S"])
            #expect(harness.send("one") == ["post 4one"])
            #expect(harness.send("twotwo") == [])
            #expect(harness.send("threethree") == [])
            #expect(harness.send(String(repeating: "x", count: 30)) == [])
            #expect(harness.posted() == ["post 4twotwo\u{1e}4threethree"])
            #expect(harness.posted() == ["post 4" + String(repeating: "x", count: 30)])
            #expect(harness.posted() == [])
            #expect(
                harness.answer("4a\u{1e}2\u{1e}bAQI=") == ["message a", "post 3", "message binary [1, 2]", "poll S"]
            )
        }

        @Test("The upgrade waits for the poll and the POST under way")
        func upgrade() {
            var harness = Harness([.polling, .webSocket])
            #expect(harness.feed(.start) == ["poll -"])
            #expect(harness.answer(Self.handshake()) == ["opened S", "open S", "poll S"])
            #expect(harness.send("a") == ["post 4a"])
            #expect(harness.feed(.webSocketOpened) == ["send 2probe"])
            #expect(harness.frame("3probe") == [])
            #expect(harness.send("b") == [])
            #expect(harness.answer("6") == [])
            #expect(harness.posted() == ["send 5", "send 4b"])
            #expect(harness.session.usesWebSocket)
            #expect(harness.frame("4c") == ["message c"])
            #expect(harness.send("d") == ["send 4d"])
        }

        @Test("A WebSocket that cannot be opened or does not answer the probe leaves the session on polling")
        func failedUpgrade() {
            for failure in ["closed", "wrong answer", "closed while pausing"] {
                var harness = Harness([.polling, .webSocket])
                #expect(harness.feed(.start) == ["poll -"])
                #expect(harness.answer(Self.handshake()) == ["opened S", "open S", "poll S"])
                switch failure {
                case "closed": #expect(harness.feed(.webSocketClosed("refused")) == [])
                case "wrong answer": #expect(harness.frame("3") == ["close"])
                default:
                    #expect(harness.frame("3probe") == [])
                    #expect(harness.send("kept") == [])
                    #expect(harness.feed(.webSocketClosed(nil)) == ["post 4kept"])
                    #expect(harness.posted() == [])
                }
                #expect(harness.send("a") == ["post 4a"])
                #expect(harness.answer("4b") == ["message b", "poll S"])
            }
        }

        @Test("A server that offers no upgrade, or a client that wants none, stays on polling")
        func noUpgrade() {
            var harness = Harness([.polling, .webSocket])
            _ = harness.feed(.start)
            #expect(harness.answer(Self.handshake(upgrades: "")) == ["opened S", "poll S"])
            var other = Harness([.polling])
            _ = other.feed(.start)
            #expect(other.answer(Self.handshake()) == ["opened S", "poll S"])
        }

        @Test("An orderly close by polling sends what waits first")
        func closePolling() {
            var harness = Harness([.polling])
            _ = harness.feed(.start)
            _ = harness.answer(Self.handshake())
            #expect(harness.send("a") == ["post 4a"])
            #expect(harness.send("b") == [])
            #expect(harness.feed(.close) == [])
            #expect(harness.posted() == ["post 4b\u{1e}1"])
            #expect(harness.posted() == ["close", "closed forcedClose"])
            var slow = Harness([.polling])
            _ = slow.feed(.start)
            _ = slow.answer(Self.handshake())
            #expect(slow.feed(.close) == ["post 1"])
            #expect(slow.wait(.seconds(2)) == ["close", "closed forcedClose"])
        }

        @Test("A close by WebSocket, or before the session is open, is immediate")
        func closeWebSocket() {
            var harness = Harness([.webSocket])
            _ = harness.feed(.start)
            _ = harness.frame(Self.handshake())
            #expect(harness.feed(.close) == ["close", "closed forcedClose"])
            var opening = Harness([.webSocket])
            _ = opening.feed(.start)
            #expect(opening.feed(.close) == ["close", "closed forcedClose"])
        }

        @Test("An error status ends the session with what the server said")
        func errorStatus() {
            var harness = Harness([.polling])
            _ = harness.feed(.start)
            #expect(
                harness.answer(#"{"code":1,"message":"Session ID unknown"}"#, status: 400) == [
                    "close", "closed: the server answered with HTTP status 400: Session ID unknown",
                ]
            )
        }

        @Test("A server that does not answer in time is given up")
        func openTimeout() {
            var harness = Harness([.webSocket])
            _ = harness.feed(.start)
            #expect(harness.wait(.seconds(4)) == [])
            #expect(harness.wait(.seconds(1)) == ["close", "closed: the server did not answer in time"])
        }

        @Test(
            "A handshake that is none ends the session",
            arguments: [
                "4hello", "0", "0{}", "0null", #"0{"sid":1,"pingInterval":1,"pingTimeout":1}"#, "x",
                #"0{"sid":"a&b","upgrades":[],"pingInterval":1,"pingTimeout":1}"#,
                #"0{"sid":"a","upgrades":[],"pingInterval":1e99,"pingTimeout":1}"#,
                #"0{"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":1}"#,
            ]
        )
        func brokenHandshake(text: String) {
            var harness = Harness([.webSocket])
            _ = harness.feed(.start)
            #expect(harness.frame(text) == ["close", "closed parseError"])
            #expect(harness.session.deadline == nil)
        }
    }
}

import NIOCore
import SocketIO
import TestSupport
import Testing

/// A session, a clock, and its outputs in words.
private struct Harness {
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var session: EngineIOSession
    var refusals: [SocketIORefusal] = []

    init(_ opening: EngineIOSession.Opening, maximumPayload: Int = 1_000_000, maximumBufferedBytes: Int = 1000) {
        let parameters = EngineIOSessionParameters(
            pingInterval: .milliseconds(300),
            pingTimeout: .milliseconds(200),
            upgradeTimeout: .seconds(1),
            closeTimeout: .seconds(3),
            maximumPayload: maximumPayload,
            maximumBufferedBytes: maximumBufferedBytes
        )
        session = EngineIOSession(id: "SID", opening: opening, parameters: parameters, at: now)
    }

    mutating func outputs() -> [String] {
        var all: [String] = []
        while let output = session.nextOutput() {
            if case .refused(let refusal) = output {
                refusals.append(refusal)
            } else {
                all.append(Self.describe(output))
            }
        }
        return all
    }

    mutating func feed(_ input: EngineIOSession.Input) -> [String] {
        session.handle(input, at: now)
        return outputs()
    }

    mutating func wait(_ time: TimeAmount) -> [String] {
        now = now + time
        return feed(.timeout)
    }

    mutating func post(_ text: String, as request: UInt64) -> [String] {
        feed(.dataStarted(request)) + feed(.data(request, ByteBuffer(string: text), isBinary: false))
    }

    mutating func send(_ text: String) -> [String] { feed(.send(.text(ByteBuffer(string: text)))) }

    mutating func frame(_ text: String, on webSocket: UInt64) -> [String] {
        feed(.webSocketFrame(webSocket, .text(ByteBuffer(string: text))))
    }

    private static func describe(_ output: EngineIOSession.Output) -> String {
        switch output {
        case .respond(let request, let response):
            "respond \(request) \(response.status) \(String(buffer: response.body))"
        case .sendFrame(let webSocket, .text(let text)): "send \(webSocket) \(String(buffer: text))"
        case .sendFrame(let webSocket, .binary(let bytes)): "send \(webSocket) binary \(Array(bytes.readableBytesView))"
        case .sendVolatileFrames(let webSocket, let frames): "send \(webSocket) if possible \(frames.count)"
        case .closeWebSocket(let webSocket): "close \(webSocket)"
        case .refused(let refusal): "refused \(refusal)"
        case .message(.text(let text)): "message \(String(buffer: text))"
        case .message(.binary(let bytes)): "message binary \(Array(bytes.readableBytesView))"
        case .closed(let reason): "closed \(reason.rawValue)"
        }
    }
}

extension SocketIOTests {
    @Suite("Engine.IO session")
    struct EngineIOSessionTests {
        private static let pollingHandshake =
            #"0{"sid":"SID","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
        private static let webSocketHandshake =
            #"0{"sid":"SID","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
        private static let badRequest = #"400 {"code":3,"message":"Bad request"}"#

        private func polling() -> Harness {
            var harness = Harness(.poll(1))
            _ = harness.outputs()
            return harness
        }

        private func webSocket() -> Harness {
            var harness = Harness(.webSocket(9))
            _ = harness.outputs()
            return harness
        }

        @Test("The handshake comes by the transport that opened the session")
        func handshake() {
            var first = Harness(.poll(1))
            #expect(first.outputs() == ["respond 1 200 \(Self.pollingHandshake)"])
            var second = Harness(.webSocket(9))
            #expect(second.outputs() == ["send 9 \(Self.webSocketHandshake)"])
        }

        @Test("Messages wait for a poll and leave together")
        func pollingMessages() {
            var harness = polling()
            #expect(harness.send("a") == [])
            #expect(harness.feed(.send(.binary(ByteBuffer(bytes: [1, 2, 3, 4])))) == [])
            #expect(harness.feed(.poll(2)) == ["respond 2 200 4a\u{1e}bAQIDBA=="])
            #expect(harness.feed(.poll(3)) == [])
            #expect(harness.send("b") == ["respond 3 200 4b"])
        }

        @Test("A payload's packets are taken in order and answered ok")
        func pollingData() {
            var harness = polling()
            #expect(
                harness.post("4a\u{1e}bAQI=\u{1e}4b", as: 2)
                    == ["message a", "message binary [1, 2]", "message b", "respond 2 200 ok"]
            )
        }

        @Test("A malformed payload is refused and ends the session", arguments: ["abc", "", "4a\u{1e}", "2", "b!"])
        func malformedData(text: String) {
            var harness = polling()
            let outputs = harness.post(text, as: 2)
            #expect(outputs.contains { $0.hasPrefix("closed ") })
            #expect(outputs.contains { $0.hasPrefix("respond 2 ") })
            #expect(harness.feed(.poll(3)) == [#"respond 3 400 {"code":1,"message":"Session ID unknown"}"#])
        }

        @Test("Binary content is refused: revision 4 sends base 64")
        func binaryContent() {
            var harness = polling()
            #expect(harness.feed(.dataStarted(2)) == [])
            let outputs = harness.feed(.data(2, ByteBuffer(string: "4a"), isBinary: true))
            #expect(outputs == ["respond 2 \(Self.badRequest)", "closed transport error"])
        }

        @Test("A payload above the limit is refused and ends the session")
        func payloadTooLarge() {
            var harness = Harness(.poll(1), maximumPayload: 4)
            _ = harness.outputs()
            #expect(harness.post("4abc", as: 2) == ["message abc", "respond 2 200 ok"])
            #expect(harness.post("4abcd", as: 3) == ["respond 3 \(Self.badRequest)", "closed transport error"])
        }

        @Test("A second poll ends the session: the first gets a close packet, the second 400")
        func doublePoll() {
            var harness = polling()
            #expect(harness.feed(.poll(2)) == [])
            #expect(
                harness.feed(.poll(3)) == ["respond 2 200 1", "closed transport error", "respond 3 \(Self.badRequest)"]
            )
        }

        @Test("A second POST while one is under way ends the session")
        func doublePost() {
            var harness = polling()
            #expect(harness.feed(.dataStarted(2)) == [])
            #expect(harness.feed(.dataStarted(3)) == ["respond 3 \(Self.badRequest)", "closed transport error"])
        }

        @Test("A POST refused by its size does not end the session")
        func refusedPost() {
            var harness = polling()
            #expect(harness.feed(.dataStarted(2)) == [])
            #expect(harness.feed(.dataRefused(2)) == [])
            #expect(harness.post("4a", as: 3) == ["message a", "respond 3 200 ok"])
        }

        @Test("The connection of a waiting poll breaking ends the session")
        func abortedPoll() {
            var harness = polling()
            #expect(harness.feed(.poll(2)) == [])
            #expect(harness.feed(.requestAborted(2)) == ["closed transport error"])
        }

        @Test("An answered poll's connection may go")
        func answeredPoll() {
            var harness = polling()
            #expect(harness.feed(.requestAborted(1)) == [])
            #expect(harness.send("a") == [])
        }

        @Test("Pings go out at their interval, pongs keep the session alive")
        func heartbeat() {
            var harness = webSocket()
            #expect(harness.wait(.milliseconds(299)) == [])
            for _ in 0..<3 {
                #expect(harness.wait(.milliseconds(301)).contains("send 9 2"))
                harness.now = harness.now + .milliseconds(150)
                #expect(harness.frame("3", on: 9) == [])
            }
            #expect(harness.session.deadline == harness.now + .milliseconds(300))
        }

        @Test("Silence after a ping ends the session")
        func pingTimeout() {
            var harness = webSocket()
            #expect(harness.wait(.milliseconds(300)) == ["send 9 2"])
            #expect(harness.wait(.milliseconds(199)) == [])
            #expect(harness.wait(.milliseconds(1)) == ["close 9", "closed ping timeout"])
            #expect(harness.session.deadline == nil)
        }

        @Test("A client that is doubted is asked at once, and has to say something in a shorter time")
        func probe() {
            var harness = webSocket()
            #expect(harness.feed(.probe(within: .milliseconds(100))) == ["send 9 2"])
            #expect(harness.feed(.probe(within: .milliseconds(100))) == [])
            _ = harness.wait(.milliseconds(99))
            #expect(harness.frame("3", on: 9) == [])
            #expect(harness.wait(.milliseconds(150)) == [])
            #expect(harness.feed(.probe(within: .milliseconds(100))) == ["send 9 2"])
            #expect(harness.wait(.milliseconds(100)) == ["close 9", "closed ping timeout"])
        }

        @Test("A client of revision 3, which is the one that asks, is not asked")
        func probeOfOldRevision() {
            var harness = webSocket()
            harness.session = EngineIOSession(
                id: "SID",
                opening: .webSocket(9),
                encoding: EngineIOEncoding(revision: .v3),
                parameters: EngineIOSessionParameters(),
                at: harness.now
            )
            _ = harness.outputs()
            #expect(harness.feed(.probe(within: .milliseconds(100))) == [])
            #expect(harness.wait(.milliseconds(200)) == [])
        }

        @Test("Anything received after a ping proves the client alive")
        func latePong() {
            var harness = webSocket()
            #expect(harness.wait(.milliseconds(300)) == ["send 9 2"])
            harness.now = harness.now + .milliseconds(150)
            #expect(harness.frame("4a", on: 9) == ["message a"])
            #expect(harness.wait(.milliseconds(199)) == [])
            #expect(harness.wait(.milliseconds(1)) == ["close 9", "closed ping timeout"])
        }

        @Test("A ping waits for a poll, and its time-out does not")
        func pollingHeartbeat() {
            var harness = polling()
            #expect(harness.wait(.milliseconds(300)) == [])
            #expect(harness.feed(.poll(2)) == ["respond 2 200 2"])
            #expect(harness.post("3", as: 3) == ["respond 3 200 ok"])
            #expect(harness.wait(.milliseconds(300)) == [])
            #expect(harness.wait(.milliseconds(200)) == ["closed ping timeout"])
        }

        @Test("A poll behind the time-out is refused, even if the timer has not noticed the time-out yet")
        func latePoll() {
            var harness = polling()
            #expect(harness.wait(.milliseconds(301)) == [])
            harness.now = harness.now + .milliseconds(199)
            let refusal = #"respond 2 400 {"code":1,"message":"Session ID unknown"}"#
            #expect(harness.feed(.poll(2)) == ["closed ping timeout", refusal])
        }

        @Test("A timer that is later than its tick takes nothing off the time a client has")
        func lateTimer() {
            var harness = polling()
            #expect(harness.wait(.milliseconds(400)) == [])
            harness.now = harness.now + .milliseconds(198)
            #expect(harness.feed(.poll(2)) == ["respond 2 200 2"])
        }

        @Test("A client that pings is refused: in revision 4 the server does")
        func wrongHeartbeat() {
            var harness = webSocket()
            #expect(harness.frame("2", on: 9) == ["close 9", "closed transport error"])
        }

        @Test("The upgrade: probe, the waiting poll ends with noop, then everything goes by WebSocket")
        func upgrade() {
            var harness = polling()
            #expect(harness.feed(.poll(2)) == [])
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.frame("2probe", on: 5) == ["send 5 3probe", "respond 2 200 6"])
            #expect(harness.send("during") == [])
            #expect(harness.frame("5", on: 5) == ["send 5 4during"])
            #expect(harness.send("after") == ["send 5 4after"])
            #expect(harness.frame("4hello", on: 5) == ["message hello"])
            #expect(harness.feed(.poll(3)) == ["respond 3 \(Self.badRequest)"])
            #expect(harness.feed(.webSocketOpened(6)) == ["close 6"])
            #expect(harness.frame("4again", on: 5) == ["message again"])
        }

        @Test("A poll that comes after the probe gets what waits, or noop at once")
        func pollDuringUpgrade() {
            var harness = polling()
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.frame("2probe", on: 5) == ["send 5 3probe"])
            #expect(harness.feed(.poll(2)) == ["respond 2 200 6"])
            #expect(harness.send("a") == [])
            #expect(harness.feed(.poll(3)) == ["respond 3 200 4a"])
        }

        @Test(
            "A WebSocket that does not keep to the upgrade is closed, and polling goes on",
            arguments: ["5", "4hello", "3probe", "x", "2"]
        )
        func brokenUpgrade(text: String) {
            var harness = polling()
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.frame(text, on: 5) == ["close 5"])
            #expect(harness.feed(.poll(2)) == [])
            #expect(harness.send("a") == ["respond 2 200 4a"])
            #expect(harness.feed(.webSocketOpened(6)) == [])
        }

        @Test("An upgrade that takes too long is given up, and polling goes on")
        func upgradeTimeout() {
            var harness = Harness(.poll(1))
            _ = harness.outputs()
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.frame("2probe", on: 5) == ["send 5 3probe"])
            for step in 1...5 {
                harness.now = harness.now + .milliseconds(190)
                #expect(harness.post("6", as: UInt64(10 + step)) == ["respond \(10 + step) 200 ok"])
                _ = harness.feed(.timeout)
            }
            #expect(harness.wait(.milliseconds(50)).contains("close 5"))
            #expect(!harness.session.isClosed)
            #expect(harness.frame("5", on: 5) == ["close 5"])
        }

        @Test("A lost candidate leaves the session alone, a lost transport ends it")
        func lostWebSockets() {
            var harness = polling()
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.feed(.webSocketClosed(5)) == [])
            #expect(harness.feed(.webSocketOpened(6)) == [])
            #expect(harness.feed(.webSocketOpened(7)) == ["close 7"])
            #expect(!harness.session.isClosed)
            var other = webSocket()
            #expect(other.feed(.webSocketClosed(9)) == ["close 9", "closed transport close"])
            var failed = webSocket()
            #expect(failed.feed(.webSocketFailed(9)) == ["close 9", "closed transport error"])
        }

        @Test("The client's close packet ends the session; a waiting poll gets noop")
        func clientCloses() {
            var harness = polling()
            #expect(harness.feed(.poll(2)) == [])
            #expect(harness.post("1", as: 3) == ["respond 2 200 6", "closed transport close", "respond 3 200 ok"])
            var other = webSocket()
            #expect(other.frame("1", on: 9) == ["close 9", "closed transport close"])
        }

        @Test("The server's close waits for a poll to carry it, but not for ever")
        func serverCloses() {
            var waiting = polling()
            #expect(waiting.feed(.poll(2)) == [])
            #expect(waiting.feed(.close(last: [])) == ["respond 2 200 1", "closed forced close"])
            var absent = polling()
            #expect(absent.send("last") == [])
            #expect(absent.feed(.close(last: [])) == [])
            #expect(absent.send("too late") == [])
            #expect(absent.feed(.poll(2)) == ["respond 2 200 4last\u{1e}1", "closed forced close"])
            var waitingForLast = polling()
            #expect(waitingForLast.feed(.poll(2)) == [])
            let last = EngineIOMessage.text(ByteBuffer(string: "41"))
            #expect(waitingForLast.feed(.close(last: [last])) == ["respond 2 200 441\u{1e}1", "closed forced close"])
            var abandoned = polling()
            #expect(abandoned.feed(.close(last: [last])) == [])
            #expect(abandoned.feed(.abandon) == ["closed forced close"])
            var gone = polling()
            #expect(gone.feed(.close(last: [])) == [])
            #expect(gone.wait(.milliseconds(300)) == [])
            #expect(gone.wait(.milliseconds(200)) == ["closed ping timeout"])
            var socket = webSocket()
            #expect(socket.send("last") == ["send 9 4last"])
            #expect(socket.feed(.close(last: [])) == ["close 9", "closed forced close"])
        }

        @Test("An upgrade that completes while closing still delivers, then closes")
        func closeDuringUpgrade() {
            var harness = polling()
            #expect(harness.feed(.webSocketOpened(5)) == [])
            #expect(harness.frame("2probe", on: 5) == ["send 5 3probe"])
            #expect(harness.send("last") == [])
            #expect(harness.feed(.close(last: [])) == [])
            #expect(harness.frame("5", on: 5) == ["send 5 4last", "close 5", "closed forced close"])
        }

        @Test("What waits for a client that does not poll is bounded")
        func slowPoller() {
            var harness = polling()
            let text = String(repeating: "x", count: 300)
            for _ in 0..<3 { #expect(harness.send(text) == []) }
            #expect(harness.send(text) == ["closed transport error"])
        }

        @Test("Random inputs in any order never trap, and after the end nothing but refusals comes")
        func fuzz() {
            let seed: UInt64 = 0x5EED_0030
            var random = SeededGenerator(seed: seed)
            let texts = ["2probe", "5", "4a", "3", "2", "1", "6", "x", "", "4a\u{1e}4b", "bAQI="]
            for round in 0..<1000 {
                var harness = Harness(round % 2 == 0 ? .poll(1) : .webSocket(1))
                _ = harness.outputs()
                for _ in 0..<40 {
                    let wasClosed = harness.session.isClosed
                    let id = UInt64.random(in: 1...4, using: &random)
                    let text = texts.randomElement(using: &random) ?? ""
                    let outputs: [String]
                    switch Int.random(in: 0...11, using: &random) {
                    case 0, 1: outputs = harness.feed(.poll(id))
                    case 2: outputs = harness.feed(.dataStarted(id))
                    case 3: outputs = harness.feed(.data(id, ByteBuffer(string: text), isBinary: id == 4))
                    case 4: outputs = harness.feed(.requestAborted(id))
                    case 5: outputs = harness.feed(.webSocketOpened(id))
                    case 6, 7: outputs = harness.frame(text, on: id)
                    case 8: outputs = harness.feed(id == 1 ? .webSocketClosed(id) : .webSocketFailed(id))
                    case 9: outputs = harness.send(text)
                    case 10: outputs = harness.wait(.milliseconds(Int64.random(in: 0...200, using: &random)))
                    default: outputs = id == 1 ? harness.feed(.close(last: [])) : []
                    }
                    let isQuiet = outputs.allSatisfy { $0.hasPrefix("respond") || $0.hasPrefix("close ") }
                    if wasClosed, !isQuiet { Issue.record("seed \(seed) round \(round): \(outputs) after the end") }
                    if outputs.filter({ $0.hasPrefix("closed") }).count > 1 {
                        Issue.record("seed \(seed) round \(round)")
                    }
                }
            }
        }
    }
}

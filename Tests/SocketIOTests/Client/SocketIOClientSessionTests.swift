import NIOCore
import SocketIO
import TestSupport
import Testing

/// A client, a clock, seeded randomness, and the outputs in words.
private struct Harness {
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var session: SocketIOClientSession
    var generator = SeededGenerator(seed: 1)

    init(namespace: String = "/", _ configure: (inout SocketIOClientConfiguration) -> Void = { _ in }) {
        var configuration = SocketIOClientConfiguration()
        configuration.randomizationFactor = 0
        configure(&configuration)
        session = SocketIOClientSession(namespace: namespace, configuration: configuration)
    }

    mutating func feed(_ input: SocketIOClientSession.Input) -> [String] {
        session.handle(input, at: now, using: &generator)
        var all: [String] = []
        while let output = session.nextOutput() { all.append(Self.describe(output)) }
        return all
    }

    /// A text packet from the server; one that is none is a mistake of the test.
    mutating func receive(_ text: String) -> [String] {
        var decoder = SocketIOPacketDecoder()
        let packet = try? decoder.decode(.text(ByteBuffer(string: text)), limits: PacketLimits())
        guard let packet else { return ["no packet: \(text)"] }
        return feed(.packet(packet))
    }

    mutating func wait(_ time: TimeAmount) -> [String] {
        now = now + time
        return feed(.timeout)
    }

    mutating func connect() {
        _ = feed(.connect)
        _ = feed(.engineOpened(patience: .seconds(20)))
        _ = receive(#"0{"sid":"S"}"#)
    }

    private static func describe(_ output: SocketIOClientSession.Output) -> String {
        switch output {
        case .openEngine: "open"
        case .closeEngine: "close"
        case .abandonEngine(let error): "abandon \(error.message)"
        case .send(let packet): "send \(String(buffer: packet.text))"
        case .sendVolatile(let packet): "send if possible \(String(buffer: packet.text))"
        case .connected(let sid, false): "connected \(sid)"
        case .connected(let sid, true): "recovered \(sid)"
        case .disconnected(let reason): "disconnected \(reason)"
        case .connectError(let error): "error \(error.message)"
        case .reconnectAttempt(let number): "attempt \(number)"
        case .reconnectFailed: "gave up"
        case .event(let name, let arguments, let identifier):
            "event \(name) \(JSONValue.array(arguments)) \(identifier.map(String.init) ?? "-")"
        case .acknowledged(let identifier, let arguments): "acknowledged \(identifier) \(JSONValue.array(arguments))"
        case .dropped(let identifier): "dropped \(identifier.map(String.init) ?? "-")"
        }
    }
}

extension SocketIOTests {
    @Suite("Socket.IO client session")
    struct SocketIOClientSessionTests {
        @Test("Connecting joins the namespace with auth, and sends what was emitted before")
        func connect() {
            var harness = Harness(namespace: "/admin") { $0.auth = ["token": "t"] }
            #expect(harness.feed(.emit("early", [1], acknowledgement: 0)) == [])
            #expect(harness.feed(.connect) == ["open"])
            #expect(harness.feed(.connect) == [])
            #expect(harness.feed(.engineOpened(patience: .seconds(20))) == [#"send 0/admin,{"token":"t"}"#])
            #expect(harness.receive(#"0/admin,{"sid":"S"}"#) == ["connected S", #"send 2/admin,0["early",1]"#])
            #expect(harness.feed(.emit("now", [], acknowledgement: nil)) == [#"send 2/admin,["now"]"#])
            #expect(harness.receive(#"2/admin,5["event",{"a":1}]"#) == [#"event event [{"a":1}] 5"#])
            #expect(harness.feed(.acknowledge(id: 5, ["ok"])) == [#"send 3/admin,5["ok"]"#])
            #expect(harness.receive(#"3/admin,0["done"]"#) == [#"acknowledged 0 ["done"]"#])
            #expect(harness.receive(#"2["other namespace"]"#) == [])
        }

        @Test("After a loss the client comes back, later and later, and starts over after a success")
        func reconnection() {
            var harness = Harness()
            harness.connect()
            #expect(harness.feed(.engineClosed(.transportClose, error: nil)) == ["disconnected transport close"])
            for (attempt, delay) in [(1, 1000), (2, 2000), (3, 4000), (4, 5000), (5, 5000)] as [(Int, Int64)] {
                #expect(harness.session.deadline == harness.now + .milliseconds(delay))
                #expect(harness.wait(.milliseconds(delay - 1)) == [])
                #expect(harness.wait(.milliseconds(1)) == ["attempt \(attempt)", "open"])
                #expect(harness.feed(.engineClosed(.transportError, error: "refused")) == ["error refused"])
            }
            #expect(harness.wait(.seconds(5)) == ["attempt 6", "open"])
            #expect(harness.feed(.engineOpened(patience: .seconds(20))) == ["send 0"])
            #expect(harness.receive(#"0{"sid":"S2"}"#) == ["connected S2"])
            #expect(harness.feed(.engineClosed(.pingTimeout, error: nil)) == ["disconnected ping timeout"])
            #expect(harness.session.deadline == harness.now + .seconds(1))
        }

        @Test("A client told to gives up after its number of attempts, or does not try at all")
        func attempts() {
            var harness = Harness { $0.reconnectionAttempts = 2 }
            _ = harness.feed(.connect)
            #expect(harness.feed(.engineClosed(.transportError, error: "refused")) == ["error refused"])
            #expect(harness.wait(.seconds(1)) == ["attempt 1", "open"])
            _ = harness.feed(.engineClosed(.transportError, error: "refused"))
            #expect(harness.wait(.seconds(2)) == ["attempt 2", "open"])
            #expect(harness.feed(.engineClosed(.transportError, error: "refused")) == ["error refused", "gave up"])
            #expect(harness.session.deadline == nil)
            #expect(harness.feed(.connect) == ["open"])
            var never = Harness { $0.reconnects = false }
            never.connect()
            #expect(never.feed(.engineClosed(.transportClose, error: nil)) == ["disconnected transport close"])
            #expect(never.session.deadline == nil)
        }

        @Test("Delays are spread by the randomization factor and never leave their bounds")
        func jitter() {
            let seed: UInt64 = 0x5EED_0040
            var random = SeededGenerator(seed: seed)
            var seen: Set<Int64> = []
            for _ in 0..<1000 {
                var backoff = Backoff(minimum: .seconds(1), maximum: .seconds(5), randomization: 0.5)
                let first = backoff.next(using: &random)
                #expect(first >= .milliseconds(500) && first <= .milliseconds(1500), "seed \(seed)")
                let second = backoff.next(using: &random)
                #expect(second >= .seconds(1) && second <= .seconds(3), "seed \(seed)")
                seen.insert(first.nanoseconds / 100_000_000)
            }
            #expect(seen.count >= 10)
            var backoff = Backoff(minimum: .seconds(1), maximum: .seconds(5), randomization: 7)
            for _ in 0..<200 {
                let delay = backoff.next(using: &random)
                #expect(delay >= .nanoseconds(0) && delay <= .seconds(5), "seed \(seed)")
            }
        }

        @Test("What is emitted without a connection is kept up to the limit and sent after coming back")
        func buffering() {
            var harness = Harness { $0.maximumBufferedEmits = 2 }
            harness.connect()
            _ = harness.feed(.engineClosed(.transportClose, error: nil))
            #expect(harness.feed(.emit("a", [], acknowledgement: nil)) == [])
            #expect(harness.feed(.emit("b", [], acknowledgement: 4)) == [])
            #expect(harness.feed(.emit("c", [], acknowledgement: 5)) == ["dropped 5"])
            #expect(harness.wait(.seconds(1)) == ["attempt 1", "open"])
            _ = harness.feed(.engineOpened(patience: .seconds(20)))
            #expect(harness.receive(#"0{"sid":"S"}"#) == ["connected S", #"send 2["a"]"#, #"send 24["b"]"#])
        }

        @Test("A refused or dismissed client does not come back by itself")
        func refused() {
            var harness = Harness()
            _ = harness.feed(.connect)
            _ = harness.feed(.engineOpened(patience: .seconds(20)))
            #expect(harness.receive(#"4{"message":"Not authorized","data":1}"#) == ["close", "error Not authorized"])
            #expect(harness.session.deadline == nil)
            harness.connect()
            #expect(harness.receive("1") == ["close", "disconnected io server disconnect"])
            #expect(harness.feed(.engineClosed(.forcedClose, error: nil)) == [])
            #expect(harness.session.deadline == nil)
        }

        @Test("Disconnecting says good-bye, and ends waiting for the next attempt")
        func disconnect() {
            var harness = Harness()
            harness.connect()
            #expect(harness.feed(.disconnect) == ["send 1", "close", "disconnected io client disconnect"])
            #expect(harness.feed(.disconnect) == [])
            _ = harness.feed(.connect)
            #expect(harness.feed(.disconnect) == ["close"])
            _ = harness.feed(.connect)
            _ = harness.feed(.engineClosed(.transportError, error: "refused"))
            #expect(harness.feed(.disconnect) == [])
            #expect(harness.session.deadline == nil)
        }

        @Test("A client whose place was kept names its secret and the last event it saw, and is told")
        func recovery() {
            var harness = Harness { $0.auth = ["token": "t"] }
            _ = harness.feed(.connect)
            #expect(harness.feed(.engineOpened(patience: .seconds(20))) == [#"send 0{"token":"t"}"#])
            #expect(harness.receive(#"0{"sid":"S","pid":"P"}"#) == ["connected S"])
            _ = harness.receive(#"2["news","7"]"#)
            _ = harness.receive(#"2["number",8]"#)
            _ = harness.feed(.engineClosed(.transportClose, error: nil))
            #expect(harness.wait(.seconds(1)) == ["attempt 1", "open"])
            #expect(
                harness.feed(.engineOpened(patience: .seconds(20))) == [#"send 0{"token":"t","pid":"P","offset":"7"}"#]
            )
            #expect(harness.receive(#"0{"sid":"S","pid":"P"}"#) == ["recovered S"])
            _ = harness.feed(.engineClosed(.transportClose, error: nil))
            _ = harness.wait(.seconds(1))
            #expect(
                harness.feed(.engineOpened(patience: .seconds(20))) == [#"send 0{"token":"t","pid":"P","offset":"7"}"#]
            )
            #expect(harness.receive(#"0{"sid":"S2","pid":"P2"}"#) == ["connected S2"])
            _ = harness.feed(.engineClosed(.transportClose, error: nil))
            _ = harness.wait(.seconds(1))
            #expect(
                harness.feed(.engineOpened(patience: .seconds(20))) == [#"send 0{"token":"t"}"#],
                "nothing was seen of the new place"
            )
        }

        @Test("Volatile events are never kept, and a waiting client takes part in another one's attempt")
        func volatileAndShared() {
            var harness = Harness()
            #expect(harness.feed(.emitVolatile("a", [])) == [])
            harness.connect()
            #expect(harness.feed(.emitVolatile("b", [1])) == [#"send if possible 2["b",1]"#])
            #expect(harness.feed(.engineOpening) == [])
            _ = harness.feed(.engineClosed(.transportClose, error: nil))
            #expect(harness.feed(.engineOpening) == ["open"])
            #expect(harness.session.deadline == nil)
        }

        @Test("A server that does not let the client in, or talks nonsense, is left and tried again")
        func brokenServer() {
            var silent = Harness()
            _ = silent.feed(.connect)
            _ = silent.feed(.engineOpened(patience: .seconds(20)))
            let sentence = "the server did not let the client into / in time"
            #expect(silent.wait(.seconds(20)) == ["abandon \(sentence)"])
            #expect(silent.feed(.engineClosed(.transportError, error: "others, too")) == ["error others, too"])
            #expect(silent.session.deadline == silent.now + .seconds(1))
            var nonsense = Harness()
            nonsense.connect()
            #expect(nonsense.feed(.engineClosed(.parseError, error: "nonsense")) == ["disconnected parse error"])
            #expect(nonsense.session.deadline == nonsense.now + .seconds(1))
        }
    }
}

extension SocketIOTests {
    @Suite("Socket.IO URL")
    struct SocketIOURLTests {
        @Test(
            "Addresses are taken apart",
            arguments: [
                ("http://localhost", "localhost", 80, "/", "", "localhost"),
                ("ws://127.0.0.1:3000/", "127.0.0.1", 3000, "/", "", "127.0.0.1:3000"),
                ("HTTP://Example.ORG:80/admin?a=b&c", "Example.ORG", 80, "/admin", "a=b&c", "Example.ORG"),
                ("http://[::1]:8080/x/y", "::1", 8080, "/x/y", "", "[::1]:8080"),
                ("ws://[2001:db8::1]?q", "2001:db8::1", 80, "/", "q", "[2001:db8::1]"),
            ]
        )
        func valid(text: String, host: String, port: Int, namespace: String, query: String, header: String) throws {
            let url = try SocketIOURL(text)
            #expect(!url.isSecure)
            #expect(url.host == host && url.port == port && url.namespace == namespace && url.query == query)
            #expect(url.hostHeader == header)
        }

        @Test(
            "Anything else is refused with its text and a reason",
            arguments: [
                "", "localhost", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:x",
                "http://a:",
                "http://user@a", "http://a b", "http://a#f", "http://[::1", "http://[::1]x", "http://[x]", "http://[1]",
                "http://ä", "http://a\r\nX: y", "http://a:٣", "http://a%20b",
            ]
        )
        func invalid(text: String) {
            #expect {
                _ = try SocketIOURL(text)
            } throws: { error in
                guard case .malformed(let url, let reason)? = error as? SocketIOURLError else { return false }
                return url == text && !reason.isEmpty
            }
        }
    }
}

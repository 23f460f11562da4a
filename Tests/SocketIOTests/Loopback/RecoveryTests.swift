import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Connection state recovery", .timeLimit(.minutes(1)))
    struct RecoveryTests {
        private static func packet(_ text: String) -> EncodedPacket { EncodedPacket(text: ByteBuffer(string: text)) }

        private static func texts(_ packets: [EncodedPacket]?) -> [String]? {
            packets?.map { String(buffer: $0.text) }
        }

        @Test("The log numbers events and knows what came after each, as far as it reaches")
        func log() {
            var options = ConnectionStateRecovery()
            options.maximumEvents = 3
            var log = RecoveryLog(options: options)
            let now = NIODeadline.uptimeNanoseconds(1)
            #expect(log.missed(after: "0") == [])
            #expect(log.missed(after: "1") == nil)
            for number in 1...4 {
                let sent = log.append(Self.packet(#"2["a",\#(number)]"#), at: now)
                #expect(String(buffer: sent.text) == #"2["a",\#(number),"\#(number)"]"#)
            }
            #expect(Self.texts(log.missed(after: "4")) == [])
            #expect(Self.texts(log.missed(after: "2")) == [#"2["a",3,"3"]"#, #"2["a",4,"4"]"#])
            #expect(Self.texts(log.missed(after: "1"))?.count == 3)
            for offset in ["0", "5", "-1", "", "x", "9223372036854775807", "99999999999999999999"] {
                #expect(log.missed(after: offset) == nil, "\(offset)")
            }
        }

        @Test("The log is bounded in bytes and in time")
        func bounds() {
            var options = ConnectionStateRecovery()
            options.maximumBytes = 1000
            options.maximumDisconnection = .seconds(10)
            var log = RecoveryLog(options: options)
            var now = NIODeadline.uptimeNanoseconds(1)
            let large = Self.packet(#"2["\#(String(repeating: "x", count: 390))"]"#)
            for _ in 1...3 { _ = log.append(large, at: now) }
            #expect(log.missed(after: "0") == nil)
            #expect(log.missed(after: "1")?.count == 2)
            now = now + .seconds(71)
            _ = log.append(Self.packet(#"2["a"]"#), at: now)
            #expect(log.missed(after: "2") == nil)
            #expect(log.missed(after: "3")?.count == 1)
            _ = log.append(Self.packet(#"2["\#(String(repeating: "x", count: 2000))"]"#), at: now)
            #expect(log.missed(after: "5") == [])
            #expect(log.missed(after: "4") == nil, "an event above the limit is sent, but not kept")
        }

        /// A WebSocket in the main namespace; what the server told it.
        private func join(_ raw: RawConnection, auth: String = "") async throws -> JSONValue {
            try await raw.openWebSocket(sendingAtOnce: ["40\(auth)"])
            return try JSONValue(parsing: try await raw.readText().dropFirst(2))
        }

        @Test("A client that comes back has its identifier, rooms and data, and gets what it missed, once and in order")
        func recovery() async throws {
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
            } body: { io, port in
                let gone = Inbox<SocketIODisconnectReason>()
                let come = Inbox<(isRecovered: Bool, data: String?, rooms: Set<String>)>()
                io.onDisconnect { _, reason in gone.put(reason) }
                io.onConnection { socket in
                    come.put((socket.isRecovered, socket.data as? String, socket.rooms))
                    socket.join("room")
                    socket.data = "kept"
                    socket.emit("hello")
                }
                let first = try await RawConnection(port: port)
                let told = try await join(first)
                let id = try #require(told["sid"]?.stringValue)
                let secret = try #require(told["pid"]?.stringValue)
                #expect(id != secret && secret.utf8.count == 20)
                #expect(try await first.readText() == #"42["hello","1"]"#)
                #expect(try await come.next().isRecovered == false)
                io.to("room").emit("seen", 1)
                #expect(try await first.readText() == #"42["seen",1,"2"]"#)
                first.close()
                #expect(try await gone.next() == .transportClose)
                #expect(io.main.socketCount == 0)
                io.to("room").emit("missed", "a")
                io.to(id).emit("missed", .binary(ByteBuffer(bytes: [1])))
                io.volatile.emit("not kept")
                io.to("other").emit("not for it")
                io.emit("missed", "c")

                let second = try await RawConnection(port: port)
                let again = try await join(second, auth: #"{"pid":"\#(secret)","offset":"2"}"#)
                #expect(again["sid"]?.stringValue == id && again["pid"]?.stringValue == secret)
                #expect(try await second.readText() == #"42["missed","a","3"]"#)
                #expect(try await second.readText() == #"451-["missed",{"_placeholder":true,"num":0},"4"]"#)
                #expect(try await second.read(3) == [0x82, 1, 1])
                #expect(try await second.readText() == #"42["missed","c","5"]"#)
                #expect(try await second.readText() == #"42["hello","6"]"#)
                let back = try await come.next()
                #expect(back.isRecovered && back.data == "kept" && back.rooms == ["room"])
                #expect(io.main.socketCount == 1)
                io.to("room").emit("once more")
                #expect(try await second.readText() == #"42["once more","7"]"#)
                second.close()
            }
        }

        @Test(
            "Without the secret, with an unknown place, twice, or after leaving, a client is a new one",
            arguments: ["pid", "offset", "left", "twice"]
        )
        func refused(what: String) async throws {
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
            } body: { io, port in
                let gone = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in gone.put(reason) }
                io.onConnection { socket in socket.emit("hello") }
                let first = try await RawConnection(port: port)
                let told = try await join(first)
                let secret = try #require(told["pid"]?.stringValue)
                if what == "left" { try await first.sendText("41") } else { first.close() }
                _ = try await gone.next()
                var auth =
                    #"{"pid":"\#(what == "pid" ? "guessed" : secret)","offset":"\#(what == "offset" ? "9" : "1")"}"#
                if what == "twice" {
                    let second = try await RawConnection(port: port)
                    #expect(try await join(second, auth: auth)["sid"] == told["sid"])
                    auth = #"{"pid":"\#(secret)","offset":"1"}"#
                }
                let other = try await RawConnection(port: port)
                let new = try await join(other, auth: auth)
                #expect(new["sid"] != told["sid"] && new["pid"] != told["pid"])
                other.close()
            }
        }

        @Test("A client that stays away too long is forgotten with its rooms, and so are those beyond the limit")
        func forgotten() async throws {
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
                $0.recovery?.maximumDisconnection = .milliseconds(50)
                $0.recovery?.maximumClients = 1
            } body: { io, port in
                io.onConnection { $0.join("room") }
                var raws: [RawConnection] = []
                for _ in 0..<3 {
                    raws.append(try await RawConnection(port: port))
                    _ = try await join(raws[raws.count - 1])
                }
                for raw in raws { raw.close() }
                while io.sessionCount > 0 || !io.main.rooms.isEmpty { await Task.yield() }
            }
        }

        @Test(
            "Our client comes back to its place by itself",
            arguments: [[.webSocket], [.polling]] as [[SocketIOTransport]]
        )
        func client(transports: [SocketIOTransport]) async throws {
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
                $0.pingInterval = .milliseconds(100)
                $0.pingTimeout = .milliseconds(100)
            } body: { io, port in
                let come = Inbox<SocketIOSocket>()
                let gone = Inbox<Void>()
                io.onConnection { come.put($0) }
                io.onDisconnect { _, _ in gone.put(()) }
                try await withClient(port: port) {
                    $0.transports = transports
                    $0.reconnectionDelay = .milliseconds(200)
                    $0.reconnectionDelayMaximum = .milliseconds(200)
                } body: { client in
                    let numbers = client.inbox("number")
                    client.connect()
                    let socket = try await come.next()
                    socket.join("room")
                    socket.emit("number", 1)
                    #expect(try await numbers.next().first == 1)
                    let id = client.id
                    socket.cutConnection()
                    try await gone.next()
                    io.to("room").emit("number", 2)
                    #expect(try await come.next().isRecovered)
                    io.to("room").emit("number", 3)
                    #expect(try await numbers.next().first == 2)
                    #expect(try await numbers.next().first == 3)
                    #expect(client.id == id && client.isRecovered)
                }
            }
        }
    }
}

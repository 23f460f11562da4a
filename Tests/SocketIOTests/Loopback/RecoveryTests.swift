import NIOCore
import SocketIO
import TestSupport
import Testing

extension SocketIOTests {
    @Suite("Connection state recovery", .timeLimit(.minutes(5)))
    struct RecoveryTests {
        private static func packet(_ text: String) -> EncodedPacket { EncodedPacket(text: ByteBuffer(string: text)) }

        private static func texts(_ packets: [EncodedPacket]?) -> [String]? {
            packets?.map { String(buffer: $0.text) }
        }

        @Test("The log gives each event a number and has it as long as it is kept")
        func log() {
            let log = RecoveryLog(options: ConnectionStateRecovery())
            let now = NIODeadline.uptimeNanoseconds(1)
            for number in 1...4 {
                let sent = log.append(Self.packet(#"2["a",\#(number)]"#), at: now)
                #expect(sent.number == number)
                #expect(String(buffer: sent.packet.text) == #"2["a",\#(number),"\#(number)"]"#)
            }
            #expect(Self.texts(log.events([2, 4])) == [#"2["a",2,"2"]"#, #"2["a",4,"4"]"#])
            #expect(log.events([]) == [])
            for number in [0, 5, -1, Int.max] { #expect(log.events([number]) == nil, "\(number)") }
        }

        @Test("What a client has missed is what it was sent behind its place, in that order, while that is known")
        func missed() {
            var sent = SentEvents(maximum: 3)
            for number in [4, 9, 7] { sent.append(number) }
            #expect(sent.missed(after: "4") == [9, 7])
            #expect(sent.missed(after: "7") == [])
            for offset in ["0", "5", "-1", "", "x", "9223372036854775807", "99999999999999999999"] {
                #expect(sent.missed(after: offset) == nil, "\(offset)")
            }
            for number in [10, 11] { sent.append(number) }
            #expect(sent.missed(after: "4") == nil)
            #expect(sent.missed(after: "9") == [7, 10, 11])
        }

        @Test("The log is bounded in bytes and in time")
        func bounds() {
            var options = ConnectionStateRecovery()
            options.maximumBytes = 1300
            options.maximumDisconnection = .seconds(10)
            let log = RecoveryLog(options: options)
            var now = NIODeadline.uptimeNanoseconds(1)
            let large = Self.packet(#"2["\#(String(repeating: "x", count: 390))"]"#)
            for _ in 1...3 { _ = log.append(large, at: now) }
            #expect(log.events([1]) == nil)
            #expect(log.events([2, 3])?.count == 2)
            now = now + .seconds(71)
            _ = log.append(Self.packet(#"2["a"]"#), at: now)
            #expect(log.events([3]) == nil)
            #expect(log.events([4])?.count == 1)
            let tooLarge = log.append(Self.packet(#"2["\#(String(repeating: "x", count: 2000))"]"#), at: now)
            #expect(tooLarge.number == 5)
            #expect(log.events([5]) == nil, "an event above the limit is sent, but not kept")
        }

        /// Sends 60,000 bytes to each of eight clients while they are away, and lets them come back; how many are where they
        /// were. The log has room for five such events.
        private func recovered(_ emit: (SocketIOServer, _ id: String?, JSONValue) -> Void) async throws -> Int {
            var recovered = 0
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
                $0.recovery?.maximumBytes = 350_000
            } body: { io, port in
                let gone = Inbox<SocketIODisconnectReason>()
                io.onDisconnect { _, reason in gone.put(reason) }
                io.onConnection { $0.emit("hello") }
                var clients: [(told: JSONValue, offset: String)] = []
                for number in 1...8 {
                    let raw = try await RawConnection(port: port)
                    clients.append((try await join(raw), "\(number)"))
                    #expect(try await raw.readText() == #"42["hello","\#(number)"]"#)
                    raw.close()
                    _ = try await gone.next()
                }
                let large = String(repeating: "x", count: 60_000)
                for client in clients { emit(io, client.told["sid"]?.stringValue, .string(large)) }
                emit(io, nil, .string(large))
                for client in clients {
                    let raw = try await RawConnection(port: port)
                    let secret = try #require(client.told["pid"]?.stringValue)
                    let again = try await join(raw, auth: #"{"pid":"\#(secret)","offset":"\#(client.offset)"}"#)
                    if again["pid"]?.stringValue == secret {
                        recovered += 1
                        #expect(try await raw.readText().hasPrefix(#"42["missed","x"#))
                    }
                    raw.close()
                }
            }
            return recovered
        }

        @Test("An event for many clients is kept once")
        func oneCopyForAll() async throws {
            let count = try await recovered { io, id, text in if id == nil { io.emit("missed", text) } }
            #expect(count == 8)
        }

        @Test("The events of all clients together are bounded in bytes")
        func bytesOfAll() async throws {
            let count = try await recovered { io, id, text in if let id { io.to(id).emit("missed", text) } }
            #expect(count == 5)
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
                io.to(id).emit("missed", .binary([1]))
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
                try await eventually { io.sessionCount == 0 && io.main.rooms.isEmpty }
            }
        }

        @Test(
            "Our client comes back to its place by itself",
            arguments: [[.webSocket], [.polling]] as [[SocketIOTransport]]
        )
        func client(transports: [SocketIOTransport]) async throws {
            try await withServer {
                $0.recovery = ConnectionStateRecovery()
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

import NIOCore
import NIOPosix
import SocketIO
import Testing

/// The port of a server that takes connections and never says anything, for the time of `body`.
private func withSilentServer(_ body: (Int) async throws -> Void) async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .bind(host: "127.0.0.1", port: 0).get()
    do {
        try await body(try #require(channel.localAddress?.port))
    } catch {
        try await channel.close()
        throw error
    }
    try await channel.close()
}

/// A port of loopback where nobody listens.
private func deadPort() async throws -> Int {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .bind(host: "127.0.0.1", port: 0).get()
    defer { channel.close(promise: nil) }
    return try #require(channel.localAddress?.port)
}

private func makeClient(_ ports: [Int], _ transports: [SocketIOTransport]) throws -> SocketIOClient {
    var configuration = SocketIOClientConfiguration()
    configuration.transports = transports
    configuration.reconnectionDelay = .milliseconds(20)
    configuration.reconnectionDelayMaximum = .milliseconds(100)
    configuration.handshakeTimeout = .milliseconds(300)
    return try SocketIOClient(urls: ports.map { "http://127.0.0.1:\($0)" }, configuration: configuration)
}

extension SocketIOTests {
    @Suite("Several servers", .timeLimit(.minutes(5)))
    struct SeveralServersTests {
        @Test(
            "A server that is not there, and one that says nothing, are passed over, without an error for the application",
            arguments: [[SocketIOTransport.webSocket], [.polling], [.polling, .webSocket]]
        )
        func passedOver(transports: [SocketIOTransport]) async throws {
            try await withSilentServer { silent in
                try await withServer { _, port in
                    // The first is drawn at random: all beginnings come up.
                    let dead = try await deadPort()
                    for _ in 0..<8 {
                        let client = try makeClient([dead, silent, port], transports)
                        let (connected, failed) = (client.inbox("connect"), client.inbox("connect_error"))
                        client.connect()
                        _ = try await connected.next()
                        failed.put(["none"])
                        #expect(try await failed.next() == ["none"])
                        await client.close()
                    }
                }
            }
        }

        @Test("A server that opens the session and lets nobody in is passed over")
        func neverJoined() async throws {
            try await withServer { stuck, stuckPort in
                stuck.useAsync { _ async throws(SocketIOConnectError) in try? await Task.sleep(for: .seconds(3600)) }
                try await withServer { _, port in
                    for _ in 0..<4 {
                        let client = try makeClient([stuckPort, port], [.webSocket])
                        let connected = client.inbox("connect")
                        client.connect()
                        _ = try await connected.next()
                        await client.close()
                    }
                }
            }
        }

        @Test("A client whose server ends comes back through the other")
        func lost() async throws {
            let (first, second) = (SocketIOServer(), SocketIOServer())
            let ports = [
                try #require(try await first.listen(port: 0).port), try #require(try await second.listen(port: 0).port),
            ]
            let client = try makeClient(ports, [.webSocket])
            let (connected, lost) = (client.inbox("connect"), client.inbox("disconnect"))
            client.connect()
            _ = try await connected.next()
            let isAtFirst = first.main.socketCount == 1
            await (isAtFirst ? first : second).close(clientsReturn: true)
            _ = try await lost.next()
            _ = try await connected.next()
            #expect((isAtFirst ? second : first).main.socketCount == 1)
            await client.close()
            await (isAtFirst ? second : first).close()
        }

        @Test("One error tells of all servers, once none is left")
        func allFail() async throws {
            let ports = [try await deadPort(), try await deadPort()]
            let client = try makeClient(ports, [.webSocket])
            let failed = client.inbox("connect_error")
            client.connect()
            let message = try await failed.next().first?.stringValue ?? ""
            for port in ports { #expect(message.contains("127.0.0.1:\(port): connection refused"), "\(message)") }
            await client.close()
        }

        @Test("Addresses of different namespaces, and none at all, are refused")
        func refused() {
            #expect(throws: SocketIOURLError.self) { try SocketIOClient(urls: []) }
            #expect(throws: SocketIOURLError.self) { try SocketIOClient(urls: ["http://a/x", "http://b/y"]) }
            #expect(throws: SocketIOURLError.self) { try SocketIOClient(urls: ["http://a", "nonsense"]) }
        }
    }
}

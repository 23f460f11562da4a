import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SocketIO
import Synchronization
import Testing

@Suite("The client behind TLS", .timeLimit(.minutes(5)))
struct TLSClientTests {
    private static let untrusted =
        "the server's certificate was signed by an authority that is not trusted here: name that authority, or pin the "
        + "certificate"

    /// Connects once; returns nil if the server let the client in, else why not.
    private func connect(
        _ url: String,
        _ transports: [SocketIOTransport] = [.webSocket],
        _ configure: (inout SocketIOTLSConfiguration) throws -> Void = { _ in }
    ) async throws -> String? {
        var configuration = SocketIOClientConfiguration()
        configuration.transports = transports
        configuration.reconnects = false
        configuration.tls.trustsSystem = false
        try configure(&configuration.tls)
        let client = try SocketIOClient(url: url, configuration: configuration)
        let outcome = Inbox<String?>()
        client.onConnect { outcome.put(nil) }
        client.on("connect_error") { outcome.put($0[0]?.stringValue ?? "no reason") }
        client.connect()
        let failure = try await outcome.next()
        await client.close()
        return failure
    }

    @Test(
        "Messages and binary data go both ways over polling, WebSocket and the upgrade, by https and wss",
        arguments: [[.polling], [.webSocket], [.polling, .webSocket]] as [[SocketIOTransport]]
    )
    func exchange(transports: [SocketIOTransport]) async throws {
        let authority = try TestAuthority()
        let names = Inbox<String?>()
        let context = try authority.issue().makeContext()
        try await withSecureServer(context, sawServerName: { names.put($0) }) { io, port in
            io.onConnection { socket in
                socket.on("message") { socket.emit("message-back", arguments: $0.arguments) }
            }
            for scheme in ["https", "wss"] {
                var configuration = SocketIOClientConfiguration()
                configuration.transports = transports
                configuration.tls.trustsSystem = false
                configuration.tls.trustRoots = [.pem(try authority.pem)]
                let client = try SocketIOClient(url: "\(scheme)://localhost:\(port)", configuration: configuration)
                let back = client.inbox("message-back")
                client.onConnect {
                    client.emit("message", "text", .binary(Array(repeating: 7, count: 100_000)))
                }
                client.connect()
                let arguments = try await back.next()
                #expect(arguments[0] == "text")
                #expect(arguments[1] == .binary(Array(repeating: 7, count: 100_000)))
                await client.close()
                #expect(try await names.next() == "localhost")
            }
        }
    }

    @Test("TLS 1.2 and 1.3 are spoken", arguments: [false, true])
    func versions(isThree: Bool) async throws {
        let authority = try TestAuthority()
        let context = try authority.issue().makeContext(
            minimum: isThree ? .tlsv13 : .tlsv12,
            maximum: isThree ? .tlsv13 : .tlsv12
        )
        try await withSecureServer(context) { _, port in
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == nil)
        }
    }

    @Test("TLS 1.1 is refused")
    func oldVersion() async throws {
        let authority = try TestAuthority()
        let context = try authority.issue().makeContext(minimum: .tlsv1, maximum: .tlsv11)
        try await withSecureServer(context) { _, port in
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == "the server speaks neither TLS 1.2 nor 1.3")
        }
    }

    @Test(
        "An authority that is not trusted is refused in one sentence",
        arguments: [[.polling], [.webSocket]] as [[SocketIOTransport]]
    )
    func unknownAuthority(transports: [SocketIOTransport]) async throws {
        let (authority, other) = (try TestAuthority(), try TestAuthority(name: "Another authority"))
        try await withSecureServer(try authority.issue().makeContext()) { io, port in
            let failure = try await connect("https://localhost:\(port)", transports) {
                $0.trustRoots = [.pem(try other.pem)]
            }
            #expect(failure == Self.untrusted)
            #expect(io.sessionCount == 0)
        }
    }

    @Test("The system's authorities do not know one that was made here")
    func systemTrust() async throws {
        let authority = try TestAuthority()
        try await withSecureServer(try authority.issue().makeContext()) { _, port in
            // With roots of its own the client works even where the system has none.
            let failure = try await connect("https://localhost:\(port)") {
                $0.trustsSystem = true
                $0.trustRoots = [.pem(try TestAuthority(name: "Another authority").pem)]
            }
            #expect(failure == Self.untrusted)
            let success = try await connect("https://localhost:\(port)") {
                $0.trustsSystem = true
                $0.trustRoots = [.pem(try authority.pem)]
            }
            #expect(success == nil)
        }
    }

    @Test("An expired certificate, and one that is not valid yet, are refused with the day")
    func dates() async throws {
        let authority = try TestAuthority()
        func day(_ offset: TimeInterval) -> String {
            (Date() + offset).formatted(.iso8601.year().month().day())
        }
        try await withSecureServer(try authority.issue(from: -90_000, to: -7_200).makeContext()) { _, port in
            let expected = "the server's certificate expired on \(day(-7_200)): it has to be renewed"
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == expected)
        }
        try await withSecureServer(try authority.issue(from: 7_200, to: 90_000).makeContext()) { _, port in
            let expected = "the server's certificate is not valid before \(day(7_200))"
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == expected)
        }
    }

    @Test("A certificate for another name is refused, unless that name is asked for")
    func wrongName() async throws {
        let authority = try TestAuthority()
        let names = Inbox<String?>()
        let context = try authority.issue(names: ["signal.example"]).makeContext()
        try await withSecureServer(context, sawServerName: { names.put($0) }) { io, port in
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == "the server's certificate is not for 'localhost': use the name that it is for")
            #expect(try await names.next() == "localhost")
            let success = try await connect("https://localhost:\(port)") {
                $0.trustRoots = [.pem(try authority.pem)]
                $0.serverName = "signal.example"
            }
            #expect(success == nil)
            #expect(try await names.next() == "signal.example")
        }
    }

    @Test("An address in the URL must stand in the certificate, and is not sent as a name")
    func addresses() async throws {
        let authority = try TestAuthority()
        let names = Inbox<String?>()
        let context = try authority.issue(names: [], addresses: [[127, 0, 0, 1]]).makeContext()
        try await withSecureServer(context, sawServerName: { names.put($0) }) { _, port in
            let success = try await connect("https://127.0.0.1:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(success == nil)
            #expect(try await names.next() == nil)
        }
        // Whoever can make a name lead to an address of its own can have a certificate for that address.
        try await withSecureServer(context) { _, port in
            let failure = try await connect("https://localhost:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == "the server's certificate is not for 'localhost': use the name that it is for")
        }
        try await withSecureServer(try authority.issue(addresses: [[127, 0, 0, 2]]).makeContext()) { _, port in
            let failure = try await connect("https://127.0.0.1:\(port)") { $0.trustRoots = [.pem(try authority.pem)] }
            #expect(failure == "the server's certificate is not for '127.0.0.1': use the name that it is for")
        }
    }

    @Test(
        "A wildcard stands for one whole label, the first, below a domain of at least two",
        arguments: [
            ("*.example.org", true), ("*.EXAMPLE.org", true), ("a.example.org", true), ("A.Example.ORG", true),
            ("*.org", false), ("*", false), ("*.", false), ("b.example.org", false), ("*.a.example.org", false),
            ("a*.example.org", false), ("example.org", false), ("", false),
        ]
    )
    func wildcards(pattern: String, isFor: Bool) async throws {
        let authority = try TestAuthority()
        try await withSecureServer(try authority.issue(names: [pattern]).makeContext()) { _, port in
            let failure = try await connect("https://127.0.0.1:\(port)") {
                $0.trustRoots = [.pem(try authority.pem)]
                $0.serverName = "a.example.org"
            }
            #expect((failure == nil) == isFor, "\(failure ?? "connected")")
        }
    }

    @Test("A pinned certificate is trusted whatever it says; any other is refused, even if an authority signed it")
    func pinning() async throws {
        let authority = try TestAuthority()
        let pinned = try authority.issue(names: ["elsewhere.example"], to: -60)
        let other = try authority.issue()
        try await withSecureServer(try pinned.makeContext()) { _, port in
            let success = try await connect("https://localhost:\(port)") {
                $0.verification = .pinned(.pem(other.pem + "\n" + pinned.pem))
            }
            #expect(success == nil)
            let failure = try await connect("https://localhost:\(port)") {
                $0.verification = .pinned(.pem(other.pem))
                $0.trustRoots = [.pem(try authority.pem)]
            }
            #expect(failure == "the server's certificate is not the pinned one: pin the new one, if it was replaced")
        }
    }

    @Test("A refused certificate is final, a server that is away or speaks no TLS is not")
    func finality() async throws {
        func isFinal(_ url: String, _ configure: (inout SocketIOTLSConfiguration) -> Void) async throws -> Bool {
            var configuration = SocketIOClientConfiguration()
            configuration.transports = [.webSocket]
            configuration.tls.trustsSystem = false
            configure(&configuration.tls)
            let client = try SocketIOClient(url: url, configuration: configuration)
            let errors = Inbox<Bool>()
            client.onConnectError { errors.put($0.isFinal) }
            client.connect()
            let first = try await errors.next()
            await client.close()
            return first
        }
        let (authority, other) = (try TestAuthority(), try TestAuthority(name: "Another authority"))
        let (ours, others) = (try authority.pem, try other.pem)
        let pin = try authority.issue().pem
        try await withSecureServer(try authority.issue().makeContext()) { _, port in
            let url = "https://localhost:\(port)"
            let isUntrusted = try await isFinal(url) { $0.trustRoots = [.pem(others)] }
            let isAnother = try await isFinal(url) { $0.verification = .pinned(.pem(pin)) }
            let isMisnamed = try await isFinal(url) {
                $0.trustRoots = [.pem(ours)]
                $0.serverName = "elsewhere.example"
            }
            #expect(isUntrusted && isAnother && isMisnamed)
        }
        try await withServer { _, port in
            let isPlain = try await isFinal("https://127.0.0.1:\(port)") { $0.trustRoots = [.pem(ours)] }
            #expect(!isPlain)
        }
        let isAway = try await isFinal("https://127.0.0.1:1") { $0.trustRoots = [.pem(ours)] }
        #expect(!isAway)
    }

    @Test("Insecure trusts anything")
    func insecure() async throws {
        let certificate = try TestAuthority().issue(names: ["elsewhere.example"], to: -60)
        try await withSecureServer(try certificate.makeContext()) { _, port in
            let success = try await connect("https://localhost:\(port)") { $0.verification = .insecure }
            #expect(success == nil)
        }
    }

    @Test("A server of plain HTTP, and one that says nothing but goodbye, are named as such")
    func noTLS() async throws {
        try await withServer { _, port in
            let failure = try await connect("https://127.0.0.1:\(port)")
            #expect(failure == "the server does not speak TLS on this port")
        }
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { $0.close() }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(silent.localAddress?.port)
        let failure = try #require(try await connect("https://127.0.0.1:\(port)"))
        #expect(!failure.contains("NIO"), "\(failure)")
        try await silent.close()
    }

    @Test("Certificates that cannot be read are told of when the client is made")
    func unreadable() {
        for source in [SocketIOTLSConfiguration.Certificates.file("/no/such/file"), .pem("no certificate"), .pem("")] {
            var configuration = SocketIOClientConfiguration()
            configuration.tls.trustRoots = [source]
            #expect {
                _ = try SocketIOClient(url: "https://localhost", configuration: configuration)
            } throws: { error in
                "\(error)".contains("has no certificates in PEM that can be read")
            }
        }
    }

    @Test("A client behind TLS comes back after its connection is lost")
    func reconnection() async throws {
        let authority = try TestAuthority()
        try await withSecureServer(try authority.issue().makeContext()) { io, port in
            var configuration = SocketIOClientConfiguration()
            configuration.transports = [.webSocket]
            configuration.reconnectionDelay = .milliseconds(20)
            configuration.maximumPayload = 10_000
            configuration.tls.trustsSystem = false
            configuration.tls.trustRoots = [.pem(try authority.pem)]
            let client = try SocketIOClient(url: "wss://localhost:\(port)", configuration: configuration)
            let connected = Inbox<String?>()
            client.onConnect { connected.put(client.id) }
            let lost = client.inbox("disconnect")
            client.connect()
            let first = try #require(try await connected.next())
            // One event more than the client takes: it gives the connection up, and opens another.
            io.socket(first)?.emit("large", .string(String(repeating: "x", count: 20_000)))
            _ = try await lost.next()
            let second = try #require(try await connected.next())
            #expect(second != first)
            await client.close()
        }
    }
}

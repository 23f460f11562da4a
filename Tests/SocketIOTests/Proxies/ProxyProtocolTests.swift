import NIOCore
import NIOEmbedded
import Testing

@testable import SocketIO

extension SocketIOTests {
    @Suite("The PROXY protocol, version 2", .timeLimit(.minutes(5)))
    struct ProxyProtocolTests {
        private static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
        /// 198.51.100.1:4711 to 192.0.2.1:443.
        private static let overIPv4: [UInt8] =
            signature + [0x21, 0x11, 0, 12, 198, 51, 100, 1, 192, 0, 2, 1, 0x12, 0x67, 0x01, 0xBB]

        /// What a channel behind the handler sees.
        private final class Observer: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            var sources: [String] = []
            var text = ""

            func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
                if let proxied = event as? ProxiedConnection { sources.append(proxied.source.ipAddress ?? "") }
            }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                text += String(buffer: unwrapInboundIn(data))
            }
        }

        private func receive(_ pieces: [[UInt8]]) throws -> (Observer, isOpen: Bool, refusals: Int) {
            let (observer, refusals) = (Observer(), RefusalCounter())
            let channel = EmbeddedChannel()
            try channel.pipeline.syncOperations.addHandlers([ProxyProtocolHandler(refusals: refusals), observer])
            channel.connect(to: try SocketAddress(ipAddress: "10.0.0.1", port: 1), promise: nil)
            for piece in pieces where channel.isActive { try channel.writeInbound(ByteBuffer(bytes: piece)) }
            return (observer, channel.isActive, refusals.snapshot[.malformedRequest] ?? 0)
        }

        @Test("A header is taken off and its source told before anything else, wherever the bytes are cut")
        func anywhere() throws {
            let all = Self.overIPv4 + Array("GET / HTTP/1.1\r\n".utf8)
            for cut in 0...all.count {
                let (observer, isOpen, _) = try receive([Array(all[..<cut]), Array(all[cut...])])
                #expect(observer.sources == ["198.51.100.1"], "cut at \(cut)")
                #expect(observer.text == "GET / HTTP/1.1\r\n", "cut at \(cut)")
                #expect(isOpen)
            }
        }

        @Test("IPv6, what a proxy adds at the end, and a proxy that speaks for itself")
        func others() throws {
            let addresses: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [5]
            let ports: [UInt8] = [1, 2, 3, 4]
            let overIPv6 = Self.signature + [0x21, 0x21, 0, 39] + addresses + addresses + ports + [4, 0, 0]
            #expect(try receive([overIPv6 + [0x41]]).0.sources == ["2001:db8::5"])
            let local = try receive([Self.signature + [0x20, 0x00, 0, 0] + [0x41]]).0
            #expect(local.sources == [])
            #expect(local.text == "A")
            let unix = try receive([Self.signature + [0x21, 0x31, 0, 2, 9, 9] + [0x41]]).0
            #expect(unix.sources == [])
            #expect(unix.text == "A")
        }

        @Test("A connection that begins otherwise is passed on as it is")
        func absent() throws {
            for text in ["GET / HTTP/1.1\r\n", "\r\nGET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}"] {
                let (observer, isOpen, _) = try receive(Array(text.utf8).map { [$0] })
                #expect(observer.sources == [])
                #expect(observer.text == text)
                #expect(isOpen)
            }
        }

        @Test(
            "A header that cannot be read closes the connection, and is counted",
            arguments: [
                // Versions, commands, and addresses that are not all there.
                [0x11, 0x11, 0, 0], [0x22, 0x11, 0, 0], [0x31, 0x11, 0, 0], [0x21, 0x11, 0, 4, 1, 2, 3, 4],
                [0x21, 0x21, 0, 12] + Array(repeating: 0, count: 12),
            ] as [[UInt8]]
        )
        func malformed(rest: [UInt8]) throws {
            let (observer, isOpen, refusals) = try receive([Self.signature + rest + Array("GET".utf8)])
            #expect(!isOpen)
            #expect(observer.text == "")
            #expect(refusals == 1)
        }
    }

    @Suite("Behind a proxy", .timeLimit(.minutes(5)))
    struct BehindProxyTests {
        private func open(_ port: Int, forwarded: String? = nil, source: [UInt8]? = nil) async throws -> Int {
            let raw = try await RawConnection(port: port)
            if let source {
                let fixed: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8) + [0x21, 0x11, 0, 12]
                try await raw.send(fixed + source + [127, 0, 0, 1, 0, 1, 0, 2])
            }
            let header = forwarded.map { "X-Forwarded-For: \($0)\r\n" } ?? ""
            try await raw.send("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\(header)\r\n")
            let head = try await raw.readResponse().head
            raw.close()
            return Int(head.split(separator: " ")[1]) ?? 0
        }

        @Test("Limits count by the client's address, from either way of telling it", arguments: [true, false])
        func limits(byHeader: Bool) async throws {
            let proxy = try #require(AddressRange("127.0.0.0/8"))
            try await withServer {
                $0.trustedProxies = [proxy]
                $0.maximumSessionsPerAddress = 1
                $0.maximumConnectionsPerAddress = 1
            } body: { io, port in
                func status(_ last: UInt8) async throws -> Int {
                    byHeader
                        ? try await open(port, forwarded: "6.6.6.6, 198.51.100.\(last)")
                        : try await open(port, forwarded: "6.6.6.6", source: [198, 51, 100, last])
                }
                let statuses = [try await status(1), try await status(2), try await status(1)]
                #expect(statuses == [200, 200, 503])
                #expect(io.refusals[.tooManySessionsFromAddress] == 1)
            }
        }

        @Test("Nobody else is believed")
        func strangers() async throws {
            let proxy = try #require(AddressRange("10.0.0.0/8"))
            try await withServer {
                $0.trustedProxies = [proxy]
                $0.maximumSessionsPerAddress = 1
            } body: { _, port in
                let first = try await open(port, forwarded: "198.51.100.1")
                let second = try await open(port, forwarded: "198.51.100.2")
                let third = try await open(port, source: [198, 51, 100, 3])
                #expect([first, second, third] == [200, 503, 400])
            }
        }
    }
}

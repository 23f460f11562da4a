import NIOCore
import Testing

@testable import WebRTC

@Suite("Async facade", .timeLimit(.minutes(2)))
struct AsyncTests {
    /// Two connections of one transport with one channel between them.
    private func withChannel(
        _ body: (
            _ offerer: AsyncPeerConnection, _ answerer: AsyncPeerConnection,
            _ sender: AsyncDataChannel, _ receiver: AsyncDataChannel
        ) async throws -> Void
    ) async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let a = try await transport.makeAsyncPeerConnection()
        let b = try await transport.makeAsyncPeerConnection()
        let sender = try await a.createDataChannel(label: "chat", .init(subprotocol: "test"))
        try await b.setRemoteDescription(try await a.createOffer())
        try await a.setRemoteDescription(try await b.createAnswer())
        let incoming = b.events.compactMap { event in
            if case .dataChannel(let channel) = event { channel } else { nil }
        }
        let receiver = try #require(await incoming.first { _ in true })
        try await body(a, b, sender, receiver)
    }

    @Test("Messages flow as async sequences, and a slow reader holds the sender back instead of filling memory")
    func backPressure() async throws {
        try await self.withChannel { a, b, sender, receiver in
            #expect(receiver.configuration.subprotocol == "test")
            async let sending: Void = {
                for number in 0..<400 {
                    try await sender.send(ByteBuffer(repeating: UInt8(number % 251), count: 60_000))
                }
                try await sender.send("done")
            }()
            var count = 0
            for try await message in receiver.messages {
                if message.kind == .text {
                    #expect(message.text == "done")
                    break
                }
                #expect(message.payload == ByteBuffer(repeating: UInt8(count % 251), count: 60_000))
                count += 1
            }
            try await sending
            #expect(count == 400)
            let stats = await a.getStats()
            #expect(stats.dataChannels.first?.messagesSent == 401)
            #expect(await sender.getStats().bytesSent == 24_000_004)
            b.close()
            for await event in a.events { if case .state(.closed) = event { break } }
            await #expect(throws: DataChannelError.closed) { try await sender.send("late") }
            #expect(await sender.readyState == .closed)
            #expect(await a.connectionState == .closed)
        }
    }

    @Test("A channel that closes ends its messages; one whose connection fails throws what happened")
    func ends() async throws {
        try await self.withChannel { a, b, sender, receiver in
            try await sender.send("last")
            sender.close()
            var texts: [String] = []
            for try await message in receiver.messages { texts.append(message.text) }
            #expect(texts == ["last"])
            for try await _ in sender.messages {}
            #expect(await a.connectionState == .connected)

            let second = try await a.createDataChannel(label: "second")
            try await WebRTCEventLoop.loop.submit {
                a.connection.value.finish(.failed, reason: "for the test")
            }.get()
            await #expect(throws: DataChannelError.connectionLost("for the test")) {
                for try await _ in second.messages {}
            }
            await #expect(throws: DataChannelError.connectionLost("for the test")) { try await second.send("late") }
        }
    }

    @Test("Waiting to send ends when its task is cancelled, and nothing of that message is sent")
    func cancelled() async throws {
        try await self.withChannel { _, _, sender, receiver in
            // Nobody reads: the buffers fill, and a send waits.
            let filling = Task {
                var sent = 0
                do throws(DataChannelError) {
                    while true {
                        try await sender.send(ByteBuffer(repeating: 0, count: 60_000))
                        sent += 1
                    }
                } catch {
                    return (sent, error)
                }
            }
            while await sender.bufferedAmount <= 1024 * 1024 { await Task.yield() }
            filling.cancel()
            let (sent, error) = await filling.value
            #expect(error == .cancelled)
            // There is room for this one only when somebody reads.
            async let ending: Void = sender.send("end")
            var count = 0
            for try await message in receiver.messages {
                if message.kind == .text { break }
                count += 1
            }
            try await ending
            #expect(count == sent)
        }
    }

    @Test("Errors are typed, and say what was wrong")
    func typed() async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let connection = try await transport.makeAsyncPeerConnection()
        do throws(WebRTCError) {
            try await connection.addICECandidate(IceCandidate(candidate: "nonsense"))
            Issue.record("it was taken")
        } catch {
            #expect(error == .invalidCandidate("nonsense"))
        }
        do throws(DataChannelError) {
            _ = try await connection.createDataChannel(label: "x", .init(negotiatedID: 65_535))
            Issue.record("it was taken")
        } catch {
            #expect(error.description.contains("65535"))
        }
        connection.close()
        #expect(await connection.connectionState == .closed)
        #expect(await connection.closeReason != nil)
    }
}

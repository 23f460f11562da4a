import NIOCore
import SCTP
import Testing

@testable import WebRTC

/// Memory that messages take whose readers do not come.
@Suite("Unread messages", .timeLimit(.minutes(5)))
struct ReadingBudgetTests {
    private static let limit = 100_000
    private static let messageSize = 20_000
    private static let channels = 4
    private static let messages = 10

    @Test("Messages that nobody takes are held up to a number of bytes, over all channels; taken, the rest comes")
    func boundedInBytes() async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.maximumUnreadBytes = Self.limit
        configuration.initialReceiveWindow = 1 << 20
        let transport = try await WebRTCTransport.bind(configuration)
        defer { transport.close() }
        let a = try await transport.makeAsyncPeerConnection()
        let b = try await transport.makeAsyncPeerConnection()
        var senders: [AsyncDataChannel] = []
        for number in 0..<Self.channels { senders.append(try await a.createDataChannel(label: "\(number)")) }
        try await b.setRemoteDescription(try await a.createOffer())
        try await a.setRemoteDescription(try await b.createAnswer())
        var receivers: [AsyncDataChannel] = []
        for await event in b.events {
            if case .dataChannel(let channel) = event { receivers.append(channel) }
            if receivers.count == Self.channels { break }
        }
        for _ in 0..<Self.messages {
            for sender in senders { try await sender.send(ByteBuffer(repeating: 7, count: Self.messageSize)) }
        }
        // All of it fits into SCTP's receive window: when that has acknowledged it, b has read what it will read.
        while await a.getStats().sctpTransport?.unackData != 0 { try await Task.sleep(for: .milliseconds(5)) }
        try await transport.eventLoop.submit {
            let connection = b.connection.value
            #expect(connection.readingPauses == 1)
            // A buffer may be larger than the message in it, and the last one read may go beyond the limit.
            #expect(connection.readingBudget.heldBytes > Self.limit)
            #expect(connection.readingBudget.heldBytes <= Self.limit + 4 * Self.messageSize)
            #expect(connection.association?.deadline == nil, "what nobody reads is no work for a timer")
        }.get()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for receiver in receivers {
                group.addTask {
                    var count = 0
                    for try await message in receiver.messages where message.payload.readableBytes == Self.messageSize {
                        count += 1
                        if count == Self.messages { break }
                    }
                    return count
                }
            }
            for try await count in group { #expect(count == Self.messages) }
        }
        try await transport.eventLoop.submit {
            #expect(b.connection.value.readingPauses == 0)
            #expect(b.connection.value.readingBudget.heldBytes == 0)
        }.get()
    }

    @Test("What nobody will take any more is not held against the others")
    func droppedReader() async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let connection = try await transport.makeAsyncPeerConnection()
        let loop = transport.eventLoop
        let held = try await loop.submit {
            let channel = try connection.connection.value.createDataChannel(label: "unread")
            var adopted: AsyncDataChannel? = AsyncDataChannel(
                adopting: channel,
                of: connection.connection.value,
                eventLoop: loop
            )
            channel.onMessage?(ByteBuffer(repeating: 1, count: 5_000), .binary)
            let before = connection.connection.value.readingBudget.heldBytes
            _ = adopted
            adopted = nil
            return (before, connection.connection.value.readingBudget.heldBytes)
        }.get()
        #expect(held.0 >= 5_000 && held.1 == 0)
    }
}

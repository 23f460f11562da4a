import NIOCore
import Testing

@testable import WebRTC

@Suite("Connections on several event loops", .timeLimit(.minutes(5)))
struct ShardingTests {
    private struct Link: Sendable {
        var ends: (AsyncPeerConnection, AsyncPeerConnection)
        var sender: AsyncDataChannel
        var receiver: AsyncDataChannel
    }

    /// One connection with one channel.
    private static func connect(_ near: WebRTCTransport, _ far: WebRTCTransport) async throws -> Link {
        let a = try await near.makeAsyncPeerConnection()
        let b = try await far.makeAsyncPeerConnection()
        let sender = try await a.createDataChannel(label: "flow")
        try await b.setRemoteDescription(try await a.createOffer())
        try await a.setRemoteDescription(try await b.createAnswer())
        let incoming = b.events.compactMap { event in
            if case .dataChannel(let channel) = event { channel } else { nil }
        }
        let receiver = try #require(await incoming.first { _ in true })
        return Link(ends: (a, b), sender: sender, receiver: receiver)
    }

    private static func withGroups(
        near: Int,
        far: Int,
        _ body: (WebRTCTransportGroup, WebRTCTransportGroup) async throws -> Void
    ) async throws {
        let groups = (
            try await WebRTCTransportGroup.bind(.loopback(), count: near),
            try await WebRTCTransportGroup.bind(.loopback(), count: far)
        )
        defer {
            groups.0.close()
            groups.1.close()
        }
        try await body(groups.0, groups.1)
    }

    /// Sends numbered messages of many sizes, and expects each of them once and in order.
    private static func exchange(_ count: Int, over link: Link) async throws {
        async let sending: Void = {
            for number in 0..<count {
                var message = ByteBuffer(integer: number)
                message.writeRepeatingByte(UInt8(truncatingIfNeeded: number), count: number * 7919 % 40_000)
                try await link.sender.send(message)
            }
        }()
        var next = 0
        for try await message in link.receiver.messages {
            var payload = message.payload
            #expect(payload.readInteger(as: Int.self) == next)
            #expect(payload == ByteBuffer(repeating: UInt8(truncatingIfNeeded: next), count: next * 7919 % 40_000))
            next += 1
            if next == count { break }
        }
        try await sending
        #expect(next == count)
    }

    @Test("A group gives its transports loops of their own, and its connections to them by turns")
    func spreads() async throws {
        let count = WebRTCEventLoop.all.count
        try await Self.withGroups(near: count, far: 1) { near, _ in
            #expect(Set(near.transports.map { ObjectIdentifier($0.eventLoop) }).count == count)
            let taken = (0..<2 * count).map { _ in ObjectIdentifier(near.next()) }
            #expect(Set(taken).count == count)
        }
    }

    @Test("What is sent on many loops at once arrives whole and in order")
    func throughput() async throws {
        try await Self.withGroups(near: 3, far: 2) { near, far in
            var links: [Link] = []
            for _ in 0..<6 { links.append(try await Self.connect(near.next(), far.next())) }
            try await withThrowingTaskGroup { group in
                for link in links { group.addTask { try await Self.exchange(400, over: link) } }
                try await group.waitForAll()
            }
        }
    }

    @Test("Connections come and go on all loops while others stream")
    func churn() async throws {
        try await Self.withGroups(near: 4, far: 5) { near, far in
            let steady = try await Self.connect(near.transports[0], far.transports[4])
            try await withThrowingTaskGroup { group in
                group.addTask { try await Self.exchange(1000, over: steady) }
                for index in 0..<4 {
                    group.addTask {
                        for _ in 0..<25 {
                            let link = try await Self.connect(near.transports[index], far.transports[index])
                            try await Self.exchange(3, over: link)
                            link.ends.0.close()
                            for await event in link.ends.1.events { if case .state(.closed) = event { break } }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("A port given to a group is that of the first transport")
    func ports() async throws {
        let single = try await WebRTCTransport.bind(.loopback(), on: .next)
        let port = Int(single.localAddresses[0].port)
        single.close()
        var configuration = WebRTCConfiguration.loopback()
        configuration.port = port
        // The next port may belong to somebody else: then the group says so, and keeps nothing open.
        do {
            let group = try await WebRTCTransportGroup.bind(configuration, count: 2)
            #expect(group.transports.map { Int($0.localAddresses[0].port) } == [port, port + 1])
            group.close()
        } catch let error as WebRTCError {
            guard case .bindFailed = error else { throw error }
        }
    }
}

import NIOCore
import TestSupport
import Testing

@testable import WebRTC

@Suite("Async facade", .timeLimit(.minutes(5)))
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
            try await eventually { await sender.bufferedAmount > 1024 * 1024 }
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

    /// Waits for the first event that fits.
    private func first<Value>(
        of connection: AsyncPeerConnection,
        _ fits: (AsyncPeerConnection.Event) -> Value?
    ) async throws -> Value {
        for await event in connection.events { if let value = fits(event) { return value } }
        throw CancellationError()
    }

    @Test("The first channel and a restart ask for an offer; the states of an exchange are told in order")
    func negotiation() async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let a = try await transport.makeAsyncPeerConnection()
        let b = try await transport.makeAsyncPeerConnection()
        #expect(await a.signalingState == .stable)
        a.restartICE()
        let channel = try await a.createDataChannel(label: "chat")
        try await self.first(of: a) { if case .negotiationNeeded = $0 { () } else { nil } }
        try await b.setRemoteDescription(try await a.createOffer())
        #expect(await (a.signalingState, b.signalingState) == (.haveLocalOffer, .haveRemoteOffer))
        try await a.setRemoteDescription(try await b.createAnswer())
        #expect(await (a.signalingState, b.signalingState) == (.stable, .stable))
        #expect(await a.canTrickleICECandidates == true)
        #expect(await a.maximumMessageSize == 262_144)
        try await channel.send("before")
        #expect(await channel.id == 1)
        let incoming = try await self.first(of: b) { if case .dataChannel(let channel) = $0 { channel } else { nil } }

        for (first, second) in [(a, b), (b, a)] {
            let before = try #require(await first.localDescription)
            first.restartICE()
            try await self.first(of: first) { if case .negotiationNeeded = $0 { () } else { nil } }
            let offer = try await first.createOffer()
            #expect(offer.type == .offer && offer.sdp != before.sdp)
            #expect(await first.signalingState == .haveLocalOffer)
            #expect(await first.localDescription == offer)
            try await second.setRemoteDescription(offer)
            try await first.setRemoteDescription(try await second.createAnswer())
            #expect(await second.remoteDescription == offer)
            try await channel.send("after")
        }
        var texts: [String] = []
        for try await message in incoming.messages {
            texts.append(message.text)
            if texts.count == 3 { break }
        }
        #expect(texts == ["before", "after", "after"])
        a.close()
        for await _ in b.events {}
        #expect(await b.signalingState == .closed)
        await #expect(throws: WebRTCError.closed) { try await b.setConfiguration(iceServers: []) }
    }

    @Test("Gathering is told from beginning to end, and then the local description holds all candidates")
    func gathering() async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        // A STUN server that does not answer: an address of the loopback network where nobody listens.
        let silent = ICEServer(urls: ["stun:127.9.9.9:9"])
        var configuration = WebRTCConfiguration.loopback()
        configuration.ice.serverRetransmission = .milliseconds(20)
        configuration.ice.serverAttempts = 2
        let quick = try await WebRTCTransport.bind(configuration)
        defer { quick.close() }
        let connection = try await quick.makeAsyncPeerConnection(iceServers: [silent])
        #expect(await connection.iceGatheringState == .new)
        _ = try await connection.createDataChannel(label: "chat")
        let offer = try await connection.createOffer()
        #expect(!offer.sdp.contains("end-of-candidates"))
        var states: [ICEGatheringState] = []
        var candidates: [String] = []
        for await event in connection.events {
            if case .gatheringState(let state) = event { states.append(state) }
            if case .candidate(let candidate) = event { candidates.append(candidate.candidate) }
            if states.last == .complete { break }
        }
        #expect(states == [.gathering, .complete])
        #expect(candidates.last == "", "an empty candidate ends them")
        let complete = try #require(await connection.localDescription)
        #expect(complete.type == .offer && complete.sdp.contains("a=end-of-candidates"))
        #expect(complete.sdp.contains("127.0.0.1"))
    }

    @Test("Servers and policy can be changed: at once before gathering, later by a restart that gathers anew")
    func configuration() async throws {
        try await self.withChannel { a, b, sender, receiver in
            let bad = ICEServer(urls: ["turn:example.org"])
            await #expect(throws: WebRTCError.self) { try await a.setConfiguration(iceServers: [bad]) }
            // A TURN server where nobody listens, and nothing but its relays: there is no candidate left.
            let relay = ICEServer(urls: ["turn:127.9.9.9:9"], username: "u", credential: "c")
            try await a.setConfiguration(iceServers: [relay], iceTransportPolicy: .relay)
            let offer = try await a.createOffer()
            #expect(offer.sdp.contains("a=candidate") == false && offer.sdp.contains("end-of-candidates") == false)
            #expect(await a.iceGatheringState == .gathering)
            // The old path carries the data meanwhile.
            try await sender.send("still")
            for try await message in receiver.messages {
                #expect(message.text == "still")
                break
            }
            #expect(await a.connectionState == .connected)
        }
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let early = try await transport.makeAsyncPeerConnection()
        try await early.setConfiguration(iceTransportPolicy: .relay)
        #expect(!(try await early.createOffer().sdp.contains("a=candidate")))
        try await early.setConfiguration(iceTransportPolicy: .all)
        #expect(await early.selectedCandidatePair == nil)
        // An answerer may still choose, too, when the offer is there.
        let (offerer, answerer) = (
            try await transport.makeAsyncPeerConnection(), try await transport.makeAsyncPeerConnection()
        )
        _ = try await offerer.createDataChannel(label: "chat")
        try await answerer.setRemoteDescription(try await offerer.createOffer())
        try await answerer.setConfiguration(iceTransportPolicy: .relay)
        #expect(!(try await answerer.createAnswer().sdp.contains("a=candidate")))
        try await WebRTCEventLoop.loop.submit {
            #expect(answerer.connection.value.ice.agent.candidates.bases.isEmpty)
        }.get()
    }

    @Test("A peer that opens channels nobody takes is held up after sixteen, and goes on as they are taken")
    func unreadChannels() async throws {
        try await self.withChannel { a, b, _, _ in
            var channels: [AsyncDataChannel] = []
            for number in 0..<40 {
                let channel = try await a.createDataChannel(label: "\(number)")
                channels.append(channel)
                try await channel.send("first")
            }
            // All of it has left and has been acknowledged: b reads from the wire, but no further channel out of SCTP.
            try await eventually { await b.getStats().dataChannels.count == 17 }
            try await eventually {
                for channel in channels where await channel.bufferedAmount > 0 { return false }
                return await a.getStats().sctpTransport?.unackData == 0
            }
            #expect(await b.getStats().dataChannels.count == 17, "sixteen, and the one that is taken")
            var labels: [String] = []
            for await event in b.events {
                guard case .dataChannel(let channel) = event else { continue }
                labels.append(channel.label)
                if labels.count == 40 { break }
            }
            #expect(labels == (0..<40).map(String.init))
        }
    }

    @Test("Waiting for an event ends when its task is cancelled, and the next one who waits gets the event")
    func cancelledEvents() async throws {
        let transport = try await WebRTCTransport.bind(.loopback())
        defer { transport.close() }
        let connection = try await transport.makeAsyncPeerConnection()
        for _ in 0..<50 {
            let waiting = Task { await connection.events.first { _ in true } }
            waiting.cancel()
            #expect(await waiting.value == nil)
        }
        _ = try await connection.createDataChannel(label: "chat")
        try await self.first(of: connection) { if case .negotiationNeeded = $0 { () } else { nil } }
    }
}

import WebRTC

/// Two peers and one data channel. Both live in this process, so that handing a description over is an assignment;
/// between two machines it takes whatever the application signals with.
@main
struct DataChannelExample {
    static func main() async throws {
        // One UDP port for any number of connections.
        let transport = try await WebRTCTransport.bind()
        defer { transport.close() }

        let alice = try await transport.makeAsyncPeerConnection()
        let bob = try await transport.makeAsyncPeerConnection()

        // The offerer makes the channel; the answerer is told of it.
        let channel = try await alice.createDataChannel(label: "chat", .init(subprotocol: "lines-1"))
        let signalling = Task { try await signal(from: alice, to: bob) }
        let echoing = Task { try await echo(bob, candidatesTo: alice) }

        for number in 1...3 { try await channel.send("message \(number)") }
        channel.close()  // Once all has been sent; the peer closes its side when it has got it.
        try await echoing.value

        let stats = await alice.getStats()
        print("sent \(stats.transport.bytesSent > 0 ? "over" : "nothing over") \(stats.transport.dtlsCipher ?? "?")")
        alice.close()
        try await signalling.value
        for await event in bob.events { if case .state(.closed) = event { print("closed") } }
    }

    /// Offers whenever there is something to be negotiated, and hands over the candidates as they are found. Here the
    /// answer is a call away; elsewhere it comes with the application's signalling.
    static func signal(from alice: AsyncPeerConnection, to bob: AsyncPeerConnection) async throws {
        for await event in alice.events {
            switch event {
            case .negotiationNeeded:
                try await bob.setRemoteDescription(try await alice.createOffer())
                try await alice.setRemoteDescription(try await bob.createAnswer())
            case .candidate(let candidate):
                try await bob.addICECandidate(candidate)
            default:
                continue
            }
        }
    }

    /// Prints what comes in the first channel the peer opens, until the channel closes.
    static func echo(_ bob: AsyncPeerConnection, candidatesTo alice: AsyncPeerConnection) async throws {
        for await event in bob.events {
            if case .candidate(let candidate) = event { try await alice.addICECandidate(candidate) }
            guard case .dataChannel(let channel) = event else { continue }
            print("channel \(channel.label), protocol \(channel.configuration.subprotocol)")
            // Reading slowly would slow the sender down, not fill the memory.
            for try await message in channel.messages { print("received \(message.text)") }
            return
        }
    }
}

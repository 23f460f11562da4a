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
        let offer = try await alice.createOffer()
        try await bob.setRemoteDescription(offer)  // Signalling carries the offer to Bob …
        let answer = try await bob.createAnswer()
        try await alice.setRemoteDescription(answer)  // … and the answer to Alice.

        let echoing = Task { try await echo(bob) }
        for number in 1...3 { try await channel.send("message \(number)") }
        channel.close()  // Once all has been sent; the peer closes its side when it has got it.
        try await echoing.value

        let stats = await alice.getStats()
        print("sent \(stats.transport.bytesSent > 0 ? "over" : "nothing over") \(stats.transport.dtlsCipher ?? "?")")
        alice.close()
        for await event in bob.events { if case .state(.closed) = event { print("closed") } }
    }

    /// Prints what comes in the first channel the peer opens, until the channel closes.
    static func echo(_ connection: AsyncPeerConnection) async throws {
        for await event in connection.events {
            guard case .dataChannel(let channel) = event else { continue }
            print("channel \(channel.label), protocol \(channel.configuration.subprotocol)")
            // Reading slowly would slow the sender down, not fill the memory.
            for try await message in channel.messages { print("received \(message.text)") }
            return
        }
    }
}

import TestSupport
import WebRTC

/// DTLS handshakes whose datagrams are damaged, doubled, swapped and invented on their way.
enum HandshakeTarget {
    static func run(_ run: FuzzRun, _ corpus: [[UInt8]], _ note: (UInt64, [UInt8]) -> Void) throws -> UInt64 {
        var probe = try HandshakeProbe()
        var connected: UInt64 = 0
        var rounds = 0
        for number in run.numbers {
            var random = run.generator(number)
            let toServer = Bool.random(using: &random)
            let genuine = toServer ? probe.takeForServer() : probe.takeForClient()
            let mutator = Mutator(corpus: corpus + genuine, limit: 2048, isText: false)
            let input = mutator.input(number, &random)
            note(number, input)
            let plaintexts = probe.deliver(input, toServer: toServer)
            // Nothing was sent through the session: nothing may come out of it.
            guard plaintexts.isEmpty else {
                throw FuzzFailure(run: run, number: number, input: input, reason: "plaintext came out of a forgery")
            }
            // The genuine ones follow, or get lost.
            if random.next() % 4 != 0 {
                for datagram in genuine { _ = probe.deliver(datagram, toServer: toServer) }
            }
            rounds += 1
            if probe.isOver || probe.isConnected || rounds == 64 {
                if probe.isConnected { connected += 1 }
                probe = try HandshakeProbe(sharing: probe)
                rounds = 0
            }
        }
        return connected
    }
}

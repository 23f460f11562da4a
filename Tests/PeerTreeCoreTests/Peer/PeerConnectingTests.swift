import Testing

@testable import PeerTreeCore

@Suite("Connecting to parents", .timeLimit(.minutes(5)))
struct PeerConnectingTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func connections(_ peer: inout Peer<TestBuffer>) -> [RemoteID] {
        var remotes: [RemoteID] = []
        while let output = peer.nextOutput() {
            if case .connect(let remote) = output { remotes.append(remote) }
        }
        return remotes
    }

    @Test("Stripes that come from one parent share one connection")
    func shared() {
        var configuration = PeerConfiguration()
        configuration.stripes = 3
        var peer = Peer<TestBuffer>.viewer(configuration, streamID: 1)
        for stripe in UInt8(0)..<2 { peer.handle(.assigned(RemoteID(1), stripe: stripe, epoch: 1), at: now) }
        peer.handle(.assigned(RemoteID(2), stripe: 2, epoch: 1), at: now)
        #expect(connections(&peer) == [RemoteID(1), RemoteID(2)])
    }

    @Test("Sent elsewhere while it is still connecting, a viewer connects there")
    func elsewhere() {
        var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 1)
        peer.handle(.assigned(RemoteID(1), stripe: 0, epoch: 1), at: now)
        peer.handle(.assigned(RemoteID(2), stripe: 0, epoch: 2), at: now)
        #expect(connections(&peer) == [RemoteID(1), RemoteID(2)])
    }
}

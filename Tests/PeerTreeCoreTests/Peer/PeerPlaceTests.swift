import Testing

@testable import PeerTreeCore

@Suite("Where a peer says it is", .timeLimit(.minutes(5)))
struct PeerPlaceTests {
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func drain(_ peer: inout Peer<TestBuffer>) -> [PeerOutput<TestBuffer>] {
        var outputs: [PeerOutput<TestBuffer>] = []
        while let output = peer.nextOutput() { outputs.append(output) }
        return outputs
    }

    private func subscribe(_ peer: inout Peer<TestBuffer>, on link: UInt32) {
        let frame = ControlFrame.subscribed(stripe: 0, policy: .lossless, streamID: 9, start: 0, next: 0)
        peer.handle(.received(LinkID(link), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
    }

    /// A viewer that its parent, remote 1 on link 1, feeds.
    private func fedViewer() -> Peer<TestBuffer> {
        var peer = Peer<TestBuffer>.viewer(PeerConfiguration(), streamID: 1)
        peer.handle(.assigned(RemoteID(1), stripe: 0, epoch: 1), at: now)
        peer.handle(.linkOpened(LinkID(1), RemoteID(1), .parent, .native), at: now)
        subscribe(&peer, on: 1)
        _ = drain(&peer)
        return peer
    }

    @Test("A viewer names the parent that feeds it and the children that it feeds")
    func places() {
        var peer = fedViewer()
        peer.handle(.linkOpened(LinkID(2), RemoteID(2), .child, .native), at: now)
        let frame = ControlFrame.subscribe(stripe: 0, start: .joinPoint, window: 16, streamID: 0)
        peer.handle(.received(LinkID(2), TestBuffer(bytes: frame.encoded()), isText: false), at: now)
        peer.handle(.linkOpened(LinkID(3), RemoteID(3), .child, .plain), at: now)
        #expect(
            peer.places == [
                PeerPlace(role: .parent, remote: RemoteID(1), link: LinkID(1), stripe: 0, epoch: 1),
                PeerPlace(role: .child, remote: RemoteID(2), link: LinkID(2), stripe: 0, epoch: 0),
            ]
        )
    }

    @Test("On its way to another parent it names the one that still feeds it; without one it names none")
    func moving() {
        var peer = fedViewer()
        peer.handle(.assigned(RemoteID(4), stripe: 0, epoch: 2), at: now)
        #expect(peer.places.map(\.remote) == [RemoteID(1)])
        peer.handle(.linkClosed(LinkID(1)), at: now)
        #expect(peer.places.isEmpty)
    }

    @Test("A viewer that is sent back to the parent it was about to leave goes on being fed by it")
    func sentBack() {
        var peer = fedViewer()
        peer.handle(.assigned(RemoteID(4), stripe: 0, epoch: 2), at: now)
        peer.handle(.assigned(RemoteID(1), stripe: 0, epoch: 3), at: now)
        subscribe(&peer, on: 1)
        let outputs = drain(&peer)
        let unsubscribe = TestBuffer(bytes: ControlFrame.unsubscribe(stripe: 0).encoded())
        for output in outputs {
            if case .send(LinkID(1), let frame) = output { #expect(frame != unsubscribe) }
            if case .close = output { Issue.record("a link was closed") }
        }
        #expect(peer.isFed)
        #expect(peer.places.map(\.epoch) == [3])
    }
}

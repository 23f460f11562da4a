import PeerTreeCore
import TestSupport

/// Frames of the tree's own protocol into a source with a child and a viewer with a parent and a child.
enum FrameTarget {
    static func run(_ run: FuzzRun, _ corpus: [[UInt8]], _ note: (UInt64, [UInt8]) -> Void) -> UInt64 {
        let mutator = Mutator(corpus: corpus, limit: 17_000, isText: false)
        var neighbourhoods = [Neighbourhood(.source), Neighbourhood(.viewer)]
        var accepted: UInt64 = 0
        for number in run.numbers {
            var random = run.generator(number)
            let frame = mutator.input(number, &random)
            note(number, frame)
            neighbourhoods[Int(number % 2)].receive(frame, &random)
            if number % 1024 == 1023 {
                // A peer whose stream has ended takes little in.
                accepted += neighbourhoods.reduce(0) { $0 + $1.accepted }
                neighbourhoods = [Neighbourhood(.source), Neighbourhood(.viewer)]
            }
        }
        return accepted + neighbourhoods.reduce(0) { $0 + $1.accepted }
    }

    /// A peer with neighbours that come back whenever it parts with them.
    private struct Neighbourhood {
        enum Kind { case source, viewer }

        private var peer: Peer<ArrayBuffer>
        private var links: [(id: LinkID, role: NeighbourRole)] = []
        private var opened: UInt32 = 0
        private var now = Instant(nanoseconds: 1_000_000_000)
        private var received: UInt64 = 0

        var accepted: UInt64 { self.received - min(self.received, self.peer.counters.malformedFrames) }

        init(_ kind: Kind) {
            var configuration = PeerConfiguration()
            configuration.maximumMalformedFrames = .max
            switch kind {
            case .source:
                self.peer = .source(configuration, streamID: 1)
                self.open(.child)
            case .viewer:
                self.peer = .viewer(configuration, streamID: 1)
                self.open(.parent)
                self.open(.child)
            }
        }

        private mutating func open(_ role: NeighbourRole) {
            self.opened += 1
            let remote = RemoteID(self.opened)
            if role == .parent {
                self.peer.handle(.assigned(remote, stripe: 0, epoch: self.opened), at: self.now)
            }
            self.links.append((LinkID(self.opened), role))
            self.peer.handle(.linkOpened(LinkID(self.opened), remote, role, .native), at: self.now)
        }

        mutating func receive(_ frame: [UInt8], _ random: inout SeededGenerator) {
            guard let link = self.links.randomElement(using: &random) else { return }
            self.now = self.now + .microseconds(50)
            self.received += 1
            self.peer.handle(.received(link.id, ArrayBuffer(bytes: frame), isText: false), at: self.now)
            if self.peer.deadline <= self.now { self.peer.handle(.tick, at: self.now) }
            var parted: [NeighbourRole] = []
            while let output = self.peer.nextOutput() {
                guard case .close(let id) = output, let index = self.links.firstIndex(where: { $0.id == id }) else {
                    continue
                }
                parted.append(self.links.remove(at: index).role)
                self.peer.handle(.linkClosed(id), at: self.now)
            }
            // Not while draining: a peer whose stream has ended parts with a new parent at once.
            for role in parted { self.open(role) }
        }
    }
}

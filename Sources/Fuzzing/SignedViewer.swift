import PeerTreeCore
import TestSupport

/// A viewer of a signed tree with a parent and a child, whatever they send. Its host finds true what it likes, and when it
/// likes.
struct SignedViewer {
    private var peer = SignedViewer.make()
    private var links: [(id: LinkID, role: NeighbourRole)] = []
    private var opened: UInt32 = 0
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var random: SeededGenerator
    private var received = 0
    /// What the host has still to say.
    private var asked: [(ticket: UInt64, statement: [UInt8])] = []
    /// What it has found true.
    private var proven: Set<[UInt8]> = []

    /// The stream of the corpus.
    private static let streamID = SignedStreamID(high: 0xA0A1_A2A3_A4A5_A6A7, low: 0xA8A9_AAAB_ACAD_AEAF)
    /// What the clock of its head and its pulses shows at least: that of the corpus.
    private static let clock: UInt64 = 1_700_000_000_000_000
    private static let limit = 1 << 16

    private static func make() -> Peer<ArrayBuffer> {
        var configuration = PeerConfiguration()
        configuration.maximumMalformedFrames = .max
        configuration.maximumUnprovenBytes = limit
        return .viewer(configuration, streamID: 1, isSigned: true)
    }

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        for role in [NeighbourRole.parent, .child] { self.open(role) }
    }

    private mutating func open(_ role: NeighbourRole) {
        self.opened += 1
        let remote = RemoteID(self.opened)
        if role == .parent { self.peer.handle(.assigned(remote, stripe: 0, epoch: self.opened), at: self.now) }
        self.links.append((LinkID(self.opened), role))
        self.peer.handle(.linkOpened(LinkID(self.opened), remote, role, .native), at: self.now)
        if role == .parent { self.offerStream(on: LinkID(self.opened)) }
        let greeting =
            role == .parent
            ? ControlFrame.subscribed(stripe: 0, policy: .live, streamID: Self.streamID.high, start: 0, next: 1 << 20)
            : .subscribe(stripe: 0, start: .joinPoint, window: 1024, streamID: 0)
        self.give(greeting.encoded(), on: LinkID(self.opened))
    }

    /// Shows it which stream this is, under signatures that its host may find true.
    private mutating func offerStream(on link: LinkID) {
        guard let signature = Signature(Array(repeating: 1, count: Signature.length)) else { return }
        let head = SourceHead(streamID: Self.streamID, startedAt: Self.clock, policy: .live)
        let pulse = SourcePulse(
            streamID: Self.streamID,
            clock: Self.clock + self.now.nanoseconds / 1_000,
            extent: SourceExtent(blocks: 1, next: 1),
            retained: []
        )
        self.give(SourceFrame.head(head, signature).encoded(), on: link)
        self.give(SourceFrame.pulse(pulse, signature).encoded(), on: link)
    }

    private mutating func give(_ frame: [UInt8], on link: LinkID) {
        self.peer.handle(.received(link, ArrayBuffer(bytes: frame), isText: false), at: self.now)
    }

    /// A frame comes on one of the links.
    mutating func receive(_ frame: [UInt8]) throws {
        guard let link = self.links.randomElement(using: &self.random) else { return }
        self.now = self.now + .microseconds(50)
        self.give(frame, on: link.id)
        if self.peer.deadline <= self.now { self.peer.handle(.tick, at: self.now) }
        try self.drain()
        while !self.asked.isEmpty, Int.random(in: 0..<3, using: &self.random) > 0 {
            let (ticket, statement) = self.asked.removeFirst()
            let isTrue = Int.random(in: 0..<4, using: &self.random) > 0
            if isTrue { self.proven.insert(statement) }
            self.peer.handle(.verified(ticket: ticket, isTrue), at: self.now)
            try self.drain()
        }
        guard self.peer.occupancy.unprovenBytes <= 4 * Self.limit + 65_536 else {
            throw BlockProbe.BrokenPromise(description: "more waits for its proof than may")
        }
        self.received += 1
        // A peer whose stream has ended takes little in.
        if self.received % 1024 == 0 { self = SignedViewer(seed: self.random.next()) }
    }

    private mutating func drain() throws {
        var parted: [NeighbourRole] = []
        while let output = self.peer.nextOutput() {
            switch output {
            case .close(let id):
                guard let index = self.links.firstIndex(where: { $0.id == id }) else { continue }
                parted.append(self.links.remove(at: index).role)
                self.peer.handle(.linkClosed(id), at: self.now)
            case .verify(let ticket, let statement, let signature):
                self.asked.append((ticket, statement + signature.bytes))
            case .send(_, let frame): try self.check(frame)
            default: break
            }
        }
        // Not while draining: a peer whose stream has ended parts with a new parent at once.
        for role in parted { self.open(role) }
    }

    /// Nothing goes out that the host has not found true.
    private func check(_ frame: ArrayBuffer) throws {
        let type = frame.withPrefix(1) { $0.first ?? 0 }
        guard type != FrameType.chunk.rawValue else {
            throw BlockProbe.BrokenPromise(description: "a chunk was passed on that has no proof")
        }
        if let said = try? SourceFrame.decode(frame) {
            guard self.proven.contains(said.statement.signedBytes + said.signature.bytes) else {
                throw BlockProbe.BrokenPromise(description: "the source's word was passed on and not found true")
            }
        }
        guard type == FrameType.signedChunk.rawValue else { return }
        guard let (chunk, payloadOffset) = try? SignedChunk.decode(frame),
            let root = chunk.root(over: frame.slice(from: payloadOffset, to: frame.count)),
            self.proven.contains(
                SourceStatement.block(chunk.block, root: root).signedBytes + chunk.signature.bytes
            )
        else { throw BlockProbe.BrokenPromise(description: "a chunk was passed on that was not found true") }
    }
}

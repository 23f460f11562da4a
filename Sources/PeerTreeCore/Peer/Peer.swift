/// One peer of a tree: takes the stream from its parents, keeps the newest part of it, repairs holes, and feeds its
/// children. The source is a peer without parents.
///
/// A state machine without I/O. Call it in this order:
/// 1. ``handle(_:at:)`` or ``publish(_:_:timestamp:at:)`` with what happened;
/// 2. ``nextOutput()`` until it returns nil, carrying out each output;
/// 3. ``PeerInput/tick`` once ``deadline`` is reached.
public struct Peer<Buffer: FrameBuffer> {
    typealias Chunk = ReplayBuffer<Buffer>.Chunk

    /// The limits and timers in force.
    public let configuration: PeerConfiguration
    /// Whether this peer is the origin of the stream.
    public let isSource: Bool
    /// What is counted.
    public internal(set) var counters = PeerCounters()

    var stream: HeldStream<Buffer>
    var writing: Writing<Buffer>
    var ending = Ending()

    var upstreams: [Upstream]
    var links = LinkTable()
    var admissions = Admissions()
    var backup = Backup()
    var repair = Repair()
    /// By stripe.
    var inquiries: [Inquiry]
    var departure = Departure.staying
    var pulse = Pulse()

    /// When the driver called last.
    var lastCall = Instant.zero
    private var outputs = OutputQueue<PeerOutput<Buffer>>()

    /// Makes a source.
    ///
    /// - Parameters:
    ///   - configuration: limits, timers, stripes and policy.
    ///   - streamID: a random number that no other stream has.
    public static func source(_ configuration: PeerConfiguration, streamID: UInt64) -> Peer {
        Peer(configuration, isSource: true, streamID: streamID)
    }

    /// Makes a source whose blocks are signed.
    ///
    /// - Parameters:
    ///   - configuration: limits, timers, stripes and policy.
    ///   - stream: random bits that no other stream has. Links name it by its first half.
    package static func source(_ configuration: PeerConfiguration, signing stream: SignedStreamID) -> Peer {
        Peer(configuration, isSource: true, streamID: stream.high, signedStream: stream)
    }

    /// Makes a viewer.
    ///
    /// - Parameters:
    ///   - configuration: limits and timers; stripes as the server said.
    ///   - streamID: a random number; used only under a plain parent, whose stream has no number of its own.
    ///   - isSigned: whether it takes only what the source has signed.
    public static func viewer(_ configuration: PeerConfiguration, streamID: UInt64, isSigned: Bool = false) -> Peer {
        Peer(configuration, isSource: false, streamID: streamID, isProven: isSigned)
    }

    private init(
        _ configuration: PeerConfiguration,
        isSource: Bool,
        streamID: UInt64,
        signedStream: SignedStreamID? = nil,
        isProven: Bool = false
    ) {
        let stripes = min(max(configuration.stripes, 1), ChunkHeader.maximumStripes)
        self.configuration = configuration
        self.isSource = isSource
        stream = HeldStream(id: streamID, frontier: isSource ? 0 : nil, isProven: isProven, configuration)
        let isCoded = isSource && configuration.hasParity
        writing = Writing(stripes: stripes, isCoded: isCoded, signedStream: signedStream)
        inquiries = Array(repeating: Inquiry(), count: Int(stripes))
        upstreams =
            isSource
            ? [] : Array(repeating: Upstream(phase: .waiting(retry: .distantFuture)), count: Int(stripes))
    }

    /// What happens to slow children; a viewer learns it from its parent.
    public var policy: StreamPolicy {
        stream.policy
    }

    /// The next thing to be done, or nil.
    public mutating func nextOutput() -> PeerOutput<Buffer>? {
        outputs.popFirst()
    }

    /// Takes an input.
    public mutating func handle(_ input: PeerInput<Buffer>, at now: Instant) {
        noteCall(at: now)
        switch input {
        case .assigned(let remote, let stripe, let epoch):
            assign(remote, stripe, epoch, at: now)
        case .linkOpened(let id, let remote, let role, let mode):
            open(id, remote, role, mode, at: now)
        case .relayed(let id, let isRelayed):
            relayed(id, isRelayed, at: now)
        case .linkClosed(let id):
            lose(id, .closed, closing: false, at: now)
        case .connectFailed(let remote, let reason):
            connectFailed(remote, reason, at: now)
        case .received(let id, let frame, let isText):
            receive(frame, isText: isText, on: id, at: now)
        case .drained(let id, let buffered):
            drained(id, buffered, at: now)
        case .placed(let slots, let depth):
            placed(slots: slots, depth: depth)
        case .admitted(let remote, let stripe):
            admit(remote, stripe, at: now)
        case .childReleased(let remote, let stripe):
            release(remote, stripe, at: now)
        case .standby(let remote):
            standBy(remote, at: now)
        case .wardAdmitted(let remote):
            admitWard(remote, at: now)
        case .wardReleased(let remote):
            releaseWard(remote, at: now)
        case .consumed(let sequence):
            stream.reading.consume(through: sequence)
            updateFlow(at: now)
        case .signed(let thing, let signature):
            signed(thing, signature, at: now)
        case .verified(let ticket, let isTrue):
            verified(ticket, isTrue, at: now)
        case .serverClock(let unixMicroseconds):
            setServerClock(unixMicroseconds, at: now)
        case .treeEnded:
            treeEnded(at: now)
        case .leave:
            leave(at: now)
        case .tick:
            tick(at: now)
        }
        finishLeaving(at: now)
    }

    /// Puts an output into the queue.
    mutating func emit(_ output: PeerOutput<Buffer>) {
        outputs.append(output)
    }

    /// Sends a control frame.
    mutating func send(_ frame: ControlFrame, on id: LinkID, at now: Instant) {
        guard let link = links[id], link.mode == .native else { return }
        links[id]?.liveness.lastSent = now
        emit(.send(id, Buffer(bytes: frame.encoded())))
    }
}

// MARK: - What the driver may ask

extension Peer {
    /// A neighbour as the dashboard shows it.
    public struct Neighbour: Sendable {
        /// Who it is.
        public var remote: RemoteID
        /// Whether it feeds this peer or is fed by it.
        public var role: NeighbourRole
        /// What is spoken.
        public var mode: LinkMode
        /// The last measured round-trip time; nil on plain links and before the first heartbeat came back.
        public var roundTripTime: TimeSpan?
        /// Bytes that wait in the link's send queue.
        public var buffered: Int
    }

    /// All neighbours.
    public var neighbours: [Neighbour] {
        links.values.map {
            Neighbour(
                remote: $0.remote,
                role: $0.role,
                mode: $0.mode,
                roundTripTime: $0.liveness.roundTripTime,
                buffered: $0.queue.buffered
            )
        }
    }

    /// The source's clock at the newest chunk held: microseconds since 1970-01-01 UTC; 0 before the first.
    public var newestTimestamp: UInt64 {
        stream.replay.newestTimestamp
    }

    /// Over how many trees the stream is dealt.
    public var layout: StripeLayout {
        StripeLayout(stripes: Int(configuration.stripes), parity: Int(configuration.parity))
    }

    /// How many children are fed.
    public var childCount: Int {
        links.values.count { $0.role == .child && !isWarm($0) }
    }

    /// Whether the end of the stream was delivered, or written.
    public var isEnded: Bool {
        ending.sequence != nil || writing.isFinished
    }

    /// Whether a parent feeds every stripe.
    public var isFed: Bool {
        upstreams.allSatisfy {
            if case .active = $0.phase { return true }
            return $0.former != nil
        }
    }

    /// Whether this peer and all below it have the whole stream.
    public var isSubtreeComplete: Bool {
        isComplete { _ in true }
    }

    /// Whether this peer has the whole stream, and all below it in the trees of the stripes that a parent feeds: in another
    /// tree the parent itself may be below.
    func isComplete(below parent: LinkID) -> Bool {
        guard upstreams.count > 1 else { return isSubtreeComplete }
        return isComplete { child in
            child.feeding.subscriptions.contains { subscription in
                let stripe = Int(subscription.stripe)
                return stripe < upstreams.count && upstreams[stripe].isFed(by: parent)
            }
        }
    }

    private func isComplete(with isBelow: (Link) -> Bool) -> Bool {
        guard ending.sequence != nil, !links.absences.areWaitedFor else { return false }
        return links.children.allSatisfy { id in
            guard let child = links[id], isBelow(child) else { return true }
            return child.feeding.isComplete || !admissions.allow(child.remote) || isWarm(child)
        }
    }

    /// Whether `publish` should wait for ``PeerOutput/writable``.
    public var isWritable: Bool {
        guard !isSigningBehind else { return false }
        return stream.policy != .lossless || max(stream.replay.end, writing.end) < gate
    }

    /// How far the slowest child lets the stream run ahead, be it here or missed.
    var gate: UInt64 {
        links.children.reduce(links.absences.gate) { min($0, links[$1]?.feeding.gate ?? .max) }
    }
}

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
    /// What happens to slow children; a viewer learns it from its parent.
    public internal(set) var policy: StreamPolicy

    /// Which stream this is. A source that starts over, or a hop through a plain link, makes a new one.
    var streamID: UInt64
    var chunker: Chunker<Buffer>
    var replay: ReplayBuffer<Buffer>
    var retained: RetainedMessages<Buffer>
    var reassembler: Reassembler<Buffer>
    /// Everything below was delivered or given up; nil until this peer knows where it begins.
    var frontier: UInt64?
    /// The number of the chunk that ends the stream, once it was delivered.
    var endSequence: UInt64?
    /// The application has taken everything below.
    var consumed: UInt64 = 0
    var isPublishingBlocked = false
    var saidComplete = false
    var hasEnded = false

    var upstreams: [Upstream]
    var links = LinkTable()
    /// The links to children, in the order in which they came.
    var children: [LinkID] = []
    var hole: Hole?
    var fetches: [Fetch] = []
    var leaveDeadline: Instant?
    var endDeadline: Instant?
    /// The source's clock as far as known: the newest timestamp taken in.
    public internal(set) var newestTimestamp: UInt64 = 0

    private var outputs: [PeerOutput<Buffer>] = []
    private var outputHead = 0
    var nextTick: Instant = .distantFuture
    var lastTick: Instant?

    /// Makes a source.
    ///
    /// - Parameters:
    ///   - configuration: limits, timers, stripes and policy.
    ///   - streamID: a random number that no other stream has.
    public static func source(_ configuration: PeerConfiguration, streamID: UInt64) -> Peer {
        Peer(configuration, isSource: true, streamID: streamID)
    }

    /// Makes a viewer.
    ///
    /// - Parameters:
    ///   - configuration: limits and timers; stripes as the server said.
    ///   - streamID: a random number; used only under a plain parent, whose stream has no number of its own.
    public static func viewer(_ configuration: PeerConfiguration, streamID: UInt64) -> Peer {
        Peer(configuration, isSource: false, streamID: streamID)
    }

    private init(_ configuration: PeerConfiguration, isSource: Bool, streamID: UInt64) {
        let stripes = min(max(configuration.stripes, 1), ChunkHeader.maximumStripes)
        self.configuration = configuration
        self.isSource = isSource
        self.streamID = streamID
        policy = configuration.policy
        chunker = Chunker(stripes: stripes)
        replay = ReplayBuffer(
            maximumChunks: configuration.replayChunks,
            maximumBytes: configuration.replayBytes
        )
        retained = RetainedMessages(
            maximumKeys: configuration.maximumRetainedKeys,
            maximumBytes: configuration.maximumRetainedBytes
        )
        reassembler = Reassembler(maximumMessageBytes: configuration.maximumMessageBytes)
        frontier = isSource ? 0 : nil
        upstreams =
            isSource
            ? [] : Array(repeating: Upstream(phase: .waiting(retry: .distantFuture)), count: Int(stripes))
    }

    /// When ``PeerInput/tick`` is due.
    public var deadline: Instant {
        nextTick
    }

    /// The next thing to be done, or nil.
    public mutating func nextOutput() -> PeerOutput<Buffer>? {
        guard outputHead < outputs.count else {
            outputs.removeAll(keepingCapacity: true)
            outputHead = 0
            return nil
        }
        defer { outputHead += 1 }
        return outputs[outputHead]
    }

    /// Takes an input.
    public mutating func handle(_ input: PeerInput<Buffer>, at now: Instant) {
        switch input {
        case .assigned(let remote, let stripe, let epoch):
            assign(remote, stripe, epoch, at: now)
        case .linkOpened(let id, let remote, let role, let mode):
            open(id, remote, role, mode, at: now)
        case .linkClosed(let id):
            lose(id, .closed, closing: false, at: now)
        case .connectFailed(let remote, let reason):
            connectFailed(remote, reason, at: now)
        case .received(let id, let frame, let isText):
            receive(frame, isText: isText, on: id, at: now)
        case .drained(let id, let buffered):
            drained(id, buffered, at: now)
        case .childReleased(let remote):
            release(remote, at: now)
        case .consumed(let sequence):
            consumed = max(consumed, sequence &+ 1)
            updateFlow(at: now)
        case .treeEnded:
            treeEnded(at: now)
        case .leave:
            leave(at: now)
        case .tick:
            tick(at: now)
        }
        scheduleTick(after: now)
    }

    /// Puts an output into the queue.
    mutating func emit(_ output: PeerOutput<Buffer>) {
        outputs.append(output)
    }

    /// Takes a link out of the tables.
    mutating func removeLink(_ id: LinkID) -> Link? {
        children.removeAll { $0 == id }
        return links.removeValue(forKey: id)
    }

    /// Sends a control frame.
    mutating func send(_ frame: ControlFrame, on id: LinkID, at now: Instant) {
        guard let link = links[id], link.mode == .native else { return }
        links[id]?.lastSent = now
        emit(.send(id, Buffer(bytes: frame.encoded())))
    }

    private mutating func scheduleTick(after now: Instant) {
        guard nextTick == .distantFuture, isTicking else { return }
        nextTick = now + tickInterval
        lastTick = now
    }

    var isTicking: Bool {
        if leaveDeadline == .distantFuture { return false }
        if !links.isEmpty || leaveDeadline != nil || endDeadline != nil { return true }
        return upstreams.contains { $0.remote != nil }
    }

    var tickInterval: TimeSpan {
        TimeSpan(nanoseconds: max(1, configuration.heartbeatInterval.nanoseconds / 2))
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
                roundTripTime: $0.roundTripTime,
                buffered: $0.buffered
            )
        }
    }

    /// How many children are fed.
    public var childCount: Int {
        children.count
    }

    /// Whether the end of the stream was delivered.
    public var isEnded: Bool {
        endSequence != nil
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
        guard endSequence != nil else { return false }
        return children.allSatisfy { links[$0]?.isComplete != false }
    }

    /// Whether `publish` should wait for ``PeerOutput/writable``.
    public var isWritable: Bool {
        policy != .lossless || replay.end < gate
    }

    /// How far the slowest child lets the stream run ahead.
    var gate: UInt64 {
        children.reduce(.max) { min($0, links[$1]?.gate ?? .max) }
    }
}

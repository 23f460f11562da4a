/// A client of a broadcast tree: its ``Membership``, and the ``Peer`` that the membership finds links for. This is what a
/// host runs, be it a process, a browser page or a simulator.
///
/// A state machine without I/O. The host owns sockets, connections, data channels and timers, and decides nothing:
/// 1. ``handle(_:at:)`` with what happened;
/// 2. ``nextOutput()`` until it returns nil, carrying out each output in this order;
/// 3. ``ClientInput/tick(unixMicroseconds:)`` once ``deadline`` is reached.
public struct Client<Buffer: FrameBuffer, Random: RandomNumberGenerator> {
    /// The limits and timers in force.
    public let configuration: ClientConfiguration
    /// The place in the tree.
    public private(set) var membership: Membership<Random>
    /// The stream; nil before a tree is entered.
    public internal(set) var peer: Peer<Buffer>?
    /// How the stream ended; nil while it goes on.
    public private(set) var end: StreamEnd?

    private var queues: SendQueues
    private var clock: WallClock
    private var reception: Reception
    private var creation = Creation()
    /// Of a source that encrypts.
    var sealing: Sealing<Buffer>?
    var opening: Opening<Buffer>
    private var hasConnected = false
    /// When the last input came.
    private(set) var now: Instant
    var outputs = OutputQueue<ClientOutput<Buffer>>()

    /// A client in no tree, without a socket to a server.
    ///
    /// - Parameters:
    ///   - random: where the names of sessions and streams come from. Nobody may be able to guess them.
    ///   - unixMicroseconds: the time of day.
    public init(_ configuration: ClientConfiguration, random: Random, unixMicroseconds: UInt64, at now: Instant) {
        self.configuration = configuration
        var limits = configuration.membership
        limits.stripes = configuration.peer.stripes
        limits.parity = configuration.peer.hasParity ? 1 : 0
        membership = Membership(limits, random: random)
        queues = SendQueues(highWater: configuration.peer.highWater)
        clock = WallClock(unixMicroseconds, at: now)
        reception = Reception(at: now)
        opening = Opening(streams: OpenedStreams(hasSecret: limits.isEncrypted))
        self.now = now
    }

    /// When ``ClientInput/tick(unixMicroseconds:)`` is due.
    public var deadline: Instant {
        membership.hasLeft ? .distantFuture : min(membership.deadline, peer?.deadline ?? .distantFuture)
    }

    /// Takes an input.
    @inline(never)  // Once in the module for browsers, rather than once in each function that scripts call.
    public mutating func handle(_ input: ClientInput<Buffer>, at now: Instant) {
        self.now = now
        switch input {
        case .received(let link, let frame, let isText):
            peer?.handle(.received(link, frame, isText: isText), at: now)
        case .buffered(let link, let bytes): buffered(link, bytes)
        case .publish(let payload, let options): publish(payload, options)
        case .finish: if !waitsForSeal(input) { peer?.finish(timestamp: clock.reading(at: now), at: now) }
        case .sealed(let ciphertext): sealed(ciphertext)
        case .opened(let payload): opened(payload)
        case .consumed(let sequence): peer?.handle(.consumed(through: sequence), at: now)
        case .roundTrip(_, let span): reception.roundTrip = span
        case .signed(.creation, let signature):
            if let request = creation.signed(signature) { outputs.append(.emit(.discover(request))) }
        case .signed(let thing, let signature): peer?.handle(.signed(thing, signature), at: now)
        case .serverNamed(let socket, let host): creation.server = (socket, host)
        case .verified(let ticket, let isTrue): peer?.handle(.verified(ticket: ticket, isTrue), at: now)
        case .tick(let unixMicroseconds): tick(unixMicroseconds)
        case .server(let event): membership.handle(.server(event), at: now)
        case .enter(let tree): membership.handle(.enter(tree), at: now)
        case .cancelEntering: membership.handle(.cancelEntering, at: now)
        case .restartPaths: membership.handle(.restartPaths, at: now)
        case .leave: membership.handle(.leave, at: now)
        case .stop: membership.handle(.stop, at: now)
        case .serverConnected: membership.handle(.serverConnected, at: now)
        case .serverLost: membership.handle(.serverLost, at: now)
        case .serverUnreachable(let reason, let isFinal):
            membership.handle(.serverUnreachable(reason: reason, isFinal: isFinal), at: now)
        case .described(let link, let sdp): membership.handle(.described(link, sdp: sdp), at: now)
        case .candidate(let link, let candidate): membership.handle(.candidate(link, candidate), at: now)
        case .connectionFailed(let link): membership.handle(.connectionFailed(link), at: now)
        case .path(let link, let state): membership.handle(.path(link, state), at: now)
        case .relayed(let link, let isRelayed): membership.handle(.relayed(link, isRelayed), at: now)
        case .channelOpened(let link): membership.handle(.channelOpened(link), at: now)
        case .channelClosed(let link): membership.handle(.channelClosed(link), at: now)
        case .networkChanged(let isLost): membership.handle(.networkChanged(isLost: isLost), at: now)
        }
    }

    /// The next thing to be done, or nil.
    public mutating func nextOutput() -> ClientOutput<Buffer>? {
        while true {
            // What the membership makes of one thing comes before the next thing of the peer.
            if let output = membership.nextOutput() {
                translate(output)
            } else if let output = outputs.popFirst() {
                return output
            } else if let output = peer?.nextOutput() {
                if let own = translate(output) { return own }
            } else {
                return queues.nextDue().map { .askBuffered($0) }
            }
        }
    }

    // MARK: Inputs that concern both

    private mutating func tick(_ unixMicroseconds: UInt64) {
        clock = WallClock(unixMicroseconds, at: now)
        if membership.deadline <= now { membership.handle(.tick, at: now) }
        if let due = peer?.deadline, due <= now { peer?.handle(.tick, at: now) }
    }

    private mutating func buffered(_ link: LinkID, _ bytes: Int) {
        let (threshold, isLow) = queues.reported(bytes, on: link)
        if let threshold { outputs.append(.setLowThreshold(link, threshold)) }
        if isLow { peer?.handle(.drained(link, buffered: bytes), at: now) }
    }

    private mutating func publish(_ payload: Buffer, _ options: MessageOptions) {
        guard end == nil, !waitsForSeal(.publish(payload, options)) else { return }
        if !seal(payload, options) { write(payload, options) }
    }

    mutating func write(_ payload: Buffer, _ options: MessageOptions) {
        // A host that asked `ClientConfiguration.checkMessage(bytes:)` before has told the application why.
        _ = try? peer?.publish(payload, options, timestamp: clock.reading(at: now), at: now)
    }

    /// Whether ``ClientInput/publish(_:_:)`` does anything now.
    public var writability: Writability {
        guard membership.treeID != nil, let isSource = peer?.isSource else { return .notInTree }
        guard isSource else { return .notSource }
        if end != nil || peer?.isEnded == true { return .ended }
        return peer?.isWritable == true && sealing?.marks == nil ? .writable : .blocked
    }

    // MARK: What the membership wants

    private mutating func translate(_ output: MembershipOutput) {
        switch output {
        case .begin(let isSource, let stripes, let parity): begin(isSource, stripes: stripes, parity: parity)
        case .assigned(let remote, let stripe, let epoch):
            peer?.handle(.assigned(remote, stripe: stripe, epoch: epoch), at: now)
        case .placed(let slots, let depth): peer?.handle(.placed(slots: slots, depth: depth), at: now)
        case .admitted(let remote, let stripe): peer?.handle(.admitted(remote, stripe: stripe), at: now)
        case .childReleased(let remote, let stripe): peer?.handle(.childReleased(remote, stripe: stripe), at: now)
        case .standby(let remote): peer?.handle(.standby(remote), at: now)
        case .wardAdmitted(let remote): peer?.handle(.wardAdmitted(remote), at: now)
        case .wardReleased(let remote): peer?.handle(.wardReleased(remote), at: now)
        case .linkOpened(let link, let remote, let role, let mode):
            outputs.append(.setLowThreshold(link, queues.open(link, isNative: mode == .native)))
            peer?.handle(.linkOpened(link, remote, role, mode), at: now)
        case .linkRelayed(let link, let isRelayed): peer?.handle(.relayed(link, isRelayed), at: now)
        case .linkClosed(let link):
            queues.close(link)
            peer?.handle(.linkClosed(link), at: now)
        case .connectFailed(let remote, let reason): peer?.handle(.connectFailed(remote, reason), at: now)
        case .serverClock(let unixMicroseconds): peer?.handle(.serverClock(unixMicroseconds), at: now)
        case .treeEnded: peer?.handle(.treeEnded, at: now)
        case .handOver: peer?.handle(.leave, at: now)
        case .treeLost: ended(.sourceLost)
        case .discover(let request): discover(request)
        case .statusDue: report()
        case .pulseWanted:
            if let frame = peer?.newestPulse { outputs.append(.emit(.pulse(Text(hexadecimal: frame)))) }
        case .closeChannel(let link):
            queues.close(link)
            outputs.append(.closeChannel(link))
        default: if let own = ClientOutput<Buffer>(output) { outputs.append(own) }
        }
    }

    private mutating func begin(_ isSource: Bool, stripes: UInt8, parity: UInt8) {
        var limits = configuration.peer
        limits.stripes = stripes
        limits.parity = parity
        reception = Reception(at: now)
        let isSigned = membership.sourceKey != nil
        let number = membership.makeNumber()
        guard isSource else {
            peer = .viewer(limits, streamID: number, isSigned: isSigned)
            return
        }
        // Blocks and sealed messages have the same id of the stream.
        let streamID = SignedStreamID(high: number, low: membership.makeNumber())
        peer = isSigned ? .source(limits, signing: streamID) : .source(limits, streamID: number)
        if configuration.membership.isEncrypted { sealing = Sealing(streamID: streamID) }
    }

    /// A server that was started again learns where this peer is.
    private mutating func discover(_ request: DiscoverRequest) {
        var request = request
        if request.resumeToken != nil {
            request.place = (peer?.places ?? []).map {
                DiscoverRequest.NamedPlace(
                    role: $0.role,
                    id: membership.name(of: $0.remote),
                    session: membership.sessionName(of: $0.link),
                    stripe: $0.stripe,
                    epoch: $0.epoch
                )
            }
        }
        if let statement = creation.statement(for: request) {
            return outputs.append(.sign(.creation, statement: statement))
        }
        outputs.append(.emit(.discover(request)))
    }

    private mutating func report() {
        guard let peer else { return }
        let parent = peer.places.first { $0.role == .parent }
        let measured = peer.neighbours.first { $0.role == .parent && $0.remote == parent?.remote }?.roundTripTime
        let report = StatusReport(
            rate: reception.rate(peer.counters.bytesReceived, at: now),
            children: UInt32(clamping: peer.childCount),
            lag: reception.lag.map { $0 / 100 },
            roundTrip: (measured ?? reception.roundTrip).map { $0.nanoseconds / 100_000 },
            depth: membership.depth ?? 0
        )
        outputs.append(.emit(.status(report)))
        outputs.append(.status(report))
        if measured == nil, let parent { outputs.append(.askRoundTrip(parent.link)) }
    }

    // MARK: What the peer wants

    private mutating func translate(_ output: PeerOutput<Buffer>) -> ClientOutput<Buffer>? {
        switch output {
        case .send(let link, let frame):
            queues.sent(frame.count, on: link)
            return .send(link, frame)
        case .sendMessage(let link, let message):
            queues.sent(message.count, on: link)
            return .sendMessage(link, message)
        case .sendLimit(let link, let limit): return queues.bound(link, limit).map { .setLowThreshold(link, $0) }
        case .deliver(let message): deliver(message)
        case .gap(let gap): tell(.gap(gap))
        case .writable: return .writable
        case .sign(let thing, let statement): return .sign(thing, statement: statement)
        case .verify(let ticket, let statement, let signature):
            return .verify(ticket: ticket, statement: statement, signature: signature)
        case .subtreeComplete: return .subtreeComplete
        case .ended(let how): ended(how)
        case .resumed: end = nil
        case .upstream(let remote): linked(.upstream(membership.name(of: remote)))
        case .downstream(let remote, _): linked(.downstream(membership.name(of: remote)))
        case .neighbourGone(let remote, let role): return .neighbourGone(membership.name(of: remote), role)
        case .connect(let remote): membership.handle(.connect(remote), at: now)
        case .cancelConnect(let remote): membership.handle(.cancelConnect(remote), at: now)
        case .close(let link): membership.handle(.close(link), at: now)
        case .attached(let stripe, let epoch): membership.handle(.attached(stripe: stripe, epoch: epoch), at: now)
        case .orphaned(let stripe, let epoch, let reason):
            membership.handle(.orphaned(stripe: stripe, epoch: epoch, reason), at: now)
        case .promoted(let stripe, let epoch, let reason, let remote):
            membership.handle(.promoted(stripe: stripe, epoch: epoch, reason, standby: remote), at: now)
        case .childLost(let remote, let reason): membership.handle(.childLost(remote, reason), at: now)
        case .left: membership.handle(.left, at: now)
        }
        return nil
    }

    private mutating func deliver(_ message: Message<Buffer>) {
        reception.delivered(timestamp: message.timestamp, unixMicroseconds: clock.reading(at: now))
        if configuration.deliversMessages { return tell(.deliver(message)) }
        peer?.handle(.consumed(through: message.lastSequence), at: now)
    }

    private mutating func linked(_ output: ClientOutput<Buffer>) {
        outputs.append(output)
        guard !hasConnected else { return }
        hasConnected = true
        outputs.append(.connected)
    }

    private mutating func ended(_ how: StreamEnd) {
        guard end == nil else { return }
        end = how
        tell(.ended(how))
    }

    /// How far the newest message was behind the source's clock when it came, in milliseconds; nil before the first.
    public var lagMilliseconds: Double? {
        reception.lag.map { Double($0) / 1_000 }
    }
}

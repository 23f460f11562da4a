public import NIOCore

/// One SCTP association (RFC 9260) as a state machine: packets, calls and the time go in, packets and events come out. It
/// owns no socket, clock, thread or lock.
///
/// Its methods are of four kinds:
/// - **Input.** `connect`, `handle(packet:at:)`, `handleTimeout(at:)`.
/// - **Wishes of the owner.** `send`, `reset`, `setWeight`, `shutDown`, `abort`. They only note what is wanted.
/// - **Output.** `nextPacket(into:at:)`, `nextEvent()` and `nextTransmission()`, each until it returns nil: after any of the
///   above.
///   Packets first, as a rule; events may be left where they are while the owner has no use for more, and the other side's
///   window closes. `hasUrgentOutput` asks for the packets between two inputs.
/// - **Observation.** `deadline`, when to call `handleTimeout(at:)`; `state`, `statistics`, and so on.
///
/// Both sides may call `connect` at once, as WebRTC does; one that does not, answers.
///
/// Not thread-safe: it belongs to whoever runs it.
public final class Association {
    /// Where the association stands (RFC 9260 section 4).
    public enum State: Equatable, Sendable {
        case closed
        case cookieWait
        case cookieEchoed
        case established
        case shutdownPending
        case shutdownSent
        case shutdownReceived
        case shutdownAckSent
        /// Over for good.
        case ended
    }

    /// Where it stands.
    public internal(set) var state = State.closed
    let configuration: AssociationConfiguration
    var random: any RandomNumberGenerator
    /// What this side says of itself, and the other.
    var local: PeerProfile
    var remote: PeerProfile?
    var handshake: Handshake
    var sender: DataSender?
    var receiver: DataReceiver?
    var reconfiguration: StreamReconfiguration?
    var teardown = Teardown()
    var heartbeat = Heartbeat()
    /// Packets that are ready as they are.
    var replies = CircularBuffer<[UInt8]>(initialCapacity: 1)
    var notices = CircularBuffer<Notice>(initialCapacity: 4)
    /// Messages that were sent before there was a connection.
    var early: [OutgoingMessage] = []
    var now = NIODeadline.uptimeNanoseconds(0)

    /// An event, and how many messages come before it.
    struct Notice {
        var event: AssociationEvent
        var messagesBefore: Int
    }

    static let maximumReplies = 8

    /// An association that answers.
    ///
    /// - Parameters:
    ///   - configuration: how it behaves.
    ///   - random: where tags and sequence numbers come from. In production the system's generator.
    public init(_ configuration: AssociationConfiguration, random: any RandomNumberGenerator) {
        self.configuration = configuration
        self.random = random
        self.local = PeerProfile(
            tag: 0,
            initialTSN: 0,
            receiveWindow: UInt32(clamping: configuration.receiveWindow),
            outgoingStreams: max(1, configuration.streams),
            incomingStreams: max(1, configuration.streams)
        )
        self.handshake = Handshake(configuration)
        self.local = self.freshProfile()
    }

    deinit {
        self.receiver?.window.close()
    }

    // MARK: - Wishes

    /// Queues a message. Before the association is up it waits for that, and on a stream that is being reset for the end of
    /// the reset: it is the first of what the stream is then.
    public func send(_ message: OutgoingMessage) throws(SendError) {
        switch self.state {
        case .closed, .cookieWait, .cookieEchoed, .established: break
        default: throw .closed
        }
        guard message.payload.readableBytes > 0 else { throw .emptyMessage }
        guard Int(message.stream) < self.outgoingStreams else {
            throw .invalidStream(message.stream, limit: self.outgoingStreams)
        }
        guard self.sender != nil else { return self.early.append(message) }
        self.sender?.enqueue(message)
    }

    /// Sets a stream's share: of two streams that have something to send, the one of twice the weight sends twice as much.
    /// Default 256, as RFC 8831 section 6.4 calls normal.
    public func setWeight(_ weight: UInt16, of stream: UInt16) {
        guard let index = self.sender?.streams.index(of: stream) else { return }
        self.sender?.streams[index].weight = max(1, Int(weight))
    }

    /// Resets this side of streams once all that waits on them has been sent (RFC 6525 section 5.1.2). `outgoingReset` or
    /// `resetFailed` follows. What is not known is left out.
    public func reset(_ streams: [UInt16]) {
        let known = streams.filter { Int($0) < self.outgoingStreams }
        guard self.state == .established, self.sender != nil, !known.isEmpty else { return }
        guard self.remote?.capabilities.contains(.streamReset) == true else { return self.notify(.resetFailed(known)) }
        for stream in known {
            guard let index = self.sender?.streams.index(of: stream) else { continue }
            if self.sender?.streams.beginReset(index) == true { self.reconfiguration?.want([stream]) }
        }
    }

    /// Drops what waits on a stream. A message of which a part has been sent is given up where the other side knows how
    /// (RFC 3758), else it is sent.
    public func dropQueue(of stream: UInt16, at now: NIODeadline) {
        self.now = now
        self.early.removeAll { $0.stream == stream }
        self.sender?.dropQueue(of: stream, at: now)
    }

    // MARK: - Observation

    /// Streams of this side.
    public var outgoingStreams: Int {
        Int(min(self.local.outgoingStreams, self.remote?.incomingStreams ?? .max))
    }

    /// Bytes of a stream that have not been sent for the first time.
    public func bufferedBytes(of stream: UInt16) -> Int {
        guard let sender = self.sender else {
            return self.early.reduce(0) { $0 + ($1.stream == stream ? $1.payload.readableBytes : 0) }
        }
        return sender.streams.existing(stream).map { sender.streams[$0].buffered } ?? 0
    }

    /// Bytes of all streams that have not been sent for the first time.
    public var bufferedBytes: Int {
        self.sender?.streams.buffered ?? self.early.reduce(0) { $0 + $1.payload.readableBytes }
    }

    /// The shortest round trip of the path as a layer below has measured it. Packets are spread over it, or over the shortest
    /// that was measured here lately, whichever is shorter, where that is above 2 ms: what is measured here contains the other
    /// side's patience and this side's queue, what is measured below how busy both were then. Default nil: not known.
    public var pathRoundTrip: TimeAmount? {
        get { self.sender?.pathRoundTrip }
        set { self.sender?.pathRoundTrip = newValue }
    }

    /// How fast the other side acknowledges payload, in bytes a second, while the path is what limits. Measured once a round
    /// trip and smoothed; nil as long as there never was more to send than the path took.
    public var deliveryRate: Int? { self.sender?.deliveryRate.bytesPerSecond }

    /// What is held of the other side's messages, in bytes, with what each costs beyond its payload.
    package var heldBytes: Int { self.receiver?.held ?? 0 }

    /// Whether anything that was handed over has not been acknowledged.
    public var hasUnacknowledgedData: Bool { !(self.sender?.isDone ?? self.early.isEmpty) }

    /// Whether packets should be fetched before the next one is handed in: a stack of another kind is acknowledged every
    /// second packet.
    public var hasUrgentOutput: Bool { self.receiver?.acknowledgements.isUrgent == true }

    /// When to call `handleTimeout(at:)`; nil while nothing is under way.
    public var deadline: NIODeadline? {
        var least = self.handshake.deadline
        func consider(_ deadline: NIODeadline?) {
            guard let deadline else { return }
            least = min(least ?? deadline, deadline)
        }
        consider(self.sender?.deadline)
        consider(self.receiver?.acknowledgements.deadline)
        consider(self.reconfiguration?.deadline)
        consider(self.teardown.deadline)
        consider(self.heartbeat.deadline)
        return least
    }

    /// The next thing that happened, or nil.
    public func nextEvent() -> AssociationEvent? {
        if let notice = self.notices.first, notice.messagesBefore <= self.receiver?.ready.taken ?? 0 {
            self.notices.removeFirst()
            return notice.event
        }
        if let message = self.receiver?.nextMessage(roundTrip: self.sender?.estimator.smoothed, at: self.now) {
            return .message(
                stream: message.stream,
                protocolIdentifier: message.protocolIdentifier,
                payload: message.payload
            )
        }
        return nil
    }

    /// A stream of which bytes have been sent for the first time, or dropped, since this was last asked; nil when there is
    /// none.
    public func nextTransmission() -> (stream: UInt16, bytes: Int)? { self.sender?.streams.nextReport() }

    /// Tells the owner, after all messages that are ready by now.
    func notify(_ event: AssociationEvent) {
        self.notices.append(Notice(event: event, messagesBefore: self.receiver?.ready.readied ?? 0))
    }

    /// What it has done so far.
    public var statistics: AssociationStatistics? {
        guard let sender = self.sender else { return nil }
        return AssociationStatistics(
            smoothedRoundTrip: sender.estimator.smoothed,
            retransmissionTimeout: sender.estimator.timeout,
            congestionWindow: sender.congestion.window,
            peerWindow: sender.peer.window,
            receiveWindow: self.receiver?.window.size ?? 0,
            packetSize: self.configuration.maximumPacketSize,
            bytesInFlight: sender.chunks.inFlight,
            outstandingChunks: sender.chunks.count,
            heldMessages: sender.messages.count,
            waitingMessages: sender.streams.waiting,
            retransmittedChunks: sender.counters.retransmittedChunks,
            retransmittedPackets: sender.counters.retransmittedPackets,
            retransmittedBytes: sender.counters.retransmittedBytes,
            spuriousRetransmissions: sender.counters.spuriousRetransmissions,
            abandonedMessages: sender.counters.abandonedMessages,
            isInterleaving: sender.streams.isInterleaving
        )
    }
}

/// Figures of an association.
public struct AssociationStatistics: Hashable, Sendable {
    /// nil before one has been measured.
    public var smoothedRoundTrip: TimeAmount?
    /// RTO.
    public var retransmissionTimeout: TimeAmount
    /// Bytes of payload that may be in flight.
    public var congestionWindow: Int
    /// What the other side last said it has room for, in bytes.
    public var peerWindow: Int
    /// What this side has room for, in bytes.
    public var receiveWindow: Int
    /// The largest packet, common header included, in bytes.
    public var packetSize: Int
    /// Bytes of payload in flight.
    public var bytesInFlight: Int
    /// Chunks that have not been acknowledged cumulatively.
    public var outstandingChunks: Int
    /// Messages that are queued or not acknowledged.
    public var heldMessages: Int
    /// Messages of which something has not been sent for the first time.
    public var waitingMessages: Int
    /// DATA chunks sent again.
    public var retransmittedChunks: UInt64
    /// Packets with any of them.
    public var retransmittedPackets: UInt64
    /// Their payload in bytes.
    public var retransmittedBytes: UInt64
    /// Of them, those that turned out to have arrived before.
    public var spuriousRetransmissions: UInt64
    /// Messages given up.
    public var abandonedMessages: UInt64
    /// Whether fragments of messages are interleaved (RFC 8260).
    public var isInterleaving: Bool
}

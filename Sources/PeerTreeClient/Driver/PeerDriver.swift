import Logging
import NIOConcurrencyHelpers
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

/// Drives a ``Peer`` over a Socket.IO client and a WebRTC transport: carries out its outputs, feeds it what happens.
///
/// An actor on the transport's event loop, where data channels live: from a datagram to the datagrams that relay it
/// nothing changes threads.
actor PeerDriver {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    let socket: SocketIOClient
    let transport: WebRTCTransport
    let configuration: PeerTreeClientConfiguration
    let logger: Logger
    nonisolated let queue: MessageQueue
    nonisolated let events: EventBroadcaster

    var peer: Peer<ByteBuffer>?
    var treeID: String?
    var ownID: String?
    var isSource = false
    /// Whether the server speaks our extensions; an original one does not.
    var isNativeServer = false
    var resumeToken: String?
    /// Whether the server is away. What would be said to it then is told all at once when it is back.
    var isServerAway = false
    var remotes = RemoteTable()
    var sessions: [String: Session] = [:]
    var sessionOfLink: [LinkID: Session] = [:]
    var nextLink: UInt32 = 1
    /// Sessions whose links are closed and whose connections are not.
    var closing: [Session] = []
    var discovery: CheckedContinuation<SignallingEvent.Discovery, any Error>?
    var discoveryTimer: Scheduled<Void>?
    var requestedTree: String?
    var hasAnnouncedConnect = false
    var isClosed = false
    var isLeaving = false
    var timer: (at: PeerTreeCore.Instant, task: Scheduled<Void>)?
    var statusTask: RepeatedTask?
    /// What the server told; nil while it has told nothing.
    var iceServers: [ICEServer]?
    var iceServersTask: Scheduled<Void>?
    var iceRestarts = 0
    /// Ends the watch for changes of this host's addresses.
    var stopObservingNetwork: (() -> Void)?
    var leavers: [CheckedContinuation<Void, Never>] = []
    /// By number, so that one that is cancelled can be found.
    var writers: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    var completionWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter: UInt64 = 0
    var isComplete = false
    var end: StreamEnd?
    var summary: TreeSummary?
    var lagMilliseconds: Double?
    var lastStatus: (bytes: UInt64, at: NIODeadline) = (0, .now())
    /// Sessions whose send queues must be looked at before the peer can judge them.
    var written: [Session] = []
    private var isDraining = false

    init(
        socket: SocketIOClient,
        transport: WebRTCTransport,
        configuration: PeerTreeClientConfiguration,
        events: EventBroadcaster,
        logger: Logger
    ) {
        self.socket = socket
        self.transport = transport
        self.configuration = configuration
        self.events = events
        self.logger = logger
        eventLoop = transport.eventLoop
        let relay = ConsumptionRelay()
        queue = MessageQueue { relay.taken($0) }
        relay.driver = self
    }

    static var now: PeerTreeCore.Instant {
        Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
    }

    // MARK: The state machine

    /// Gives the peer an input and carries out what follows.
    func feed(_ input: PeerInput<ByteBuffer>) {
        peer?.handle(input, at: Self.now)
        drain()
    }

    /// Carries out the peer's outputs, then tells it how full the send queues have become, until nothing moves.
    func drain() {
        guard !isDraining else { return }
        isDraining = true
        defer { isDraining = false }
        while true {
            while let output = peer?.nextOutput() { perform(output) }
            guard !written.isEmpty else { break }
            let batch = written
            written.removeAll(keepingCapacity: true)
            for session in batch { reportBuffered(session) }
        }
        schedule()
    }

    /// What the channel's queue holds decides how much more the peer hands out.
    private func reportBuffered(_ session: Session) {
        session.unreportedBytes = 0
        guard let link = session.link, let channel = session.channel else { return }
        let buffered = channel.bufferedAmount
        setLowThreshold(session, channel)
        guard buffered <= lowWater else { return }
        peer?.handle(.drained(link, buffered: buffered), at: Self.now)
    }

    var lowWater: Int { configuration.peer.highWater / 2 }

    /// When the channel says next how full its queue is. A plain child never says what it has received, so the peer
    /// must also learn that the queue has run dry: by nothing else can it tell that the child was sent everything.
    func setLowThreshold(_ session: Session, _ channel: DataChannel) {
        let isLow = channel.bufferedAmount <= lowWater
        channel.bufferedAmountLowThreshold = isLow && !session.isNative ? 0 : lowWater
    }

    /// Wakes up when the peer wants to be.
    private func schedule() {
        guard let deadline = peer?.deadline, deadline != .distantFuture, !isClosed else {
            timer?.task.cancel()
            timer = nil
            return
        }
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let task = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) {
            self.assumeIsolated { $0.tick() }
        }
        timer = (deadline, task)
    }

    private func tick() {
        timer = nil
        guard !isClosed else { return }
        feed(.tick)
    }

    func consumed(_ sequence: UInt64) {
        feed(.consumed(through: sequence))
    }
}

/// Lets the message queue tell the driver, which does not exist yet when the queue is made, what was read. However fast
/// the reader is, at most one call waits on the event loop.
private final class ConsumptionRelay: @unchecked Sendable {
    // `driver` is set once in the driver's initializer, before anybody else has the queue, and only read afterwards.
    weak var driver: PeerDriver?
    /// The newest number taken that the driver has yet to hear of.
    private let untold = NIOLockedValueBox<UInt64?>(nil)

    func taken(_ sequence: UInt64) {
        guard let driver else { return }
        let isWaiting = untold.withLockedValue { untold in
            defer { untold = max(untold ?? 0, sequence) }
            return untold != nil
        }
        if isWaiting { return }
        driver.eventLoop.execute {
            let newest = self.untold.withLockedValue { untold in
                defer { untold = nil }
                return untold
            }
            if let newest { driver.assumeIsolated { $0.consumed(newest) } }
        }
    }
}

import Logging
import NIOConcurrencyHelpers
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

/// Hosts a ``Client`` on a Socket.IO client and a WebRTC transport: carries out its outputs, tells it what happens, and
/// decides nothing.
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

    var client: Client<ByteBuffer, SystemRandomNumberGenerator>
    var links: [LinkID: Connection] = [:]
    /// Who waits for something to happen.
    var waiters = Waiters()
    var requestedTree: String?
    var isComplete = false
    /// Of a source that encrypts.
    var sealer: MessageSealer?
    var opener: MessageOpener
    var checker = ProofChecker()
    /// What the application was told already.
    var unreadable: Set<UnreadableReason> = []
    var summary: TreeSummary?
    private var isDraining = false
    private var timer: (at: PeerTreeCore.Instant, task: Scheduled<Void>)?
    /// Ends the watch for changes of this host's addresses.
    private var stopObservingNetwork: (() -> Void)?

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
        sealer = configuration.secret.map { MessageSealer($0) }
        opener = MessageOpener(configuration.secret)
        client = Client(
            ClientConfiguration(configuration),
            random: SystemRandomNumberGenerator(),
            unixMicroseconds: WallClock.microseconds,
            at: Self.now
        )
        let relay = ConsumptionRelay()
        queue = MessageQueue { relay.taken($0) }
        relay.driver = self
    }

    static var now: PeerTreeCore.Instant {
        Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
    }

    // MARK: The state machine

    /// Gives the client an input and carries out what follows.
    func feed(_ input: ClientInput<ByteBuffer>) {
        client.handle(input, at: Self.now)
        guard !isDraining else { return }
        isDraining = true
        defer { isDraining = false }
        while let output = client.nextOutput() { perform(output) }
        schedule()
    }

    /// Wakes up when the client wants to be.
    private func schedule() {
        let deadline = client.deadline
        guard deadline != .distantFuture else {
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
        feed(.tick(unixMicroseconds: WallClock.microseconds))
    }

    // MARK: What the host knows by itself

    /// Watches this host's addresses from the first tree on.
    func observeNetwork() {
        guard stopObservingNetwork == nil else { return }
        stopObservingNetwork = transport.observeNetworkChanges { [weak self] change in
            self?.assumeIsolated { $0.feed(.networkChanged(isLost: !change.removed.isEmpty)) }
        }
    }

    /// Lets go of everything.
    func shutDown() {
        feed(.stop)
        timer?.task.cancel()
        stopObservingNetwork?()
        stopObservingNetwork = nil
        queue.finish(.failure(.closed))
        waiters.failAll()
    }
}

extension ClientConfiguration {
    fileprivate init(_ configuration: PeerTreeClientConfiguration) {
        self.init()
        peer = configuration.peer
        waitsForReader = configuration.deliversMessages
        membership.agent = Text("peer-tree/\(PackageVersion.current)")
        membership.isEncrypted = configuration.secret != nil
        membership.identity = configuration.identity?.publicKey
        membership.capacity = configuration.capacity.map { UInt16(clamping: $0) }
        membership.discoverTimeout = TimeSpan(configuration.discoverTimeout)
        membership.unreachablePatience = TimeSpan(configuration.unreachablePatience)
        membership.statusInterval = configuration.statusInterval.map { TimeSpan($0) }
        membership.maximumSessions = configuration.maximumSessions
    }
}

extension TimeSpan {
    init(_ amount: TimeAmount) {
        self.init(nanoseconds: UInt64(max(0, amount.nanoseconds)))
    }
}

/// Lets the message queue tell the driver, which does not exist yet when the queue is made, what was read. However fast
/// the reader is, at most one call waits on the event loop.
///
/// Unchecked, and safe: `driver` is set once in the driver's initializer, before anybody else has the queue, and only read
/// afterwards, which the runtime makes atomic for a weak reference; all else that changes is behind the lock of `untold`.
private final class ConsumptionRelay: @unchecked Sendable {
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
            if let newest { driver.assumeIsolated { $0.feed(.consumed(through: newest)) } }
        }
    }
}

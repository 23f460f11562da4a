import Logging
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
    nonisolated let queue = MessageQueue()
    nonisolated let events: EventBroadcaster

    var client: Client<ByteBuffer, SystemRandomNumberGenerator>
    /// The connection to each neighbour and its one data channel.
    var links: [LinkID: (connection: PeerConnection, channel: DataChannel?)] = [:]
    /// Who waits for something to happen.
    var waiters = Waiters()
    var requestedTree: String?
    var isComplete = false
    var cipher: MessageCipher?
    var checker = ProofChecker()
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
        cipher = configuration.secret.map { MessageCipher($0) }
        client = Client(
            ClientConfiguration(configuration),
            random: SystemRandomNumberGenerator(),
            unixMicroseconds: WallClock.microseconds,
            at: .now
        )
        queue.onTaken { [weak self] in self?.onLoop { $0.taken() } }
    }

    /// Does something on the event loop, after what began there.
    nonisolated func onLoop(_ action: @escaping @Sendable (isolated PeerDriver) -> Void) {
        eventLoop.execute { self.assumeIsolated { action($0) } }
    }

    // MARK: The state machine

    /// Gives the client an input and carries out what follows.
    func feed(_ input: ClientInput<ByteBuffer>) {
        client.handle(input, at: .now)
        guard !isDraining else { return }
        isDraining = true
        defer { isDraining = false }
        while let output = client.nextOutput() { perform(output) }
        schedule()
    }

    /// Wakes up when the client wants to be.
    private func schedule() {
        let deadline = client.deadline
        if let timer, timer.at <= deadline, deadline != .distantFuture { return }
        timer?.task.cancel()
        timer = nil
        guard deadline != .distantFuture else { return }
        let task = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) {
            self.assumeIsolated { $0.tick() }
        }
        timer = (deadline, task)
    }

    private func tick() {
        timer = nil
        feed(.tick(unixMicroseconds: WallClock.microseconds))
    }

    private func taken() {
        if let sequence = queue.takeTaken() { feed(.consumed(through: sequence)) }
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

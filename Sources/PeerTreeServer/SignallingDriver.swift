import JSON
import Logging
import Metrics
import NIOCore
import NIOPosix
import PeerTreeCore
import PeerTreeSignalling
import SocketIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Drives a `SignallingService` over a Socket.IO server: an actor on one event loop, to which the sockets' events
/// come in order.
actor SignallingDriver {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    private nonisolated let io: SocketIOServer
    private let logger: Logger
    private var service: SignallingService
    private var timer: (at: Instant, task: Scheduled<Void>)?
    private var figures = ServerMetrics()
    /// Those who have asked something and wait for the answer, by the number they were given.
    private var waiting: [Int: CheckedContinuation<DashboardAnswer, Never>] = [:]
    private var lastWatcher = 0

    init(io: SocketIOServer, options: SignallingOptions, security: SignallingSecurity, logger: Logger) {
        self.io = io
        self.logger = logger
        var options = options
        options.unixTimeAtZero = Self.unixTimeAtZero
        let startedAt = Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
        let term = Self.unixNanoseconds
        service = SignallingService(options: options, security: security, term: term, startedAt: startedAt)
        eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    }

    /// The Unix time, in seconds, at which the monotonic clock stood at zero.
    private static var unixTimeAtZero: UInt64 {
        let (now, uptime) = (unixNanoseconds / 1_000_000_000, NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
        return now - min(uptime, now)
    }

    private static var unixNanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }

    nonisolated func start() {
        io.onConnection { [weak self] socket in
            let token = socket.handshake.auth["token"]?.stringValue
            let address = AddressKey(socket.handshake.remoteAddress)?.number
            self?.receive(.connected(id: socket.id, address: address, token: token))
        }
        io.onEvent { [weak self] socket, event in
            self?.receive(.event(id: socket.id, name: event.name, arguments: event.arguments))
        }
        io.onDisconnect { [weak self] socket, _ in self?.receive(.disconnected(id: socket.id)) }
    }

    private nonisolated func receive(_ input: SignallingService.Input) {
        let receivedAt = NIODeadline.now()
        eventLoop.execute {
            self.assumeIsolated { driver in
                driver.feed(input)
                if case .event(_, SignallingName.discover.string, _) = input {
                    driver.figures.discovered(in: .now() - receivedAt)
                }
            }
        }
    }

    private func feed(_ input: SignallingService.Input) {
        service.handle(input, at: Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds))
        while let output = service.nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                io.socket(id)?.emit(event, payload)
            case .probe(let id):
                io.socket(id)?.probe(within: .seconds(1))
            case .disconnect(let id):
                io.socket(id)?.disconnect(close: true)
            case .answer(let watcher, let answer):
                waiting.removeValue(forKey: watcher)?.resume(returning: answer)
            }
        }
        schedule()
    }

    private func schedule() {
        guard let deadline = service.deadline else {
            timer?.task.cancel()
            timer = nil
            return
        }
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let task = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(deadline.nanoseconds)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.reachedDeadline() }
        }
        timer = (deadline, task)
    }

    private func reachedDeadline() {
        timer = nil
        feed(.deadlineReached)
    }

    /// Clients can come from now on.
    func canBeReached() {
        feed(.reachable)
    }

    /// Tells every peer that the server is about to stop.
    func sayGoodbye() {
        feed(.goingAway)
    }

    /// Brings what the metrics system knows up to date.
    func recordMetrics() {
        figures.record(service)
        figures.record(io.refusals)
    }

    func largestTrees(_ limit: Int) -> [DashboardTree] {
        service.tree.largestTrees(limit)
    }

    /// A number for a dashboard, or for one question.
    func newWatcher() -> Int {
        lastWatcher += 1
        return lastWatcher
    }

    /// Asks a question and waits for the answer. Who asks waits for it before it asks again.
    func ask(_ question: DashboardQuestion, as watcher: Int) async -> DashboardAnswer {
        await withCheckedContinuation { continuation in
            waiting[watcher] = continuation
            feed(.asked(watcher: watcher, question))
        }
    }

    func unwatch(_ watcher: Int) {
        feed(.asked(watcher: watcher, .unwatch))
    }

    var readiness: SignallingService.Readiness {
        service.readiness(at: Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds))
    }

    var status: PeerTreeServerStatus {
        PeerTreeServerStatus(
            clients: service.gateway.clientCount,
            trees: service.tree.treeCount,
            peers: service.tree.peerCount,
            tracker: service.tree.trackerStatistics
        )
    }
}

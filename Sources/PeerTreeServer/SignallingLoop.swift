import JSON
import NIOCore
import NIOPosix
import PeerTreeCore
import PeerTreeSignalling
import SocketIO

/// Drives one `SignallingService` of a server: an actor on one event loop, to which the events of its sockets, and what the
/// server's other loops say, come in order.
actor SignallingLoop {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    private nonisolated let io: SocketIOServer
    private var service: SignallingService
    private var timer: (at: Instant, task: Scheduled<Void>)?
    private let discovery: DiscoveryTimer
    /// When those asked for a place who were not answered yet.
    private var discovering: [String: NIODeadline] = [:]
    /// Those who have asked something and wait for the answer, by the number they were given.
    private var waiting: [Int: CheckedContinuation<DashboardAnswer, Never>] = [:]
    private var lastWatcher = 0
    /// All loops of the server, by the numbers of their parts.
    private var loops: [SignallingLoop] = []
    /// What is to be said to each of them.
    private var letters: [[PartMessage]] = []
    /// What is to be said to other nodes, in its order.
    private var mail: [(NodeMessage, NodeSession)] = []
    private var isMailDue = false
    /// Where that goes; nil if there are none.
    private nonisolated let port: NodePort?

    init(
        io: SocketIOServer,
        service: SignallingService,
        on eventLoop: any EventLoop,
        discovery: DiscoveryTimer,
        port: NodePort?
    ) {
        self.io = io
        self.port = port
        self.service = service
        self.eventLoop = eventLoop
        self.discovery = discovery
    }

    /// Says which loops there are, this one among them; none when the server is no more.
    nonisolated func meet(_ loops: [SignallingLoop]) {
        eventLoop.execute {
            self.assumeIsolated {
                $0.loops = loops
                $0.letters = loops.map { _ in [] }
            }
        }
    }

    // MARK: Inputs

    nonisolated func receive(_ input: SignallingService.Input) {
        let receivedAt = NIODeadline.now()
        eventLoop.execute {
            self.assumeIsolated { $0.take(input, receivedAt) }
        }
    }

    private func take(_ input: SignallingService.Input, _ receivedAt: NIODeadline) {
        switch input {
        case .event(let id, SignallingName.discover.string, _): discovering[id] = receivedAt
        case .disconnected(let id): discovering[id] = nil
        default: break
        }
        feed(input)
    }

    /// Takes what another loop has said, in its order.
    private nonisolated func take(_ letters: [PartMessage]) { take { letters } }

    /// Takes what others have said, in its order.
    ///
    /// - Parameter read: Is called on the loop's thread.
    nonisolated func take(_ read: @escaping @Sendable () -> [PartMessage]) {
        eventLoop.execute {
            self.assumeIsolated { loop in
                for letter in read() { loop.run(.told(letter)) }
                loop.finish()
            }
        }
    }

    private func feed(_ input: SignallingService.Input) {
        run(input)
        finish()
    }

    private func run(_ input: SignallingService.Input) {
        service.handle(input, at: Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds))
        while let output = service.nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                io.socket(id)?.emit(event, payload)
                if event == SignallingName.discover.string { answered(id) }
            case .probe(let id):
                io.socket(id)?.probe(within: .seconds(1))
            case .disconnect(let id):
                io.socket(id)?.disconnect(close: true)
            case .answer(let watcher, let answer):
                waiting.removeValue(forKey: watcher)?.resume(returning: answer)
            case .tell(let message, let part):
                if letters.indices.contains(part) { letters[part].append(message) }
            case .send(let message, let node): mail.append((message, node))
            case .snapshot(let slot, let term, let snapshot): port?.handOver(slot, term, snapshot)
            }
        }
    }

    private func answered(_ id: String) {
        guard let askedAt = discovering.removeValue(forKey: id) else { return }
        discovery.record(.now() - askedAt)
    }

    /// Sends what is to be said to the other loops, all of it at once, and sets the timer.
    private func finish() {
        for part in letters.indices where !letters[part].isEmpty {
            loops[part].take(letters[part])
            letters[part] = []
        }
        if !mail.isEmpty { sendMailSoon() }
        schedule()
    }

    /// Other nodes hear in one frame what comes of all that has happened by now: a frame costs more than what is in it.
    private func sendMailSoon() {
        guard !isMailDue else { return }
        isMailDue = true
        eventLoop.execute { self.assumeIsolated { $0.sendMail() } }
    }

    private func sendMail() {
        isMailDue = false
        var byNode: [NodeSession: [NodeMessage]] = [:]
        for (message, node) in mail { byNode[node, default: []].append(message) }
        mail.removeAll(keepingCapacity: true)
        for (node, messages) in byNode { port?.send(messages, node) }
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

    // MARK: Questions

    var list: TreeList { service.list }

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

    var figures: SignallingFigures {
        SignallingFigures(service)
    }
}

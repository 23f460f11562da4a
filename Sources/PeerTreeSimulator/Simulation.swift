package import PeerTreeCore
package import TestSupport

/// A whole broadcast in one process and in virtual time: the real tracker and the real clients, over a network that is
/// as bad as its ``NetworkConditions`` say. Everything follows from the seed.
///
/// Build a scenario with the methods of `Simulation+Scenario.swift`, let time pass with ``run(for:)``, and ask for
/// ``requireWhole(within:)`` at the end. Safety is checked at every step: ``run(for:)`` throws the first violation.
package final class Simulation {
    package let seed: UInt64
    package let options: SimulationOptions
    package internal(set) var now = Instant(nanoseconds: 1_000_000_000)
    package internal(set) var clients: [SimulatedClient] = []
    /// How the network behaves from now on.
    package var conditions = NetworkConditions()
    package var random: SeededGenerator
    /// Events carried out so far.
    package internal(set) var steps = 0

    var server: SimulatedServer
    var isServerUp = true
    /// The sockets the server knows, by client.
    var serverSockets: [UInt32] = []
    var links: [SimulatedLink] = []
    var log = SourceLog()
    var rhythm: PublishingRhythm?
    /// What is wrong, found first.
    var violation: String?
    /// Whether deliveries must be right: not while an adversary may forge them.
    var isStrict = true
    var actions: [(Simulation) throws -> Void] = []
    var events = EventQueue<Event>()
    /// How often clients were called because their deadlines had come.
    package private(set) var wakeUps = 0
    /// Looks at a client after each of its steps; what is wrong, or nil.
    package var inspect: ((SimulatedClient, Instant) -> String?)?
    private var trackerWakeUp: Instant?

    enum Event {
        case tick(client: Int)
        case input(Int, ClientInput<SimulatedBuffer>)
        case described(LinkEnd)
        case channel(link: Int)
        case channelOpened(LinkEnd)
        case channelClosed(LinkEnd)
        case frame(LinkEnd, SimulatedBuffer, isText: Bool)
        case left(LinkEnd)
        case toServer(client: Int, socket: UInt32, ClientEvent)
        case toClient(Int, socket: UInt32, ServerEvent)
        case socketOpened(client: Int)
        case socketClosed(client: Int, socket: UInt32)
        case tracker
        case serverUp
        case publish
        case action(Int)
    }

    /// Begins a broadcast; client 0 is its source.
    package init(seed: UInt64, _ options: SimulationOptions = SimulationOptions()) {
        self.seed = seed
        self.options = options
        random = SeededGenerator(seed: seed)
        server = SimulatedServer(options: options.tracker, key: options.key)
        log.rowWidth = options.hasParity ? options.stripes : 0
        log.maximumPayload = options.isSigned ? SignedChunk.maximumPayload : ChunkHeader.maximumPayload
        add(isSource: true, capacity: options.tracker.childrenOfSource)
    }

    @discardableResult
    func add(isSource: Bool, capacity: Int?, isOriginal: Bool = false) -> Int {
        let delay = TimeSpan.random(in: conditions.delay, using: &random)
        let random = SeededGenerator(seed: self.random.next())
        let client = Client<SimulatedBuffer, SeededGenerator>(
            configuration(capacity),
            random: random,
            unixMicroseconds: unixMicroseconds,
            at: now
        )
        clients.append(SimulatedClient(client, isSource: isSource, delay: delay))
        if isOriginal { clients[clients.count - 1].original = OriginalViewer() }
        server.addClient()
        serverSockets.append(0)
        input(.enter(isSource ? nil : server.treeID), to: clients.count - 1)
        schedule(.socketOpened(client: clients.count - 1), after: delay)
        return clients.count - 1
    }

    private func configuration(_ capacity: Int?) -> ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.peer = options.peer
        configuration.peer.stripes = UInt8(options.stripes)
        configuration.peer.parity = options.parity ? 1 : 0
        configuration.peer.policy = options.policy
        configuration.membership.capacity = capacity.map { UInt16(clamping: $0) }
        configuration.membership.identity = options.key
        return configuration
    }

    /// The time of day, by every clock.
    package var unixMicroseconds: UInt64 { 1_700_000_000_000_000 + now.nanoseconds / 1_000 }

    // MARK: Time

    func schedule(_ event: Event, after span: TimeSpan) {
        events.schedule(event, at: now + span)
    }

    /// Lets `span` of virtual time pass.
    ///
    /// - Throws: ``SimulationFailure`` at the first thing that is wrong.
    package func run(for span: TimeSpan) throws {
        try run(until: now + span)
    }

    private func run(until end: Instant) throws {
        while let due = events.next, due <= end, let (at, event) = events.pop() {
            now = max(now, at)
            steps += 1
            try perform(event)
            if let violation { throw failure(violation) }
        }
        now = end
    }

    /// Lets time pass until `condition` holds.
    ///
    /// - Returns: whether it came to hold within `limit`.
    package func run(within limit: TimeSpan, until condition: (Simulation) -> Bool) throws -> Bool {
        let end = now + limit
        while now < end {
            if condition(self) { return true }
            try run(until: min(end, now + .milliseconds(20)))
        }
        return condition(self)
    }

    func failure(_ what: String) -> SimulationFailure {
        SimulationFailure(seed: seed, at: now, steps: steps, what: what, command: options.command)
    }

    func fail(_ what: String) {
        if violation == nil { violation = what }
    }

    private func perform(_ event: Event) throws {
        switch event {
        case .tick(let client): tick(client)
        case .input(let client, let input): self.input(input, to: client)
        case .described(let end): described(end)
        case .channel(let link): openChannel(link)
        case .channelOpened(let end): channelOpened(end)
        case .channelClosed(let end): channelClosed(end)
        case .frame(let end, let frame, let isText): deliver(frame, isText: isText, to: end)
        case .left(let end): left(end)
        case .toServer(let client, let socket, let event): serverReceives(event, from: client, on: socket)
        case .toClient(let client, let socket, let event): clientReceives(event, client, on: socket)
        case .socketOpened(let client): connectSocket(client)
        case .socketClosed(let client, let socket): serverLoses(client, on: socket)
        case .tracker:
            trackerWakeUp = nil
            if isServerUp { server.advance(to: now) }
            drainServer()
        case .serverUp: isServerUp = true
        case .publish: publishInRhythm()
        case .action(let index): try actions[index](self)
        }
    }

    // MARK: Machines

    /// Gives an input to a client and carries out what it wants.
    package func input(_ input: ClientInput<SimulatedBuffer>, to client: Int) {
        guard clients[client].isAlive else { return }
        guard clients[client].original == nil else { return inputToOriginal(input, client) }
        clients[client].client.handle(input, at: now)
        drain(client)
    }

    private func drain(_ client: Int) {
        while let output = clients[client].client.nextOutput() { perform(output, of: client) }
        checkSafety(of: client)
        if let fault = inspect?(clients[client], now) { fail("client \(client): \(fault)") }
        wake(client, at: clients[client].client.deadline)
    }

    private func wake(_ client: Int, at deadline: Instant) {
        guard deadline != .distantFuture, clients[client].wakeUp.map({ deadline < $0 }) ?? true else { return }
        clients[client].wakeUp = deadline
        events.schedule(.tick(client: client), at: max(deadline, now))
    }

    private func tick(_ client: Int) {
        guard let wakeUp = clients[client].wakeUp, wakeUp <= now else { return }
        clients[client].wakeUp = nil
        let deadline = clients[client].client.deadline
        guard deadline <= now else { return wake(client, at: deadline) }
        wakeUps += 1
        input(.tick(unixMicroseconds: unixMicroseconds), to: client)
        // What is done at a deadline may be due again at once a few times, but not over and over.
        let isDueAgain = clients[client].client.deadline <= now
        clients[client].repeatedWakeUps = isDueAgain ? clients[client].repeatedWakeUps + 1 : 0
        if clients[client].repeatedWakeUps > 8 { fail("client \(client) wants to be called over and over") }
    }

    /// Sends what the server has to say, and sets its timer.
    func drainServer() {
        while let (client, event) = server.nextEvent() {
            schedule(
                .toClient(client, socket: serverSockets[client], event),
                after: clients[client].delay
            )
        }
        for client in server.takeProbed() { probe(client) }
        checkPlacement()
        guard let deadline = server.tracker.deadline, trackerWakeUp.map({ deadline < $0 }) ?? true else { return }
        trackerWakeUp = deadline
        events.schedule(.tracker, at: max(deadline, now))
    }
}

/// What a simulation is made of.
package struct SimulationOptions: Sendable {
    /// Limits of every peer.
    package var peer = PeerConfiguration()
    /// Limits of the tracker.
    package var tracker = TrackerOptions()
    package var policy = StreamPolicy.lossless
    package var stripes = 1
    /// Whether one of them is parity.
    package var parity = false
    /// Whether the source signs what it writes.
    package var isSigned = false
    /// What repeats the run; printed when it fails.
    package var command = ""

    package init() {}

    var hasParity: Bool { parity && policy != .lossless && stripes > 1 }

    var key: SourceKey? { isSigned ? SimulatedKey.key : nil }

    /// Makes options with `k` children a peer and `k1` children of the source.
    package init(k: Int, k1: Int, policy: StreamPolicy = .lossless, stripes: Int = 1) {
        tracker.childrenPerPeer = k
        tracker.childrenOfSource = k1
        self.policy = policy
        self.stripes = stripes
    }
}

/// A promise that a run broke.
package struct SimulationFailure: Error, CustomStringConvertible, Sendable {
    package let seed: UInt64
    package let at: Instant
    package let steps: Int
    package let what: String
    package let command: String

    package var description: String {
        let milliseconds = at.nanoseconds / 1_000_000
        let again = command.isEmpty ? "" : "; again: \(command)"
        return "seed \(seed), at \(milliseconds) ms, step \(steps): \(what)\(again)"
    }
}

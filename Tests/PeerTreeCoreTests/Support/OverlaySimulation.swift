import TestSupport

@testable import PeerTreeCore

/// A source and viewers over a simulated network: links have latency and bandwidth and keep their order, peers can be
/// killed, and a simple tracker gives orphans the shallowest free slot.
final class OverlaySimulation {
    struct Node {
        var peer: Peer<TestBuffer>
        var isAlive = true
        var isPlain = false
        var children: Int
        var messages: [Message<TestBuffer>] = []
        var gaps: [Gap] = []
        var end: StreamEnd?
        var hasLeft = false
        var writableCount = 0
        var completeCount = 0
        var orphanedReasons: [LossReason] = []
        var lostChildren: [LossReason] = []
        var wakeUp: Instant?

        var received: [UInt8] { messages.flatMap { $0.parts.flatMap { $0.bytes } } }
    }

    struct End {
        var link: LinkID
        var node: Int
    }

    struct Wire {
        var ends: [End]
        var mode: LinkMode
        var isOpen = true
        var busyUntil: [Instant]
    }

    private struct Event {
        var at: Instant
        var order: Int
        var run: (OverlaySimulation) -> Void
    }

    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var nodes: [Node] = []
    /// parent of node, stripe by stripe.
    private(set) var parents: [[Int?]] = []
    private var epochs: [[UInt32]] = []
    private(set) var wires: [Wire] = []
    private var wireOfLink: [LinkID: Int] = [:]
    private var events: [Event] = []
    private var nextOrder = 0
    private var nextLink: UInt32 = 1
    var random: SeededGenerator
    let capacity: Int
    let stripes: Int
    /// One-way delay.
    var latency: TimeSpan = .milliseconds(5)
    /// Bytes a second into a node; nil is unlimited.
    var downlink: [Int: Double] = [:]
    /// Nodes that read nothing: their links' queues never drain.
    var stuck: Set<Int> = []

    init(seed: UInt64, capacity: Int = 2, configuration: PeerConfiguration = PeerConfiguration()) {
        random = SeededGenerator(seed: seed)
        self.capacity = capacity
        stripes = Int(configuration.stripes)
        let source = Peer<TestBuffer>.source(configuration, streamID: random.next())
        add(Node(peer: source, children: capacity))
    }

    private func add(_ node: Node) {
        nodes.append(node)
        parents.append(Array(repeating: nil, count: stripes))
        epochs.append(Array(repeating: 0, count: stripes))
    }

    /// Adds a viewer and lets it join; returns its number.
    @discardableResult
    func join(_ configuration: PeerConfiguration = PeerConfiguration(), under parent: Int? = nil) -> Int {
        var configuration = configuration
        configuration.stripes = UInt8(stripes)
        let peer = Peer<TestBuffer>.viewer(configuration, streamID: random.next())
        add(Node(peer: peer, children: capacity))
        let node = nodes.count - 1
        for stripe in 0..<stripes {
            assign(node, stripe, to: parent ?? place(node, stripe))
        }
        return node
    }

    /// Adds an original client: it forwards nothing and only collects what comes.
    func joinPlain(under parent: Int) -> Int {
        let node = join(under: parent)
        nodes[node].isPlain = true
        return node
    }

    // MARK: The tracker

    private func place(_ node: Int, _ stripe: Int) -> Int {
        var queue = [0]
        var index = 0
        while index < queue.count {
            let candidate = queue[index]
            let children = nodes.indices.filter { parents[$0][stripe] == candidate && nodes[$0].isAlive }
            let isUsable = nodes[candidate].isAlive && candidate != node && !nodes[candidate].isPlain
            if isUsable, children.count < nodes[candidate].children { return candidate }
            queue.append(contentsOf: children.filter { $0 != node })
            index += 1
        }
        return 0
    }

    func assign(_ node: Int, _ stripe: Int, to parent: Int) {
        parents[node][stripe] = parent
        epochs[node][stripe] += 1
        let epoch = epochs[node][stripe]
        after(latency) { simulation in
            guard simulation.epochs[node][stripe] == epoch else { return }
            let remote = RemoteID(UInt32(parent))
            simulation.input(.assigned(remote, stripe: UInt8(stripe), epoch: epoch), to: node)
        }
    }

    // MARK: What happens to nodes

    func kill(_ node: Int) {
        nodes[node].isAlive = false
    }

    /// Lets a viewer leave in order: the tracker no longer places anyone under it.
    func leave(_ node: Int) {
        nodes[node].children = 0
        input(.leave, to: node)
    }

    func publish(_ bytes: [UInt8], _ options: MessageOptions = MessageOptions()) {
        let timestamp = now.nanoseconds / 1000
        _ = try? nodes[0].peer.publish(TestBuffer(bytes: bytes), options, timestamp: timestamp, at: now)
        drain(0)
    }

    func finish() {
        nodes[0].peer.finish(timestamp: now.nanoseconds / 1000, at: now)
        drain(0)
    }

    func input(_ input: PeerInput<TestBuffer>, to node: Int) {
        guard nodes[node].isAlive else { return }
        nodes[node].peer.handle(input, at: now)
        drain(node)
    }

    private func drain(_ node: Int) {
        while let output = nodes[node].peer.nextOutput() { perform(output, of: node) }
        let deadline = nodes[node].peer.deadline
        guard deadline != .distantFuture, nodes[node].wakeUp.map({ deadline < $0 }) ?? true else { return }
        nodes[node].wakeUp = deadline
        schedule(at: max(deadline, now)) { simulation in
            guard simulation.nodes[node].wakeUp == deadline else { return }
            simulation.nodes[node].wakeUp = nil
            simulation.input(.tick, to: node)
        }
    }

    private func perform(_ output: PeerOutput<TestBuffer>, of node: Int) {
        switch output {
        case .connect(let remote): connect(node, to: Int(remote.rawValue))
        case .cancelConnect: break
        case .close(let link): close(link, by: node)
        case .send(let link, let frame): transmit(frame, isText: false, on: link, from: node)
        case .sendMessage(let link, let message):
            let bytes = TestBuffer(bytes: message.parts.flatMap { $0.bytes })
            transmit(bytes, isText: message.isText, on: link, from: node)
        case .deliver(let message):
            nodes[node].messages.append(message)
            nodes[node].peer.handle(.consumed(through: message.lastSequence), at: now)
        case .gap(let gap): nodes[node].gaps.append(gap)
        // Nobody has a standby here.
        case .attached, .promoted: break
        case .orphaned(let stripe, let epoch, let reason):
            nodes[node].orphanedReasons.append(reason)
            guard epoch == epochs[node][Int(stripe)] else { return }
            assign(node, Int(stripe), to: place(node, Int(stripe)))
        case .childLost(_, let reason): nodes[node].lostChildren.append(reason)
        case .writable: nodes[node].writableCount += 1
        case .ended(let end): nodes[node].end = end
        case .resumed: nodes[node].end = nil
        case .subtreeComplete: nodes[node].completeCount += 1
        case .left: nodes[node].hasLeft = true
        case .upstream, .downstream, .neighbourGone, .sendLimit: break
        }
    }

    // MARK: The network

    private func connect(_ node: Int, to other: Int) {
        after(TimeSpan(nanoseconds: latency.nanoseconds * 3)) { simulation in
            guard simulation.nodes[other].isAlive else {
                simulation.input(.connectFailed(RemoteID(UInt32(other)), .unreachable), to: node)
                return
            }
            let own = LinkID(simulation.nextLink)
            let theirs = LinkID(simulation.nextLink + 1)
            simulation.nextLink += 2
            let isPlain = simulation.nodes[node].isPlain || simulation.nodes[other].isPlain
            let wire = Wire(
                ends: [End(link: own, node: node), End(link: theirs, node: other)],
                mode: isPlain ? .plain : .native,
                busyUntil: [simulation.now, simulation.now]
            )
            simulation.wires.append(wire)
            simulation.wireOfLink[own] = simulation.wires.count - 1
            simulation.wireOfLink[theirs] = simulation.wires.count - 1
            let child = PeerInput<TestBuffer>.linkOpened(theirs, RemoteID(UInt32(node)), .child, wire.mode)
            simulation.input(child, to: other)
            simulation.input(.linkOpened(own, RemoteID(UInt32(other)), .parent, wire.mode), to: node)
        }
    }

    private func transmit(_ frame: TestBuffer, isText: Bool, on link: LinkID, from node: Int) {
        guard let index = wireOfLink[link], wires[index].isOpen else { return }
        let side = wires[index].ends[0].link == link ? 0 : 1
        let target = wires[index].ends[1 - side]
        if stuck.contains(target.node) { return }
        let rate = downlink[target.node]
        let duration = rate.map { TimeSpan(nanoseconds: UInt64(Double(frame.count) / $0 * 1e9)) } ?? .zero
        let sent = max(now, wires[index].busyUntil[side]) + duration
        wires[index].busyUntil[side] = sent
        schedule(at: sent) { simulation in
            simulation.reportDrained(link, node, by: frame.count)
        }
        schedule(at: sent + latency) { simulation in
            guard simulation.wires[index].isOpen else { return }
            simulation.input(.received(target.link, frame, isText: isText), to: target.node)
        }
    }

    private func reportDrained(_ link: LinkID, _ node: Int, by count: Int) {
        guard let buffered = nodes[node].peer.links[link]?.queue.buffered, buffered > 0 else { return }
        input(.drained(link, buffered: max(0, buffered - count)), to: node)
    }

    private func close(_ link: LinkID, by node: Int) {
        guard let index = wireOfLink[link], wires[index].isOpen else { return }
        let side = wires[index].ends[0].link == link ? 0 : 1
        let target = wires[index].ends[1 - side]
        schedule(at: max(now, wires[index].busyUntil[side]) + latency) { simulation in
            simulation.wires[index].isOpen = false
            simulation.input(.linkClosed(target.link), to: target.node)
        }
    }

    // MARK: Time

    func after(_ span: TimeSpan, _ run: @escaping (OverlaySimulation) -> Void) {
        schedule(at: now + span, run)
    }

    private func schedule(at instant: Instant, _ run: @escaping (OverlaySimulation) -> Void) {
        nextOrder += 1
        let event = Event(at: instant, order: nextOrder, run: run)
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if (events[middle].at, events[middle].order) > (event.at, event.order) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        events.insert(event, at: low)
    }

    /// Runs for `span` of simulated time.
    func run(for span: TimeSpan) {
        let end = now + span
        while let event = events.last, event.at <= end {
            events.removeLast()
            now = max(now, event.at)
            event.run(self)
        }
        now = end
    }

    /// Runs until `condition` holds; false if it does not within `limit`.
    func run(until condition: (OverlaySimulation) -> Bool, limit: TimeSpan = .seconds(60)) -> Bool {
        let end = now + limit
        while now < end {
            if condition(self) { return true }
            run(for: .milliseconds(10))
        }
        return condition(self)
    }
}

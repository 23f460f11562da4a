import HeapModule
import NIOCore
import NodeLinks
import TestSupport

/// Nodes over a model of TCP, in virtual time: connections that take their time, end after any byte, fall silent for one
/// end or both, and processes that are started again. All of it follows from the seed.
struct ModelCluster {
    struct Faults {
        /// One connection in so many ends by itself; 0: none.
        var cutOneIn: UInt64 = 2
        /// Bytes after which it does.
        var cutWithin: UInt64 = 3_000
        /// Of those that end, one in so many tells only one end of it, or none.
        var silentOneIn: UInt64 = 3
    }

    enum Event {
        case deliver(Int, to: Int, ByteBuffer)
        case closed(Int, at: Int)
        case secure(Int, at: Int)
        case writable(Int, at: Int)
        case connect(from: Int, run: LinkID, to: NodeName)
        case wake(Int)
        case act(Int)
    }

    /// In the order of time; what is at one time, in that of its making.
    struct Scheduled: Comparable {
        let at: NIODeadline
        let order: Int
        let event: Event

        static func == (left: Self, right: Self) -> Bool { left.order == right.order }

        static func < (left: Self, right: Self) -> Bool {
            left.at == right.at ? left.order < right.order : left.at < right.at
        }
    }

    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var random: SeededGenerator
    var faults = Faults()
    let options: LinkOptions
    var nodes: [ModelNode] = []
    private(set) var connections: [ModelConnection] = []
    private var events = Heap<Scheduled>()
    private var lastOrder = 0

    init(_ names: [String], seed: UInt64, options: LinkOptions) {
        random = SeededGenerator(seed: seed)
        self.options = options
        for name in names.compactMap(NodeName.init) {
            nodes.append(ModelNode(name, options, at: now, using: &random))
        }
        for number in nodes.indices { linkAll(number) }
    }

    // MARK: Time

    mutating func schedule(_ event: Event, after delay: TimeAmount) { schedule(event, at: now + delay) }

    mutating func schedule(_ event: Event, at time: NIODeadline) {
        lastOrder += 1
        events.insert(Scheduled(at: max(time, now), order: lastOrder, event: event))
    }

    /// Lets time pass, and has `act` called for every `.act`.
    mutating func run(until end: NIODeadline, act: (inout ModelCluster, Int) -> Void = { _, _ in }) {
        while let next = events.min, next.at <= end {
            events.removeMin()
            now = max(now, next.at)
            if case .act(let number) = next.event { act(&self, number) } else { handle(next.event) }
        }
        now = end
    }

    mutating func delay() -> TimeAmount { .microseconds(Int64(random.next(upperBound: 5_000 as UInt64))) }

    // MARK: Processes

    /// The process ends without a word, and a new one begins. Its sockets are closed by the system, or not even that.
    mutating func restart(_ number: Int) {
        let vanishes = random.next(upperBound: 2 as UInt64) == 0
        for index in connections.indices {
            guard let end = connections[index].end(of: number) else { continue }
            connections[index].isOpen[end] = false
            if !vanishes { tellClosed(index, 1 - end) } else { connections[index].isSilent = true }
        }
        nodes[number].restart(options, at: now, using: &random)
        linkAll(number)
    }

    private mutating func linkAll(_ number: Int) {
        for other in nodes.indices where other != number {
            nodes[number].machine.handle(.add(nodes[other].name), at: now)
        }
        drain(number)
    }

    mutating func send(from number: Int, to name: NodeName, bytes: Int) {
        nodes[number].send(to: name, bytes: bytes, at: now)
        drain(number)
    }

    /// Whether the user takes what comes.
    mutating func take(_ takes: Bool, at number: Int, from name: NodeName) {
        feed(number, .readsFrames(name, takes))
    }

    mutating func feed(_ number: Int, _ input: LinkNode.Input) {
        nodes[number].machine.handle(input, at: now)
        drain(number)
    }

    // MARK: Connections

    private mutating func handle(_ event: Event) {
        switch event {
        case .deliver(let index, let end, _) where connections[index].isPaused[end],
            .closed(let index, let end) where connections[index].isPaused[end]:
            // Neither bytes nor the end of them are seen by whoever does not read.
            connections[index].held[end].append(event)
        case .deliver(let index, let end, let bytes):
            connections[index].inFlight[end] -= bytes.readableBytes
            if connections[index].isOpen[end] { feed(index, end) { .bytes($0, bytes) } }
        case .closed(let index, let end):
            guard connections[index].isOpen[end] else { return }
            connections[index].isOpen[end] = false
            feed(index, end) { .closed($0) }
        case .secure(let index, let end):
            guard connections[index].isOpen[end] else { return }
            let certificates = LinkCertificates(
                own: connections[index].certificates[end],
                other: connections[index].certificates[1 - end]
            )
            feed(index, end) { .secured($0, certificates) }
        case .writable(let index, let end):
            connections[index].isAskingForMore[end] = false
            guard connections[index].isOpen[end] else { return }
            guard connections[index].inFlight[1 - end] < 65_536 else { return askForMore(index, end) }
            feed(index, end) { .writable($0) }
        case .connect(let number, let run, let name): connect(number, run, name)
        case .wake(let number):
            guard nodes[number].wakeAt == now else { return }
            nodes[number].wakeAt = nil
            feed(number, .deadlineReached)
        case .act: break
        }
    }

    private mutating func feed(_ index: Int, _ end: Int, _ input: (ConnectionID) -> LinkNode.Input) {
        feed(connections[index].nodes[end], input(connections[index].id(end)))
    }

    private mutating func connect(_ number: Int, _ run: LinkID, _ name: NodeName) {
        // Another process has not asked for it.
        guard nodes[number].run == run, let other = nodes.firstIndex(where: { $0.name == name }) else { return }
        guard random.next(upperBound: 10 as UInt64) > 0 || faults.cutOneIn == 0 else {
            return feed(number, .dialFailed(name, "refused"))
        }
        let index = connections.count
        let connection = ModelConnection(index, number, other, [nodes[number].certificate, nodes[other].certificate])
        if faults.cutOneIn > 0, random.next(upperBound: faults.cutOneIn) == 0 {
            connection.cut = (Int(random.next(upperBound: 2 as UInt64)), Int(random.next(upperBound: faults.cutWithin)))
        }
        connections.append(connection)
        feed(number, .dialed(connection.id(0), name))
        feed(other, .accepted(connection.id(1)))
        for end in 0...1 { schedule(.secure(index, at: end), after: delay()) }
    }

    mutating func write(_ bytes: ByteBuffer, on index: Int, from end: Int) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            let length = 1 + Int(random.next(upperBound: UInt64(min(bytes.readableBytes, 4_096))))
            guard let part = bytes.readSlice(length: length) else { return }
            writePart(part, on: index, from: end)
        }
    }

    private mutating func writePart(_ part: ByteBuffer, on index: Int, from end: Int) {
        guard !connections[index].isSilent, !connections[index].isEnded[end] else { return }
        var part = part
        if let cut = connections[index].cut, cut.from == end {
            let whole = part.readableBytes
            part = part.getSlice(at: part.readerIndex, length: min(whole, cut.left)) ?? part
            connections[index].cut = (end, cut.left - part.readableBytes)
            if part.readableBytes < whole { cutNow(index) }
        }
        guard part.readableBytes > 0 else { return }
        connections[index].inFlight[1 - end] += part.readableBytes
        let time = max(connections[index].lastDelivery[1 - end], now + delay())
        connections[index].lastDelivery[1 - end] = time
        schedule(.deliver(index, to: 1 - end, part), at: time)
    }

    /// The connection breaks, and its ends hear of that or do not.
    private mutating func cutNow(_ index: Int) {
        connections[index].isSilent = true
        connections[index].cut = nil
        guard random.next(upperBound: faults.silentOneIn) == 0 else {
            for end in 0...1 { tellClosed(index, end) }
            return
        }
        if random.next(upperBound: 2 as UInt64) == 0 { tellClosed(index, Int(random.next(upperBound: 2 as UInt64))) }
    }

    private mutating func tellClosed(_ index: Int, _ end: Int) {
        schedule(.closed(index, at: end), at: max(connections[index].lastDelivery[end], now + delay()))
    }

    private mutating func release(_ index: Int, _ end: Int) {
        let held = connections[index].held[end]
        connections[index].held[end] = []
        for event in held { handle(event) }
    }

    private mutating func askForMore(_ index: Int, _ end: Int) {
        guard !connections[index].isAskingForMore[end] else { return }
        connections[index].isAskingForMore[end] = true
        schedule(.writable(index, at: end), after: delay())
    }

    // MARK: Outputs

    private mutating func drain(_ number: Int) {
        while let output = nodes[number].machine.nextOutput() {
            switch output {
            case .dial(let name): schedule(.connect(from: number, run: nodes[number].run, to: name), after: delay())
            case .write(let id, let frame):
                let (index, end) = ModelConnection.find(id)
                var bytes = ByteBuffer()
                frame.write(to: &bytes)
                write(bytes, on: index, from: end)
                askForMore(index, end)
            case .close(let id):
                let (index, end) = ModelConnection.find(id)
                connections[index].isOpen[end] = false
                connections[index].isEnded[end] = true
                if !connections[index].isSilent { tellClosed(index, 1 - end) }
            case .read(let id, let reads):
                let (index, end) = ModelConnection.find(id)
                connections[index].isPaused[end] = !reads
                if reads { release(index, end) }
            case .event(let name, let event): nodes[number].hear(event, of: name)
            case .refusedStranger(let refusal, _): nodes[number].refusals.append(refusal)
            }
        }
        guard let deadline = nodes[number].machine.deadline else { return }
        if let wakeAt = nodes[number].wakeAt, wakeAt <= deadline { return }
        nodes[number].wakeAt = max(deadline, now)
        schedule(.wake(number), at: deadline)
    }
}

/// One connection between two ends, the first of which has dialed.
final class ModelConnection {
    let number: Int
    let nodes: [Int]
    /// At the time of connecting: another process has another one.
    let certificates: [[UInt8]]
    var isOpen = [true, true]
    /// An end that has closed writes no more.
    var isEnded = [false, false]
    /// No byte gets through any more.
    var isSilent = false
    /// Which end's bytes end it, and how many are left.
    var cut: (from: Int, left: Int)?
    var inFlight = [0, 0]
    var lastDelivery = [NIODeadline.uptimeNanoseconds(0), .uptimeNanoseconds(0)]
    var isAskingForMore = [false, false]
    /// An end that does not read, and what it would have read.
    var isPaused = [false, false]
    var held: [[ModelCluster.Event]] = [[], []]

    init(_ number: Int, _ dialer: Int, _ acceptor: Int, _ certificates: [[UInt8]]) {
        self.number = number
        nodes = [dialer, acceptor]
        self.certificates = certificates
    }

    func id(_ end: Int) -> ConnectionID { ConnectionID(UInt64(2 * number + end)) }

    func end(of node: Int) -> Int? { nodes.firstIndex(of: node) }

    static func find(_ id: ConnectionID) -> (Int, Int) { (Int(id.number / 2), Int(id.number % 2)) }
}

extension SeededGenerator {
    mutating func next(upperBound: UInt64) -> UInt64 { next() % max(1, upperBound) }
}

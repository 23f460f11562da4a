import NIOCore
import TestSupport

@testable import SCTP

/// What a path does to packets in one direction.
struct PathConditions {
    var delay = TimeAmount.milliseconds(10)
    /// A packet takes up to so much longer, and may be overtaken.
    var jitter = TimeAmount.zero
    var loss = 0.0
    var duplication = 0.0
    /// Bytes a second, and how long the queue before that bottleneck may be; nil for no bottleneck.
    var bottleneck: (rate: Double, queue: Int)?
}

/// One direction of a path, in virtual time; its accidents follow from the seed.
struct Path {
    var conditions: PathConditions
    /// Decides on single packets, before chance does: false drops one.
    var filter: (([UInt8]) -> Bool)?
    private var random: SeededGenerator
    private var underway: [(due: NIODeadline, number: Int, packet: [UInt8])] = []
    private var sent = 0
    private var freeAt = NIODeadline.uptimeNanoseconds(0)
    private(set) var dropped = 0

    init(_ conditions: PathConditions, seed: UInt64) {
        self.conditions = conditions
        self.random = SeededGenerator(seed: seed)
    }

    var deadline: NIODeadline? { self.underway.first?.due }

    mutating func send(_ packet: [UInt8], at now: NIODeadline) {
        if let filter, !filter(packet) { return }
        let (isLost, isDoubled) = (self.happens(self.conditions.loss), self.happens(self.conditions.duplication))
        var leaves = now
        if let (rate, queue) = self.conditions.bottleneck {
            let backlog = Double(max(0, (self.freeAt - now).nanoseconds)) / 1e9 * rate
            guard backlog + Double(packet.count) <= Double(queue) else {
                self.dropped += 1
                return
            }
            leaves = max(now, self.freeAt) + .nanoseconds(Int64(Double(packet.count) / rate * 1e9))
            self.freeAt = leaves
        }
        guard !isLost else {
            self.dropped += 1
            return
        }
        for _ in 0..<(isDoubled ? 2 : 1) {
            let jitter = self.conditions.jitter.nanoseconds
            let extra = jitter > 0 ? Int64.random(in: 0...jitter, using: &self.random) : 0
            self.insert(packet, due: leaves + self.conditions.delay + .nanoseconds(extra))
        }
    }

    /// The next packet that has arrived by now.
    mutating func receive(at now: NIODeadline) -> [UInt8]? {
        guard let first = self.underway.first, first.due <= now else { return nil }
        return self.underway.removeFirst().packet
    }

    private mutating func insert(_ packet: [UInt8], due: NIODeadline) {
        self.sent += 1
        var index = self.underway.count
        while index > 0, self.underway[index - 1].due > due { index -= 1 }
        self.underway.insert((due, self.sent, packet), at: index)
    }

    private mutating func happens(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self.random) < probability
    }
}

/// One end of a pair, and what happened there.
final class End {
    let association: Association
    var path: Path
    var events: [AssociationEvent] = []
    /// While true the owner takes no events.
    var isPaused = false
    /// Sees every packet that leaves.
    var tap: (([UInt8]) -> Void)?
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)

    init(_ configuration: AssociationConfiguration, _ conditions: PathConditions, seed: UInt64) {
        self.association = Association(configuration, random: SeededGenerator(seed: seed))
        self.path = Path(conditions, seed: seed ^ 0xABCD)
    }

    deinit {
        self.memory.deallocate()
    }

    /// The next packet of the association's.
    func nextPacket(at now: NIODeadline) -> [UInt8]? {
        guard let count = self.association.nextPacket(into: self.memory, at: now) else { return nil }
        let packet = Array(self.memory[..<count])
        self.tap?(packet)
        return packet
    }

    func drain(at now: NIODeadline) {
        while !self.isPaused, let event = self.association.nextEvent() { self.events.append(event) }
        while let packet = self.nextPacket(at: now) { self.path.send(packet, at: now) }
        while !self.isPaused, let event = self.association.nextEvent() { self.events.append(event) }
    }

    func receive(_ packet: [UInt8], at now: NIODeadline) {
        packet.withUnsafeBytes { self.association.handle(packet: $0, at: now) }
        while self.association.hasUrgentOutput, let answer = self.nextPacket(at: now) {
            self.path.send(answer, at: now)
        }
    }

    var messages: [(stream: UInt16, payload: [UInt8])] {
        self.events.compactMap { event in
            guard case .message(let stream, _, let payload) = event else { return nil }
            return (stream, Array(payload.readableBytesView))
        }
    }

    var end: AssociationEnd? {
        for case .closed(let end) in self.events { return end }
        return nil
    }

    var isConnected: Bool {
        self.events.contains { event in
            if case .connected = event { true } else { false }
        }
    }
}

/// Two associations and the path between them, in virtual time.
final class Pair {
    let a: End
    let b: End
    private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private(set) var steps = 0

    init(
        _ conditions: PathConditions = PathConditions(),
        seed: UInt64 = 1,
        a: AssociationConfiguration = Pair.configuration(),
        b: AssociationConfiguration = Pair.configuration()
    ) {
        self.a = End(a, conditions, seed: seed &* 2 &+ 1)
        self.b = End(b, conditions, seed: seed &* 2 &+ 2)
    }

    /// Keyed so that a cookie cannot be made without it; a real owner takes HMAC.
    static func configuration() -> AssociationConfiguration {
        AssociationConfiguration { bytes in
            var state: UInt64 = 0x5EED_C00C_1E00_0001
            for byte in bytes { state = (state ^ UInt64(byte)) &* 0x1000_0000_01B3 }
            return withUnsafeBytes(of: state.bigEndian, Array.init)
        }
    }

    /// A pair of which both sides have connected at once.
    static func connected(
        _ conditions: PathConditions = PathConditions(),
        seed: UInt64 = 1,
        a: AssociationConfiguration = Pair.configuration(),
        b: AssociationConfiguration = Pair.configuration()
    ) -> Pair {
        let pair = Pair(conditions, seed: seed, a: a, b: b)
        pair.connect()
        return pair
    }

    func connect() {
        self.a.association.connect(at: self.now)
        self.b.association.connect(at: self.now)
        self.run(for: .seconds(60)) { self.a.isConnected && self.b.isConnected }
    }

    /// Goes on until nothing is under way, `isDone`, or so much time has passed.
    func run(for duration: TimeAmount, until isDone: () -> Bool = { false }) {
        let end = self.now + duration
        while true {
            self.a.drain(at: self.now)
            self.b.drain(at: self.now)
            guard !isDone() else { return }
            let deadlines = [
                self.a.path.deadline, self.b.path.deadline, self.a.association.deadline, self.b.association.deadline,
            ].compactMap { $0 }
            guard let next = deadlines.min(), next <= end else {
                self.now = end
                return
            }
            self.now = max(self.now, next)
            self.steps += 1
            while let packet = self.a.path.receive(at: self.now) { self.b.receive(packet, at: self.now) }
            while let packet = self.b.path.receive(at: self.now) { self.a.receive(packet, at: self.now) }
            for end in [self.a, self.b] where end.association.deadline.map({ $0 <= self.now }) ?? false {
                end.association.handleTimeout(at: self.now)
            }
        }
    }
}

extension OutgoingMessage {
    init(_ stream: UInt16, _ payload: [UInt8], ordered: Bool = true, _ reliability: Reliability = .reliable) {
        self.init(stream: stream, protocolIdentifier: 53, payload: ByteBuffer(bytes: payload))
        self.isOrdered = ordered
        self.reliability = reliability
    }
}

import NIOCore
import NetworkEmulation
import SCTP
import TestSupport

/// Random messages both ways over a random path with every accident there is, and what has to be true in the end: every
/// reliable message has arrived once, in order and whole, and nothing is left of any other.
///
/// All of it follows from the seed.
public struct RandomTraffic {
    private let seed: UInt64
    private var random: SeededGenerator
    private var network: VirtualNetwork<AssociationNode>
    private var sent: [UInt32: Sent] = [:]
    private let arrivals = [Arrivals(), Arrivals()]

    private struct Sent {
        var sender: Int
        var stream: UInt16
        var isOrdered: Bool
        var isReliable: Bool
        var size: Int
    }

    /// What has come to one end.
    private final class Arrivals {
        var messages: [(stream: UInt16, payload: ByteBuffer)] = []
        var end: AssociationEnd?
    }

    /// The first two streams are reliable and the others not always, as data channels are one or the other.
    private static let streams: UInt16 = 4
    private static let firstUnreliable: UInt16 = 2
    /// So long that whatever still has to happen has happened.
    private static let patience = Duration.seconds(3_000)

    /// Traffic that follows from this seed.
    public init(seed: UInt64) {
        self.seed = seed
        var random = SeededGenerator(seed: seed &* 31 &+ 7)
        let conditions = Self.conditions(&random)
        let nodes = (0...1).map { number in
            AssociationNode(
                peer: 1 - number,
                .listen,
                Self.configuration(seed: seed, &random),
                random: SeededGenerator(seed: random.next())
            )
        }
        self.network = VirtualNetwork(nodes: nodes)
        for number in 0...1 {
            let path = self.network.add(NetworkPath(conditions, random: SeededGenerator(seed: random.next())))
            self.network.connect(number, to: 1 - number, by: path)
        }
        self.random = random
        for (node, arrivals) in zip(nodes, self.arrivals) {
            node.onEvent = { event in
                switch event {
                case .message(let stream, _, let payload): arrivals.messages.append((stream, payload))
                case .closed(let end): arrivals.end = end
                default: break
                }
            }
        }
    }

    /// Runs it. Returns what is wrong, or nil.
    public mutating func run() -> String? {
        self.network.run(until: Self.patience) { $0.nodes.allSatisfy { $0.association.state == .established } }
        for _ in 0..<Int.random(in: 1...6, using: &self.random) {
            for _ in 0..<Int.random(in: 1...30, using: &self.random) { self.send() }
            for node in self.network.nodes { self.disturb(node) }
            let pause = Duration.milliseconds(Int.random(in: 0...300, using: &self.random))
            self.network.run(until: self.network.now + pause)
        }
        for node in self.network.nodes { node.isReading = true }
        self.network.run(until: self.network.now + Self.patience)
        for (number, node) in self.network.nodes.enumerated() {
            if let flaw = self.arrivals[number].end?.description ?? Self.remains(of: node.association) { return flaw }
        }
        return self.flawOfMessages()
    }

    // MARK: - What happens

    private static func conditions(_ random: inout SeededGenerator) -> PathConditions {
        var conditions = PathConditions(delay: .milliseconds(Int.random(in: 0...80, using: &random)))
        if random.happens(0.6) { conditions.loss = [0.01, 0.05, 0.2].randomElement(using: &random) ?? 0 }
        if random.happens(0.2) { conditions.burstLoss = GilbertElliott(loss: 0.05, meanBurst: 4) }
        if random.happens(0.3) { conditions.jitter = .milliseconds(Int.random(in: 1...60, using: &random)) }
        if random.happens(0.4) { conditions.duplication = 0.1 }
        if random.happens(0.4) {
            conditions.reordering = Double.random(in: 0.01...0.5, using: &random)
            conditions.reorderingDelay = .milliseconds(Int.random(in: 1...60, using: &random))
        }
        if random.happens(0.3) {
            let rate = Int.random(in: 160_000...16_000_000, using: &random)
            conditions.bottleneck = Bottleneck.Conditions(rate: rate, queue: 60_000)
        }
        return conditions
    }

    private static func configuration(seed: UInt64, _ random: inout SeededGenerator) -> AssociationConfiguration {
        var configuration = AssociationConfiguration.virtual
        configuration.maximumTimeouts = nil
        configuration.usesInterleaving = random.happens(0.6)
        configuration.isIntegrityProtected = random.happens(0.5)
        configuration.maximumMessageSize = 65_536
        configuration.initialReceiveWindow = random.happens(0.5) ? 16_384 : 262_144
        // Just below the wrap-around of TSN, SSN and MID. Both sides have to agree on the last two.
        let transmission = UInt32.max - UInt32.random(in: 0...20, using: &random)
        configuration.firstNumbers = .init(
            transmission: random.happens(0.5) ? transmission : UInt32(truncatingIfNeeded: random.next()),
            message: seed % 2 == 0 ? .max - 2 : 0
        )
        return configuration
    }

    private mutating func send() {
        let sender = self.random.happens(0.6) ? 0 : 1
        let stream = UInt16.random(in: 0..<Self.streams, using: &self.random)
        let range = self.random.happens(0.2) ? 2_000...40_000 : 9...1_500
        let size = Int.random(in: range, using: &self.random)
        let number = UInt32(self.sent.count + 1)
        var message = OutgoingMessage(
            stream: stream,
            protocolIdentifier: 53,
            payload: Self.payload(number, size: size)
        )
        message.isOrdered = self.random.happens(0.7)
        if stream >= Self.firstUnreliable, self.random.happens(0.5) {
            let life = Duration.milliseconds(Int.random(in: 0...200, using: &self.random))
            let end = AssociationNode.time(self.network.now + life)
            let limit = UInt16.random(in: 0...2, using: &self.random)
            message.reliability = self.random.happens(0.6) ? .retransmissions(limit) : .until(end)
        }
        self.sent[number] = Sent(
            sender: sender,
            stream: stream,
            isOrdered: message.isOrdered,
            isReliable: message.reliability == .reliable,
            size: size
        )
        try? self.network.nodes[sender].association.send(message)
    }

    /// A reader stops or goes on; streams are reset amid their messages.
    private mutating func disturb(_ node: AssociationNode) {
        if self.random.happens(0.2) { node.isReading.toggle() }
        let stream = UInt16.random(in: 0..<Self.streams, using: &self.random)
        if self.random.happens(0.15) { node.association.reset([stream]) }
    }

    /// Bytes that follow from the number, so that a piece of another message would show.
    private static func payload(_ number: UInt32, size: Int) -> ByteBuffer {
        var payload = ByteBuffer(integer: number)
        payload.writeBytes((4..<size).lazy.map { UInt8(truncatingIfNeeded: Int(number) &* 131 &+ $0 &* 7) })
        return payload
    }

    // MARK: - What is looked at

    private static func remains(of association: Association) -> String? {
        guard let statistics = association.statistics else { return "it was never connected" }
        let (messages, chunks) = (statistics.heldMessages, statistics.outstandingChunks)
        guard messages == 0, chunks == 0, statistics.bytesInFlight == 0, !association.hasUnacknowledgedData else {
            return "\(messages) messages and \(chunks) chunks never left the window"
        }
        guard association.bufferedBytes == 0 else { return "\(association.bufferedBytes) bytes count as buffered" }
        guard association.heldBytes == 0 else { return "\(association.heldBytes) bytes are held" }
        return association.deadline == nil ? nil : "an idle association has a timer"
    }

    private func flawOfMessages() -> String? {
        var arrived: Set<UInt32> = []
        for (receiver, arrivals) in self.arrivals.enumerated() {
            var lastOrdered: [UInt16: UInt32] = [:]
            for (stream, payload) in arrivals.messages {
                guard let number = payload.getInteger(at: payload.readerIndex, as: UInt32.self),
                    let sent = self.sent[number], sent.sender != receiver, sent.stream == stream
                else { return "an alien message" }
                guard arrived.insert(number).inserted else { return "message \(number) came twice" }
                guard payload == Self.payload(number, size: sent.size) else { return "message \(number) is damaged" }
                guard sent.isOrdered else { continue }
                guard lastOrdered[stream] ?? 0 < number else { return "message \(number) is out of order" }
                lastOrdered[stream] = number
            }
        }
        for (number, sent) in self.sent.sorted(by: { $0.key < $1.key }) where sent.isReliable {
            if !arrived.contains(number) { return "message \(number) of \(sent.size) bytes never came" }
        }
        return nil
    }
}

extension SeededGenerator {
    fileprivate mutating func happens(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self) < probability
    }
}

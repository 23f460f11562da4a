import NIOCore
import TestSupport

@testable import SCTP

/// Random messages both ways over a random path, and what has to be true in the end.
struct Workload {
    let seed: UInt64
    private var random: SeededGenerator
    private var sent: [[UInt8]: Sent] = [:]
    private var number: UInt32 = 0

    private struct Sent {
        var fromA: Bool
        var stream: UInt16
        var isOrdered: Bool
        var isReliable: Bool
        var number: UInt32
        var size: Int
    }

    init(seed: UInt64) {
        self.seed = seed
        self.random = SeededGenerator(seed: seed &* 31 &+ 7)
    }

    /// Runs it. Returns what is wrong, or nil.
    mutating func run() -> String? {
        var conditions = PathConditions(delay: .milliseconds(Int64.random(in: 0...80, using: &self.random)))
        if self.chance(0.6) { conditions.loss = [0.01, 0.05, 0.2][Int.random(in: 0..<3, using: &self.random)] }
        if self.chance(0.4) { conditions.jitter = .milliseconds(Int64.random(in: 1...60, using: &self.random)) }
        if self.chance(0.4) { conditions.duplication = 0.1 }
        if self.chance(0.3) { conditions.bottleneck = (Double.random(in: 2e4...2e6, using: &self.random), 60_000) }
        let pair = Pair.connected(conditions, seed: self.seed, a: self.configuration(), b: self.configuration())
        guard pair.a.isConnected, pair.b.isConnected else { return "not connected" }
        for _ in 0..<Int.random(in: 1...6, using: &self.random) {
            for _ in 0..<Int.random(in: 1...30, using: &self.random) { self.send(pair) }
            pair.run(for: .milliseconds(Int64.random(in: 0...300, using: &self.random)))
            if self.chance(0.2) { pair.a.isPaused.toggle() }
            if self.chance(0.2) { pair.b.isPaused.toggle() }
        }
        (pair.a.isPaused, pair.b.isPaused) = (false, false)
        pair.run(for: .seconds(3_000))
        return self.flaw(of: pair)
    }

    private mutating func configuration() -> AssociationConfiguration {
        var configuration = Pair.configuration()
        configuration.maximumTimeouts = nil
        configuration.usesInterleaving = self.chance(0.6)
        configuration.isIntegrityProtected = self.chance(0.5)
        configuration.maximumMessageSize = 65_536
        configuration.initialReceiveWindow = [16_384, 262_144][Int.random(in: 0..<2, using: &self.random)]
        if self.chance(0.5) {
            // Just below the wrap-around of TSN, SSN, MID. Both sides have to agree on the last two.
            configuration.firstNumbers = .init(
                transmission: .max - UInt32.random(in: 0...20, using: &self.random),
                message: self.seed % 2 == 0 ? .max - 2 : 0
            )
        } else {
            configuration.firstNumbers = .init(
                transmission: self.random.next(),
                message: self.seed % 2 == 0 ? .max - 2 : 0
            )
        }
        return configuration
    }

    private mutating func send(_ pair: Pair) {
        let fromA = self.chance(0.6)
        let stream = UInt16.random(in: 0..<4, using: &self.random)
        let size =
            self.chance(0.2)
            ? Int.random(in: 2_000...40_000, using: &self.random) : Int.random(in: 9...1_500, using: &self.random)
        self.number += 1
        var message = OutgoingMessage(stream, Self.payload(self.number, size: size), ordered: self.chance(0.7))
        // A stream is reliable or not, as data channels are.
        if stream >= 2, self.chance(0.5) {
            let count = UInt16.random(in: 0...2, using: &self.random)
            let life = TimeAmount.milliseconds(Int64.random(in: 0...200, using: &self.random))
            message.reliability = self.chance(0.6) ? .retransmissions(count) : .until(pair.now + life)
        }
        let sent = Sent(
            fromA: fromA,
            stream: stream,
            isOrdered: message.isOrdered,
            isReliable: message.reliability == .reliable,
            number: self.number,
            size: size
        )
        self.sent[Self.key(self.number)] = sent
        try? (fromA ? pair.a : pair.b).association.send(message)
    }

    private static func key(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }

    /// Bytes that follow from the number, so that a piece of another message would show.
    private static func payload(_ number: UInt32, size: Int) -> [UInt8] {
        Self.key(number) + (4..<size).map { UInt8(truncatingIfNeeded: Int(number) &* 131 &+ $0 &* 7) }
    }

    private func flaw(of pair: Pair) -> String? {
        for end in [pair.a, pair.b] {
            if let reason = end.end { return "the association ended: \(reason)" }
            guard let sender = end.association.sender, let receiver = end.association.receiver else {
                return "no state"
            }
            guard sender.isDone, sender.messages.count == 0, sender.chunks.inFlight == 0 else {
                return "\(sender.messages.count) messages and \(sender.chunks.count) chunks never left the window"
            }
            guard sender.streams.buffered == 0 else { return "\(sender.streams.buffered) bytes count as buffered" }
            guard receiver.reassembly.held == 0, receiver.streams.held == 0, receiver.ready.held == 0 else {
                return "\(receiver.reassembly.held), \(receiver.streams.held) and \(receiver.ready.held) bytes are held"
            }
            guard !receiver.numbers.hasGaps else { return "there are gaps" }
            guard end.association.deadline == nil else { return "an idle association has a timer" }
        }
        var arrived: Set<[UInt8]> = []
        for (end, fromA) in [(pair.a, false), (pair.b, true)] {
            var lastOrdered: [UInt16: UInt32] = [:]
            for (stream, payload) in end.messages {
                let key = Array(payload.prefix(4))
                guard let sent = self.sent[key], sent.fromA == fromA, sent.stream == stream else {
                    return "an alien message"
                }
                guard arrived.insert(key).inserted else { return "message \(sent.number) came twice" }
                guard payload == Self.payload(sent.number, size: sent.size) else {
                    return "message \(sent.number) is damaged"
                }
                guard sent.isOrdered else { continue }
                guard lastOrdered[stream] ?? 0 < sent.number else { return "message \(sent.number) is out of order" }
                lastOrdered[stream] = sent.number
            }
        }
        for (key, sent) in self.sent where sent.isReliable && !arrived.contains(key) {
            return "message \(sent.number) of \(sent.size) bytes never came"
        }
        return nil
    }

    private mutating func chance(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self.random) < probability
    }
}

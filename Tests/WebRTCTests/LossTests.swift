import LossyLink
import NIOCore
import NetworkEmulation
import TestSupport
import Testing

@testable import WebRTC

/// Pairs that are joined through a network which drops, doubles, reorders and delays: 50 ms each way. Every accident
/// follows from the seed; what the machine's clock adds to the order of events does not.
@Suite("Over a bad network", .timeLimit(.minutes(5)))
struct LossTests {
    static func conditions(loss: Double) -> PathConditions {
        var conditions = PathConditions(delay: .milliseconds(50), loss: loss)
        conditions.duplication = 0.02
        conditions.reordering = 0.02
        return conditions
    }

    /// Connects a pair through a link; the channels are made by `prepare`, and open on both sides when `body` begins.
    static func withLossyPair(
        _ conditions: PathConditions,
        seed: UInt64,
        prepare: @escaping @Sendable (Pair) throws -> Void,
        _ body: (BoundPair, LossyLink) async throws -> Void
    ) async throws {
        let bound = try await BoundPair.make(.loopback(), .loopback())
        defer { bound.close() }
        let ports = bound.transports.map { Int($0.localAddresses[0].port) }
        let link = try await LossyLink.open(between: (ports[0], ports[1]), conditions) { end in
            SeededGenerator(seed: seed &* 2 &+ UInt64(end.rawValue))
        }
        defer { link.close() }
        let doors = link.addresses.compactMap(\.port)
        try await bound.run { pair in
            try prepare(pair)
            // Each side learns the link's address as the other's.
            try pair.signal(
                edit: { $0.replacing(" 127.0.0.1 \(ports[1]) ", with: " 127.0.0.1 \(doors[0]) ") },
                editOffer: { $0.replacing(" 127.0.0.1 \(ports[0]) ", with: " 127.0.0.1 \(doors[1]) ") }
            )
        }
        try await bound.until { pair in
            let labels = Set(pair.a.channels.keys)
            return !labels.isEmpty && labels.isSubset(of: pair.a.opened) && labels.isSubset(of: pair.b.opened)
        }
        try await body(bound, link)
    }

    /// A message whose content tells its number and whether a byte of it is wrong.
    static func message(_ number: Int) -> ByteBuffer {
        var message = ByteBuffer(integer: UInt32(number))
        message.writeBytes((0..<(number * 37 % 1900)).lazy.map { UInt8(truncatingIfNeeded: number &+ $0) })
        return message
    }

    static func number(of message: ByteBuffer) -> Int? {
        guard let number = message.getInteger(at: message.readerIndex, as: UInt32.self) else { return nil }
        return Self.message(Int(number)) == message ? Int(number) : nil
    }

    @Test("Everything reliable arrives once and whole, in order where promised", arguments: [0, 0.01, 0.05])
    func reliable(loss: Double) async throws {
        let seed: UInt64 = 11
        let count = 80
        var unordered = DataChannelConfiguration()
        unordered.ordered = false
        let labels = ["ordered", "unordered"]
        try await Self.withLossyPair(
            Self.conditions(loss: loss),
            seed: seed,
            prepare: { [unordered] pair in
                try pair.create("ordered", at: pair.a)
                try pair.create("unordered", at: pair.a, unordered)
            }
        ) { bound, link in
            try await bound.run { pair in
                for side in [pair.a, pair.b] {
                    for label in labels {
                        for number in 0..<count { try side.channels[label]?.send(Self.message(number)) }
                    }
                }
            }
            try await bound.until { pair in
                pair.a.messages.count == 2 * count && pair.b.messages.count == 2 * count
            }
            try await bound.run { pair in
                for side in [pair.a, pair.b] {
                    let ordered = side.messages.filter { $0.label == "ordered" }.map { Self.number(of: $0.message) }
                    #expect(ordered == Array(0..<count), "seed \(seed)")
                    let unordered = side.messages.filter { $0.label == "unordered" }
                    #expect(Set(unordered.map { Self.number(of: $0.message) }) == Set(0..<count), "seed \(seed)")
                }
            }
            let dropped = try await link.counts().dropped
            #expect((dropped > 0) == (loss > 0), "the link lost \(dropped) datagrams")
        }
    }

    @Test(
        "Without retransmission some messages are missing, none is damaged or doubled, and order is kept where promised"
    )
    func withoutRetransmission() async throws {
        let seed: UInt64 = 12
        let count = 150
        var ordered = DataChannelConfiguration()
        ordered.reliability = .maxRetransmits(0)
        var unordered = ordered
        unordered.ordered = false
        try await Self.withLossyPair(
            Self.conditions(loss: 0.05),
            seed: seed,
            prepare: { [ordered, unordered] pair in
                try pair.create("ordered", at: pair.a, ordered)
                try pair.create("unordered", at: pair.a, unordered)
                try pair.create("reliable", at: pair.a)
            }
        ) { bound, _ in
            try await bound.run { pair in
                for number in 0..<count {
                    for label in ["ordered", "unordered", "reliable"] {
                        try pair.a.channels[label]?.send(Self.message(number))
                    }
                }
            }
            // What is given up must not hold up what is not.
            try await bound.until { pair in
                pair.b.messages.filter { $0.label == "reliable" }.count == count
            }
            try await Self.acknowledged(bound)
            try await bound.run { pair in
                func numbers(_ label: String) -> [Int?] {
                    pair.b.messages.filter { $0.label == label }.map { Self.number(of: $0.message) }
                }
                #expect(numbers("reliable") == Array(0..<count), "seed \(seed)")
                var missing = 0
                for label in ["ordered", "unordered"] {
                    let arrived = numbers(label)
                    #expect(!arrived.contains(nil), "seed \(seed), \(label)")
                    #expect(Set(arrived).count == arrived.count, "seed \(seed), \(label)")
                    // One in twenty datagrams is lost, and some carry parts of two messages. Where the machine stands
                    // still for longer than the retransmission time-out, SCTP gives up all that is on its way, which is
                    // a part of the messages: the window grows slowly at this distance.
                    #expect(arrived.count >= count / 4, "seed \(seed), \(label): \(arrived.count)")
                    missing += count - arrived.count
                }
                #expect(missing > 0, "seed \(seed): no datagram with either was lost, or it was sent again")
                let inOrder = numbers("ordered").compactMap { $0 }
                #expect(inOrder == inOrder.sorted(), "seed \(seed)")
            }
        }
    }

    /// Waits until nothing is under way any more. That is no event, so it has to be asked for.
    private static func acknowledged(_ bound: BoundPair) async throws {
        try await eventually { try await bound.run { !$0.a.connection.hasUnacknowledgedData } }
    }

    // Of large messages one may be late: what SCTP has taken and not sent, it sends once; it gets what the window lets out.
    @Test(
        "After an interruption comes what is still wanted: nothing whose lifetime is over, everything reliable",
        arguments: [(size: 4, late: 0), (size: 20_000, late: 1)]
    )
    func lifetime(size: Int, late: Int) async throws {
        var brief = DataChannelConfiguration()
        brief.reliability = .maxPacketLifeTime(200)
        try await Self.withLossyPair(
            PathConditions(delay: .milliseconds(10), loss: 0),
            seed: 13,
            prepare: { [brief] pair in
                try pair.create("brief", at: pair.a, brief)
                try pair.create("reliable", at: pair.a)
            }
        ) { bound, link in
            link.set(PathConditions(delay: .milliseconds(10), loss: 1))
            _ = try await link.counts()
            try await bound.run { pair in
                for number in 0..<UInt32(20) {
                    var message = ByteBuffer(integer: number)
                    message.writeRepeatingByte(7, count: size - message.readableBytes)
                    try pair.a.channels["brief"]?.send(message)
                    try pair.a.channels["reliable"]?.send(ByteBuffer(integer: number))
                }
            }
            // Three lifetimes: nothing can be awaited when nothing is to happen.
            try await bound.loop.scheduleTask(in: .milliseconds(600)) {}.futureResult.get()
            link.set(PathConditions(delay: .milliseconds(10), loss: 0))
            _ = try await link.counts()
            // A fresh message may itself be late, if the machine has no time: the next one is not.
            try await eventually {
                try await bound.run { pair in
                    try pair.a.channels["brief"]?.send("fresh")
                    return pair.b.messages.contains { $0.label == "brief" && $0.kind == .text }
                }
            }
            try await bound.until { pair in pair.b.messages.filter { $0.label == "reliable" }.count == 20 }
            try await bound.run { pair in
                let brief = pair.b.messages.filter { $0.label == "brief" }
                #expect(brief.last.map { String(buffer: $0.message) } == "fresh")
                let old = brief.count { $0.kind == .binary }
                #expect(old <= late, "\(old) of 20 came late")
            }
        }
    }

    @Test("A connection comes about although every fifth datagram is lost", arguments: [1, 2, 3] as [UInt64])
    func connecting(seed: UInt64) async throws {
        try await Self.withLossyPair(
            PathConditions(delay: .milliseconds(20), loss: 0.2),
            seed: seed,
            prepare: { try $0.create("chat", at: $0.a) }
        ) { bound, _ in
            try await bound.run { try $0.a.channels["chat"]?.send("hello") }
            try await bound.until { $0.b.messages.count == 1 }
        }
    }
}

import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("Model of the path", .timeLimit(.minutes(5)))
struct BBRTests {
    private static let packet = 1_000

    private static func pair(_ delay: TimeAmount, loss: Double = 0, bottleneck: (rate: Double, queue: Int)? = nil)
        -> Pair
    {
        var configuration = Pair.configuration()
        configuration.congestionControl = { BBR(packetSize: $0) }
        var conditions = PathConditions(delay: delay)
        conditions.bottleneck = bottleneck
        let pair = Pair.connected(conditions, a: configuration)
        pair.a.path.conditions.loss = loss
        return pair
    }

    private static func send(_ bytes: Int, _ pair: Pair) throws {
        try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 1, count: bytes)))
    }

    @Test("The first 100 KB have arrived within four round trips of 50 ms, where the path allows")
    func beginning() throws {
        let pair = Self.pair(.milliseconds(25), bottleneck: (6_250_000, 312_500))
        let start = pair.now
        try Self.send(100_000, pair)
        pair.run(for: .seconds(5)) { !pair.b.messages.isEmpty }
        #expect(pair.now - start <= .milliseconds(200), "\(pair.now - start)")
    }

    @Test("A join point of 60 KB on a stream of small pictures leaves within 100 ms")
    func keyFrame() throws {
        let pair = Self.pair(.milliseconds(25), bottleneck: (2_500_000, 125_000))
        for _ in 0..<90 {
            try Self.send(5_000, pair)
            pair.run(for: .milliseconds(33))
        }
        let start = pair.now
        try Self.send(60_000, pair)
        var last = start
        pair.a.tap = { if $0.count > 500 { last = pair.now } }
        pair.run(for: .seconds(1)) { pair.b.messages.last?.payload.count == 60_000 }
        #expect(pair.b.messages.last?.payload.count == 60_000)
        #expect(last - start <= .milliseconds(100), "\(last - start)")
    }

    @Test("Full packets leave two at a time, or as many as are due within a millisecond")
    func bursts() throws {
        let pair = Self.pair(.milliseconds(25), bottleneck: (2_500_000, 125_000))
        for _ in 0..<20 { try Self.send(100_000, pair) }
        pair.run(for: .milliseconds(400))
        var bursts: [NIODeadline: Int] = [:]
        pair.a.tap = { if $0.count > 1_000 { bursts[pair.now, default: 0] += 1 } }
        pair.run(for: .milliseconds(200))
        let most = bursts.values.max() ?? 0
        // 2.5 MB/s and a quarter more are three packets in a millisecond.
        #expect(bursts.count > 50 && most <= 4, "\(most) packets at once")
    }

    @Test("Random loss of 2 % takes no more than a tenth of the rate")
    func randomLoss() throws {
        let pair = Self.pair(.milliseconds(25), loss: 0.02, bottleneck: (2_500_000, 125_000))
        for _ in 0..<125 { try Self.send(100_000, pair) }
        let start = pair.now
        pair.run(for: .seconds(60)) { !pair.a.association.hasUnacknowledgedData }
        let rate = 12_500_000 / (Double((pair.now - start).nanoseconds) / 1e9)
        #expect(rate > 0.9 * 2_500_000 * 0.95, "\(rate) bytes a second")
    }

    @Test("A short path has the window of Reno, and no rate")
    func shortPath() throws {
        var bbr = BBR(packetSize: Self.packet)
        var reno = Reno(packetSize: Self.packet)
        for number in 1...40 {
            var acknowledgement = Self.acknowledgement(number, roundTrip: .microseconds(200))
            acknowledgement.isWindowLimited = number % 3 != 0
            bbr.didAcknowledge(acknowledgement)
            reno.didAcknowledge(acknowledgement)
            #expect(bbr.window == reno.window && bbr.pacingRate == nil)
        }
        bbr.didLose(inFlight: 1, at: .uptimeNanoseconds(1))
        reno.didLose(inFlight: 1, at: .uptimeNanoseconds(1))
        #expect(bbr.window == reno.window)
    }

    @Test("Time-outs without an answer leave one packet, and forget the path")
    func timeouts() {
        var bbr = BBR(packetSize: Self.packet)
        for number in 1...200 { bbr.didAcknowledge(Self.acknowledgement(number, roundTrip: .milliseconds(50))) }
        let rate = bbr.pacingRate ?? 0
        for _ in 0..<3 {
            bbr.didTimeOut(inFlight: 0, at: .uptimeNanoseconds(1))
            #expect(bbr.window == Self.packet)
        }
        #expect(bbr.pacingRate ?? 0 < rate / 2)
        bbr.undo()
        #expect(bbr.window >= 10 * Self.packet)
    }

    /// The n-th of one a millisecond, for two packets each.
    private static func acknowledgement(_ number: Int, roundTrip: TimeAmount) -> Acknowledgement {
        Acknowledgement(
            bytes: 2 * Self.packet,
            inFlightBefore: 20 * Self.packet,
            inFlight: 18 * Self.packet,
            isWindowLimited: true,
            isInRecovery: false,
            roundTrip: roundTrip,
            leastRoundTrip: roundTrip,
            sample: DeliverySample(
                deliveredBefore: max(0, number - 50) * 2 * Self.packet,
                delivered: min(50, number) * 2 * Self.packet,
                interval: .milliseconds(50),
                isLimited: false
            ),
            delivered: number * 2 * Self.packet,
            lost: 0,
            packetsPerAcknowledgement: 2,
            at: .uptimeNanoseconds(1_000_000_000 + UInt64(number) * 1_000_000)
        )
    }
}

@Suite("Filter of bandwidths", .timeLimit(.minutes(5)))
struct BandwidthFilterTests {
    @Test("What an owner with little to send gets never lowers the estimate")
    func limited() {
        var filter = BandwidthFilter()
        filter.take(1_000, isLimited: false)
        for _ in 0..<10 {
            filter.advance()
            filter.take(100, isLimited: true)
        }
        #expect(filter.maximum == 1_000)
        filter.take(2_000, isLimited: true)
        #expect(filter.maximum == 2_000)
    }

    @Test("A path that has become slower is known after two cycles")
    func slower() {
        var filter = BandwidthFilter()
        filter.take(1_000, isLimited: false)
        for _ in 0..<2 {
            filter.advance()
            filter.take(100, isLimited: false)
        }
        #expect(filter.maximum == 100)
    }
}

@Suite("What counts as congestion", .timeLimit(.minutes(5)))
struct CongestionJudgeTests {
    private static let packet = 1_000

    /// Rounds of a hundred packets, of which so many are lost.
    private static func rounds(lost: Int, roundTrip: TimeAmount, count: Int = 4) -> RoundMeter {
        var rounds = RoundMeter()
        for number in 1...count {
            rounds.sent(100 * Self.packet, inFlight: 100 * Self.packet)
            let sample = DeliverySample(
                deliveredBefore: (number - 1) * (100 - lost) * Self.packet,
                delivered: (100 - lost) * Self.packet,
                interval: roundTrip,
                isLimited: false
            )
            _ = rounds.take(
                Acknowledgement(
                    bytes: (100 - lost) * Self.packet,
                    inFlightBefore: 0,
                    inFlight: 0,
                    isWindowLimited: true,
                    isInRecovery: false,
                    roundTrip: roundTrip,
                    leastRoundTrip: nil,
                    sample: sample,
                    delivered: number * (100 - lost) * Self.packet,
                    lost: number * lost * Self.packet,
                    packetsPerAcknowledgement: 2,
                    at: .uptimeNanoseconds(1) + roundTrip * number
                ),
                bandwidth: nil
            )
        }
        return rounds
    }

    private static func isCongested(lost: Int, queue: Double) -> Bool {
        let minimum = TimeAmount.milliseconds(50)
        let trip = TimeAmount.nanoseconds(Int64(Double(minimum.nanoseconds) * (1 + queue)))
        return CongestionJudge.isCongested(
            Self.rounds(lost: lost, roundTrip: trip),
            minimum: minimum,
            isProbing: false,
            packetSize: Self.packet
        )
    }

    @Test("Loss without a queue is none, up to a tenth")
    func random() {
        #expect(!Self.isCongested(lost: 5, queue: 0.1))
        #expect(!Self.isCongested(lost: 9, queue: 0.2))
        #expect(Self.isCongested(lost: 12, queue: 0))
    }

    @Test("Loss beside a round trip of more than 1.25 times the least is")
    func queued() {
        #expect(Self.isCongested(lost: 5, queue: 0.3))
        #expect(!Self.isCongested(lost: 0, queue: 2))
    }
}

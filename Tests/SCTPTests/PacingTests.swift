import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("Pacing", .timeLimit(.minutes(5)))
struct PacingTests {
    private static let size = 1_163

    /// A pair whose window has grown to at least fifty packets on a path without loss, with nothing under way.
    private static func grown(_ delay: TimeAmount) throws -> Pair {
        var configuration = Pair.configuration()
        configuration.congestionControl = { Reno(packetSize: $0) }
        let pair = Pair.connected(PathConditions(delay: delay), a: configuration)
        for _ in 0..<20 { try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 50_000))) }
        // No longer: a window that lies idle shrinks.
        pair.run(for: .seconds(60)) { !pair.a.association.hasUnacknowledgedData }
        #expect(try #require(pair.a.association.statistics).congestionWindow > 50 * Self.size)
        return pair
    }

    /// When each full packet left after a message was handed over.
    private static func departures(of bytes: Int, _ pair: Pair) throws -> [TimeAmount] {
        let start = pair.now
        var times: [TimeAmount] = []
        pair.a.tap = { if $0.count > 1_000 { times.append(pair.now - start) } }
        try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: bytes)))
        pair.run(for: .seconds(5))
        pair.a.tap = nil
        return times
    }

    @Test("A window leaves spread over half of the round trip, after a burst of ten packets")
    func spread() throws {
        let pair = try Self.grown(.milliseconds(25))
        let window = try #require(pair.a.association.statistics).congestionWindow
        let count = min(50, window / Self.size)
        let times = try Self.departures(of: count * Self.size, pair)
        #expect((10...11).contains(times.count { $0 == .zero }))
        // Twice the window in a round trip, and nothing sleeps for longer than it must.
        let gap = Double(TimeAmount.milliseconds(50).nanoseconds) / (2 * Double(window) / Double(Self.size))
        for (index, time) in times.enumerated().dropFirst(11) {
            let due = TimeAmount.nanoseconds(Int64(gap * Double(index - 10)))
            #expect(time >= due - .milliseconds(1) && time <= due + .milliseconds(2), "packet \(index) left at \(time)")
        }
    }

    @Test("On a short path nothing waits")
    func shortPath() throws {
        let pair = try Self.grown(.microseconds(500))
        #expect(try Self.departures(of: 40_000, pair).allSatisfy { $0 == .zero })
    }

    @Test("Of what the owner knows of the path and what was measured the shorter round trip counts")
    func hint() throws {
        let queued = try Self.grown(.milliseconds(25))
        queued.a.association.pathRoundTrip = .milliseconds(1)
        #expect(try Self.departures(of: 40_000, queued).allSatisfy { $0 == .zero })
        // A check that was answered while the process was busy says nothing of the path.
        let busy = try Self.grown(.microseconds(500))
        busy.a.association.pathRoundTrip = .milliseconds(50)
        #expect(try Self.departures(of: 40_000, busy).allSatisfy { $0 == .zero })
    }

    @Test("A message whose time passes while the pacing holds it back is dropped")
    func expiry() throws {
        let pair = try Self.grown(.milliseconds(200))
        try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 50_000)))
        let brief = OutgoingMessage(1, [UInt8](repeating: 1, count: 1_000), .until(pair.now + .milliseconds(1)))
        var late = OutgoingMessage(0, [UInt8](repeating: 2, count: 50_000))
        late.reliability = .until(pair.now + .milliseconds(5))
        try pair.a.association.send(late)
        try pair.a.association.send(brief)
        pair.run(for: .seconds(5))
        #expect(pair.a.association.statistics?.abandonedMessages == 1)
        #expect(!pair.a.association.hasUnacknowledgedData && pair.a.association.bufferedBytes == 0)
    }
}

@Suite("Measured rate", .timeLimit(.minutes(5)))
struct DeliveryRateTests {
    private static let roundTrip = TimeAmount.milliseconds(100)

    /// A sender with `window` chunks of 1,000 bytes on their way, for `trips` round trips.
    private static func measure(
        _ rate: inout DeliveryRate,
        from first: Int,
        window: Int,
        trips: Int,
        isBusy: Bool = true
    ) {
        let gap = TimeAmount.nanoseconds(Self.roundTrip.nanoseconds / Int64(window))
        for chunk in 0..<(window * trips) {
            let now = NIODeadline.uptimeNanoseconds(1) + gap * chunk
            if chunk >= window { rate.acknowledged(1_000, to: first + chunk - window, at: now) }
            if !isBusy { rate.ranDry() }
            rate.sent(first + chunk, at: now)
        }
    }

    @Test("The rate of a full path is what arrives in a round trip")
    func fullPath() throws {
        var rate = DeliveryRate()
        Self.measure(&rate, from: 1, window: 50, trips: 20)
        let measured = try #require(rate.bytesPerSecond)
        #expect(abs(measured - 500_000) < 20_000, "\(measured)")
    }

    @Test("An owner without much to send says nothing of the path")
    func idle() {
        var rate = DeliveryRate()
        Self.measure(&rate, from: 1, window: 5, trips: 20, isBusy: false)
        #expect(rate.bytesPerSecond == nil)
        Self.measure(&rate, from: 1_000, window: 50, trips: 20)
        let full = rate.bytesPerSecond ?? 0
        Self.measure(&rate, from: 10_000, window: 5, trips: 20, isBusy: false)
        #expect(rate.bytesPerSecond ?? 0 >= full)
    }

    @Test("The rate follows a path that gets slower")
    func slower() throws {
        var rate = DeliveryRate()
        Self.measure(&rate, from: 1, window: 50, trips: 10)
        Self.measure(&rate, from: 10_000, window: 5, trips: 30)
        let measured = try #require(rate.bytesPerSecond)
        #expect(measured < 100_000, "\(measured)")
    }

    @Test("A bottleneck is measured to within a tenth while it is full, and not at all by what is much less")
    func bottleneck() throws {
        var conditions = PathConditions(delay: .milliseconds(20))
        conditions.bottleneck = (1_000_000, 60_000)
        let pair = Pair.connected(conditions)
        for _ in 0..<10 {
            try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 1_000)))
            pair.run(for: .milliseconds(100))
        }
        #expect(pair.a.association.deliveryRate == nil)
        for _ in 0..<100 { try pair.a.association.send(OutgoingMessage(0, [UInt8](repeating: 0, count: 50_000))) }
        pair.run(for: .seconds(3))
        let measured = try #require(pair.a.association.deliveryRate)
        // Headers are a thirtieth.
        #expect((870_000...1_010_000).contains(measured), "\(measured)")
    }
}

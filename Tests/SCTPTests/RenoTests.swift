import NIOCore
import Testing

@testable import SCTP

@Suite("Reno", .timeLimit(.minutes(5)))
struct RenoTests {
    private static let packet = 1_000

    private static func acknowledgement(_ bytes: Int, isLimited: Bool = true, isRepairing: Bool = false)
        -> Acknowledgement
    {
        Acknowledgement(
            bytes: bytes,
            inFlightBefore: bytes,
            inFlight: 0,
            isWindowLimited: isLimited,
            isInRecovery: isRepairing,
            roundTrip: nil,
            leastRoundTrip: nil,
            sample: nil,
            delivered: bytes,
            lost: 0,
            packetsPerAcknowledgement: 2,
            at: .uptimeNanoseconds(1)
        )
    }

    /// A window of ten packets in congestion avoidance.
    private static var avoiding: Reno {
        var reno = Reno(packetSize: Self.packet)
        reno.didAcknowledge(Self.acknowledgement(2 * Self.packet))
        for _ in 0..<4 { reno.didAcknowledge(Self.acknowledgement(2 * Self.packet)) }
        reno.didLose(inFlight: reno.window, at: .uptimeNanoseconds(1))
        return reno
    }

    @Test("RFC 9260 section 7.2.1: it begins with ten packets, and grows by what is acknowledged, two at a time")
    func slowStart() {
        var reno = Reno(packetSize: Self.packet)
        #expect(reno.window == 10 * Self.packet)
        reno.didAcknowledge(Self.acknowledgement(5 * Self.packet))
        #expect(reno.window == 12 * Self.packet)
        // Not while a loss is repaired, nor while the window does not limit.
        reno.didAcknowledge(Self.acknowledgement(5 * Self.packet, isRepairing: true))
        reno.didAcknowledge(Self.acknowledgement(5 * Self.packet, isLimited: false))
        #expect(reno.window == 12 * Self.packet)
    }

    @Test("RFC 9260 section 7.2.2: a packet for each window acknowledged, also while a loss is repaired")
    func avoidance() {
        var reno = Self.avoiding
        #expect(reno.window == 10 * Self.packet)
        for _ in 0..<4 { reno.didAcknowledge(Self.acknowledgement(2 * Self.packet, isRepairing: true)) }
        #expect(reno.window == 10 * Self.packet)
        reno.didAcknowledge(Self.acknowledgement(2 * Self.packet, isRepairing: true))
        #expect(reno.window == 11 * Self.packet)
    }

    @Test("RFC 9260 section 7.2.2: a window that is not used in full counts for one packet, once it is used in full")
    func unused() {
        var reno = Self.avoiding
        for _ in 0..<50 { reno.didAcknowledge(Self.acknowledgement(2 * Self.packet, isLimited: false)) }
        #expect(reno.window == 10 * Self.packet)
        reno.didAcknowledge(Self.acknowledgement(Self.packet))
        #expect(reno.window == 11 * Self.packet)
        reno.didAcknowledge(Self.acknowledgement(Self.packet))
        #expect(reno.window == 11 * Self.packet)
    }

    @Test("RFC 9260 section 7.2.3: a loss halves the window, a time-out leaves one packet; both can be taken back")
    func losses() {
        var reno = Self.avoiding
        reno.didLose(inFlight: 0, at: .uptimeNanoseconds(1))
        #expect(reno.window == 5 * Self.packet)
        reno.undo()
        #expect(reno.window == 10 * Self.packet)
        reno.didTimeOut(inFlight: 0, at: .uptimeNanoseconds(1))
        #expect(reno.window == Self.packet && reno.slowStartThreshold == 5 * Self.packet)
        reno.undo()
        #expect(reno.window == 10 * Self.packet)
    }
}

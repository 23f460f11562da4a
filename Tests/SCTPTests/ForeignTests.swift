import NIOCore
import TestSupport
import Testing

@testable import SCTP

@Suite("Beside usrsctp", .serialized, .timeLimit(.minutes(5)))
struct ForeignTests {
    /// An association of this library's, usrsctp, and the path between them, in virtual time.
    private final class Mixed {
        let ours: End
        let theirs: ForeignPeer
        private var back: Path
        private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)

        init(_ conditions: PathConditions, seed: UInt64) throws {
            var configuration = Pair.configuration()
            configuration.maximumTimeouts = nil
            // TSNs soon wrap around. Message numbers begin where the other stack expects them.
            configuration.firstNumbers = .init(transmission: .max - 5, message: 0)
            self.ours = End(configuration, conditions, seed: seed)
            self.theirs = try ForeignPeer()
            self.back = Path(conditions, seed: seed &+ 1)
        }

        /// usrsctp begins, and this side as well or not.
        func connect(both: Bool = true) {
            if both { self.ours.association.connect(at: self.now) }
            self.theirs.connect()
        }

        /// Goes on until `isDone` or the end of patience, in steps of a millisecond.
        func run(seconds: Int = 120, until isDone: () -> Bool) {
            for _ in 0..<(seconds * 1_000) where !isDone() {
                self.ours.drain(at: self.now)
                while let packet = self.ours.path.receive(at: self.now) { self.theirs.receive(packet) }
                for packet in self.theirs.tick() { self.back.send(packet, at: self.now) }
                self.now = self.now + .milliseconds(1)
                while let packet = self.back.receive(at: self.now) { self.ours.receive(packet, at: self.now) }
                if let deadline = self.ours.association.deadline, deadline <= self.now {
                    self.ours.association.handleTimeout(at: self.now)
                }
            }
        }
    }

    private static func payload(_ number: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) }
    }

    @Test(
        "Messages of up to 256 KiB go both ways whether both begin or one, at 0, 1, 5 and 20 % loss with reordering",
        arguments: [(true, 0), (false, 0.01), (true, 0.05), (true, 0.2), (false, 0.2)]
    )
    func exchange(both: Bool, loss: Double) throws {
        let seed: UInt64 = 7
        var conditions = PathConditions(delay: .milliseconds(10), jitter: .milliseconds(5))
        conditions.loss = loss
        let mixed = try Mixed(conditions, seed: seed)
        mixed.connect(both: both)
        mixed.run { mixed.ours.isConnected }
        #expect(mixed.ours.isConnected, "seed \(seed)")
        // At 20 % a Reno gets a few KB/s through.
        let sizes = loss < 0.2 ? [1, 1_000, 1_200, 65_536, 262_144, 5] : [1, 1_000, 1_200, 20_000, 5]
        for (number, size) in sizes.enumerated() {
            let message = Self.payload(number, size)
            try mixed.ours.association.send(OutgoingMessage(UInt16(number % 2), message))
            mixed.theirs.send(message, stream: UInt16(number % 2))
        }
        mixed.run { mixed.ours.messages.count == sizes.count && mixed.theirs.messages.count == sizes.count }
        for stream: UInt16 in [0, 1] {
            let expected = sizes.enumerated().filter { $0.offset % 2 == Int(stream) }.map {
                Self.payload($0.offset, $0.element)
            }
            let ours = mixed.ours.messages.filter { $0.stream == stream }.map(\.payload)
            let theirs = mixed.theirs.messages.filter { $0.stream == stream }.map(\.payload)
            // Not the bytes themselves: a failure would print all of them.
            let areEqual = (ours == expected, theirs == expected)
            #expect(areEqual == (true, true), "seed \(seed), stream \(stream): \(ours.count), \(theirs.count)")
        }
        #expect(mixed.ours.end == nil)
    }

    @Test("RFC 9260 section 6.5: stream sequence numbers wrap around at 65,536, in both directions")
    func wrapAround() throws {
        let mixed = try Mixed(PathConditions(delay: .milliseconds(5)), seed: 9)
        mixed.connect()
        mixed.run { mixed.ours.isConnected }
        let count = 65_600
        for number in 0..<count {
            let message = withUnsafeBytes(of: UInt32(number).bigEndian, Array.init)
            try mixed.ours.association.send(OutgoingMessage(0, message))
            mixed.theirs.send(message, stream: 0)
        }
        mixed.run { mixed.ours.events.count > count && mixed.theirs.messages.count == count }
        func numbers(_ messages: [(stream: UInt16, payload: [UInt8])]) -> [UInt32] {
            messages.map { $0.payload.reduce(0) { $0 << 8 | UInt32($1) } }
        }
        let areEqual = numbers(mixed.theirs.messages) == (0..<count).map { UInt32($0) }
        let areEqualHere = numbers(mixed.ours.messages) == (0..<count).map { UInt32($0) }
        #expect(areEqual && areEqualHere, "\(mixed.theirs.messages.count) and \(mixed.ours.messages.count) messages")
    }

    @Test("RFC 6525: usrsctp takes note of resets, and streams that are used again begin anew")
    func resets() throws {
        var conditions = PathConditions(delay: .milliseconds(10))
        conditions.loss = 0.05
        let mixed = try Mixed(conditions, seed: 3)
        mixed.connect()
        mixed.run { mixed.ours.isConnected }
        for round in 1...3 {
            for number in 0..<10 {
                try mixed.ours.association.send(OutgoingMessage(4, Self.payload(10 * round + number, 3_000)))
            }
            mixed.ours.association.reset([4])
            mixed.run { mixed.ours.events.count { $0 == .outgoingReset([4]) } == round }
        }
        mixed.run { mixed.theirs.messages.count == 30 && mixed.theirs.resetStreams.count == 3 }
        #expect(mixed.theirs.resetStreams == [4, 4, 4])
        let areEqual = mixed.theirs.messages.map(\.payload) == (10..<40).map { Self.payload($0, 3_000) }
        #expect(areEqual)
    }

    @Test("RFC 3758: messages that are given up do not hold up usrsctp")
    func abandoning() throws {
        var conditions = PathConditions(delay: .milliseconds(10))
        conditions.loss = 0.1
        let mixed = try Mixed(conditions, seed: 5)
        mixed.connect()
        mixed.run { mixed.ours.isConnected }
        for number in 0..<200 {
            let reliability: Reliability = number % 2 == 0 ? .retransmissions(0) : .reliable
            let stream: UInt16 = number % 2 == 0 ? 1 : 0
            try mixed.ours.association.send(OutgoingMessage(stream, Self.payload(number, 2_000), reliability))
        }
        mixed.run { mixed.theirs.messages.filter { $0.stream == 0 }.count == 100 }
        mixed.run(seconds: 20) { !mixed.ours.association.hasUnacknowledgedData }
        let reliable = mixed.theirs.messages.filter { $0.stream == 0 }.map(\.payload)
        let areEqual = reliable == stride(from: 1, to: 200, by: 2).map { Self.payload($0, 2_000) }
        #expect(areEqual)
        let brief = mixed.theirs.messages.filter { $0.stream == 1 }.count
        #expect(brief < 100 && brief > 20, "\(brief)")
        #expect(!mixed.ours.association.hasUnacknowledgedData)
    }
}

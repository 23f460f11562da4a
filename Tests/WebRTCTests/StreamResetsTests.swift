import Testing

@testable import WebRTC

@Suite("Stream resets")
struct StreamResetsTests {
    @Test(
        "A stream is free again only when both directions have been reset, in whatever order",
        arguments: [true, false]
    )
    func bothDirections(incomingFirst: Bool) {
        var resets = StreamResets()
        resets.close(4)
        resets.close(4)
        #expect(resets.nextRequest == [4])
        resets.didRequest([4])
        #expect(resets.nextRequest == nil && !resets.isFree(4))
        if incomingFirst { resets.incomingDone(4) } else { resets.outgoingDone(4) }
        #expect(!resets.isFree(4))
        if incomingFirst { resets.outgoingDone(4) } else { resets.incomingDone(4) }
        #expect(resets.isFree(4) && resets.nextRequest == nil)
    }

    @Test("The peer's reset is answered with one of ours")
    func answered() {
        var resets = StreamResets()
        resets.incomingDone(7)
        #expect(resets.nextRequest == [7] && !resets.isFree(7))
        resets.didRequest([7])
        resets.outgoingDone(7)
        #expect(resets.isFree(7))
    }

    @Test("A thousand resets go out in requests that fit into a packet, one after the other")
    func batches() {
        var resets = StreamResets()
        for stream in 0..<1000 { resets.close(UInt16(stream)) }
        var sizes: [Int] = []
        while let request = resets.nextRequest {
            resets.didRequest(request)
            #expect(resets.nextRequest == nil)
            sizes.append(request.count)
            for stream in request { resets.outgoingDone(stream) }
        }
        #expect(sizes.reduce(0, +) == 1000 && sizes.allSatisfy { $0 <= 128 })
    }

    @Test("A refused reset is tried again, but not for ever, and its stream stays out of use")
    func refused() {
        var resets = StreamResets()
        resets.close(2)
        var requests = 0
        while let request = resets.nextRequest {
            requests += 1
            resets.didRequest(request)
            resets.failed(request)
        }
        #expect(requests == 3 && !resets.isFree(2))
    }

    @Test("A peer that uses a stream again has seen its resets")
    func forgotten() {
        var resets = StreamResets()
        resets.close(2)
        resets.close(3)
        resets.forget(2)
        #expect(resets.isFree(2) && resets.nextRequest == [3])
    }
}

@Suite("Retransmissions")
struct RetransmissionCounterTests {
    /// An SCTP packet with DATA chunks of these numbers, `size` bytes of payload each.
    private func packet(_ numbers: [UInt32], size: Int = 5) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 12)
        for number in numbers {
            let length = 16 + size
            bytes += [0, 3, UInt8(length >> 8), UInt8(length & 0xFF)]
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
            bytes += [UInt8](repeating: 0, count: 8 + (size + 3) & ~3)
        }
        return bytes
    }

    @Test("Numbers that were sent before count, also where the number space wraps")
    func counting() {
        var counter = RetransmissionCounter()
        for numbers: [UInt32] in [[.max - 1, .max], [0], [1, 2], [.max, 3], [2]] {
            self.packet(numbers).withUnsafeBytes { counter.count($0) }
        }
        #expect(counter.packets == 2 && counter.bytes == 10)
    }

    @Test("Other chunks and broken lengths are passed over")
    func others() {
        var counter = RetransmissionCounter()
        let sack: [UInt8] = Array(repeating: 0, count: 12) + [3, 0, 0, 16] + Array(repeating: 0, count: 12)
        let broken: [UInt8] = Array(repeating: 0, count: 12) + [0, 0, 0, 0, 1, 1, 1, 1, 1]
        for bytes in [sack, sack, broken, broken, []] { bytes.withUnsafeBytes { counter.count($0) } }
        #expect(counter.packets == 0)
    }
}

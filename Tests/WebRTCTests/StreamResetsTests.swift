import Testing

@testable import WebRTC

@Suite("Stream resets", .timeLimit(.minutes(5)))
struct StreamResetsTests {
    @Test(
        "A stream is free again only when both directions have been reset, in whatever order",
        arguments: [true, false]
    )
    func bothDirections(incomingFirst: Bool) {
        var resets = StreamResets()
        resets.close(4)
        resets.close(4)
        #expect(resets.takeRequest() == [4])
        #expect(resets.takeRequest().isEmpty && !resets.isFree(4))
        if incomingFirst { resets.incomingDone(4) } else { resets.outgoingDone(4) }
        #expect(!resets.isFree(4))
        if incomingFirst { resets.outgoingDone(4) } else { resets.incomingDone(4) }
        #expect(resets.isFree(4) && resets.takeRequest().isEmpty)
    }

    @Test("The peer's reset is answered with one of ours")
    func answered() {
        var resets = StreamResets()
        resets.incomingDone(7)
        #expect(resets.takeRequest() == [7] && !resets.isFree(7))
        resets.outgoingDone(7)
        #expect(resets.isFree(7))
    }

    @Test("A refused reset is tried again, but not for ever, and its stream stays out of use")
    func refused() {
        var resets = StreamResets()
        resets.close(2)
        var requests = 0
        while true {
            let request = resets.takeRequest()
            guard !request.isEmpty else { break }
            requests += 1
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
        #expect(resets.isFree(2) && resets.takeRequest() == [3])
    }
}

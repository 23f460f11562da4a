import Testing
import VirtualTransport

/// A part of the ten thousand that `make fuzz` runs.
@Suite("Random paths", .timeLimit(.minutes(5)))
struct RandomTrafficTests {
    @Test(
        "Every reliable message arrives once, in order and whole; every other leaves the window",
        arguments: [0, 40, 80, 120] as [UInt64]
    )
    func arrives(first: UInt64) {
        for seed in first..<(first + 40) {
            var traffic = RandomTraffic(seed: seed)
            let flaw = traffic.run()
            #expect(flaw == nil, "seed \(seed): \(flaw ?? "")")
        }
    }
}

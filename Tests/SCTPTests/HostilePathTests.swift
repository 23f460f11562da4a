import Testing

/// `SCTP_PATHS` in the environment sets how many paths; ten thousand is what a release is tested with.
@Suite("Random paths", .timeLimit(.minutes(2)))
struct HostilePathTests {
    @Test("Every reliable message arrives once, in order and whole; every other leaves the window", arguments: 0..<8)
    func reliable(part: UInt64) {
        let paths = Self.paths / 8
        for seed in (part * paths)..<((part + 1) * paths) {
            var workload = Workload(seed: seed)
            let flaw = workload.run()
            #expect(flaw == nil, "seed \(seed): \(flaw ?? "")")
        }
    }

    private static let paths = ProcessEnvironment.number("SCTP_PATHS") ?? 320
}

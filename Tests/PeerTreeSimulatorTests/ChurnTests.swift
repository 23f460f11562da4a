import PeerTreeSimulator
import Testing

@Suite("Churn, seed by seed", .timeLimit(.minutes(5)))
struct ChurnTests {
    @Test("Safety holds at each step, and in the end everyone is whole", arguments: UInt64(1)...12)
    func churn(seed: UInt64) throws {
        try ChurnScenario(seed: seed).run()
    }

    @Test("The same with parity", arguments: UInt64(1)...4)
    func churnWithParity(seed: UInt64) throws {
        try ChurnScenario(seed: seed, hasParity: true).run()
    }

    @Test(
        "Departures leave no stripe without slots while another has some to spare",
        arguments: [18, 103, 122, 467] as [UInt64]
    )
    func slotsOfStripes(seed: UInt64) throws {
        try ChurnScenario(seed: seed).run()
    }

    @Test(
        "A lossless viewer behind a slow link is told of no gap, and has everything once its link is better",
        arguments: [482, 1148, 1242, 1924, 2834] as [UInt64]
    )
    func slowLinks(seed: UInt64) throws {
        try ChurnScenario(seed: seed).run()
    }
}

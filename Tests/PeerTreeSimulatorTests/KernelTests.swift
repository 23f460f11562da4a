import PeerTreeCore
import PeerTreeSimulator
import Testing

@Suite("Real trackers and real peers in virtual time", .timeLimit(.minutes(5)))
struct KernelTests {
    private static let rhythm = PublishingRhythm(every: .milliseconds(100), bytes: 100...2_000, joinPointEvery: 10)

    @Test("Viewers that join one after the other are all fed, and have everything")
    func joins() throws {
        let simulation = Simulation(seed: 1, SimulationOptions(k: 3, k1: 3))
        simulation.publish(Self.rhythm)
        simulation.join(40, over: .seconds(2))
        try simulation.run(for: .seconds(4))
        try simulation.requireWhole(within: .seconds(2))
        try simulation.requireNoGap()
        try simulation.requirePlacesAsTracked()
        #expect(simulation.viewers.count == 40)
    }

    @Test("A thousand viewers that join within three seconds are whole a few seconds later")
    func thousand() throws {
        let simulation = Simulation(seed: 2, SimulationOptions(k: 4, k1: 10, policy: .live))
        simulation.publish(PublishingRhythm(every: .milliseconds(500), bytes: 100...2_000, joinPointEvery: 4))
        simulation.join(1_000, over: .seconds(3))
        try simulation.run(for: .seconds(5))
        try simulation.requireWhole(within: .seconds(5))
        #expect(simulation.viewers.count == 1_000)
    }
}

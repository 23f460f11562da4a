import PeerTreeCore
import PeerTreeSignalling
import Testing

@testable import PeerTreeCluster

@Suite("Ownership of slots, one event at a time", .timeLimit(.minutes(2)))
struct SlotOwnershipTests {
    /// Nodes that have shared their slots, without any trouble.
    private func calmWorld(_ nodes: Int) -> ClusterWorld {
        var world = ClusterWorld(seed: 1, nodes: nodes, slots: 24, troubleFor: .zero)
        world.run(until: world.now + .seconds(25))
        return world
    }

    private func expectCalm(_ world: inout ClusterWorld) {
        world.ledger.checkCalm(world)
        #expect(world.ledger.violations.isEmpty)
    }

    @Test("That etcd fails is told at once, and then once a minute, however many calls fail")
    func storeFails() throws {
        let record = NodeRecord(id: try #require(NodeID(name: "a", run: 1)), address: "127.0.0.1:7000")
        var now = Instant(nanoseconds: 1_000_000_000)
        var machine = SlotOwnership(try #require(record), at: now)
        var (failed, told): (Int, [Instant]) = (0, [])
        while now < Instant(nanoseconds: 130_000_000_000) {
            machine.handle(.deadlineReached, at: now)
            while let output = machine.nextOutput() {
                switch output {
                case .ask(let number, _):
                    failed += 1
                    let error = EtcdError(.notConnected, "nobody is there")
                    machine.handle(.answered(number, .failure(error)), at: now)
                case .noticed(.storeFails("nobody is there")): told.append(now)
                default: break
                }
            }
            now = now + .milliseconds(100)
        }
        #expect(failed > 100)
        #expect(told.count == 3 && told[0] == Instant(nanoseconds: 1_000_000_000))
        #expect(zip(told, told.dropFirst()).allSatisfy { $0 + .seconds(60) <= $1 })
    }

    @Test("A node that joins gets its share, and next to nothing else moves")
    func joins() {
        var world = calmWorld(3)
        expectCalm(&world)
        let before = world.ledger.beginnings
        world.addNode()
        world.run(until: world.now + .seconds(20))
        expectCalm(&world)
        // Those who give do not know of each other's offers: one more for each of them may come, and go back.
        #expect((6...9).contains(world.ledger.beginnings - before))
    }

    @Test("A node that is about to stop gives all that it has to the others, evenly, and gets nothing back")
    func leaves() {
        var world = calmWorld(3)
        world.leave(0)
        world.run(until: world.now + .seconds(2))
        #expect(world.nodes.map { $0.machine?.held.count ?? 0 } == [0, 12, 12])
        world.run(until: world.now + .seconds(20))
        #expect(world.nodes[0].machine?.held.isEmpty ?? false)
        world.kill(1)
        world.run(until: world.now + .seconds(20))
        #expect(world.nodes.map { $0.machine?.held.count ?? 0 } == [0, 0, 24])
        #expect(world.ledger.violations.isEmpty)
    }

    @Test("What a dead node owned is others' soon after its lease")
    func dies() {
        var world = calmWorld(3)
        world.kill(0)
        world.run(until: world.now + .seconds(8))
        let owned = world.nodes.reduce(0) { $0 + ($1.machine?.held.count ?? 0) }
        #expect(owned == 24)
    }

    @Test("A node that others reach and etcd does not keeps its slots, unconfirmed, and takes them back")
    func cutOff() {
        var world = calmWorld(3)
        let before = world.nodes[0].machine?.held
        world.cutOff(0, for: .seconds(20))
        world.run(until: world.now + .seconds(19))
        #expect(world.nodes[0].machine?.held == before)
        #expect(before?.keys.contains { world.nodes[0].machine?.isConfirmed($0, at: world.now) ?? false } == false)
        world.run(until: world.now + .seconds(10))
        let after = world.nodes[0].machine?.held
        #expect(after.map { Set($0.keys) } == before.map { Set($0.keys) })
        for (slot, term) in before ?? [:] { #expect(after?[slot].map { $0 > term } ?? false) }
        expectCalm(&world)
    }

    @Test(
        "An owner lets go of a slot when it hears of a higher term"
    )
    func hears() throws {
        let world = calmWorld(1)
        var machine = try #require(world.nodes[0].machine)
        let (slot, term) = try #require(machine.held.first)
        machine.handle(
            .heard([slot: SlotTerm(incarnation: term.incarnation, revision: term.revision + 1)]),
            at: world.now
        )
        var outputs: [SlotOwnership.Output] = []
        while let output = machine.nextOutput() { outputs.append(output) }
        #expect(outputs.contains(.letsGo(slot)))
        #expect(machine.held[slot] == nil)
    }
}

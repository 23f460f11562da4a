import PeerTreeCore
import PeerTreeSignalling

@testable import PeerTreeCluster

/// What must hold at every step, and what was seen that must not be.
struct OwnershipLedger {
    private(set) var violations: [String] = []
    /// Offers that were made.
    var offers = 0
    /// When etcd was wiped last: no node can know at once that its keys are gone then.
    var wipedAt: Instant?
    private var owners: [Slot: [SlotTerm: NodeID]] = [:]
    private var latest: [NodeID: [Slot: SlotTerm]] = [:]

    /// How often a slot was begun to be owned.
    var beginnings: Int { owners.values.reduce(0) { $0 + $1.count } }

    mutating func owns(_ slot: Slot, _ term: SlotTerm, _ node: NodeID, at now: Instant) {
        if let other = owners[slot]?[term], other != node {
            report("at \(now.nanoseconds): \(node) and \(other) own \(slot) in \(term)")
        }
        owners[slot, default: [:]][term] = node
        if let before = latest[node]?[slot], before >= term {
            report("at \(now.nanoseconds): \(node) owns \(slot) in \(term) after \(before)")
        }
        latest[node, default: [:]][slot] = term
    }

    mutating func check(_ world: ClusterWorld) {
        if let wipedAt, world.now < wipedAt + .seconds(6) { return }
        for node in world.nodes where node.stoppedUntil <= world.now {
            guard let machine = node.machine else { continue }
            for slot in world.slots where machine.isConfirmed(slot, at: world.now) {
                let (term, key) = (machine.held[slot], world.etcd.keys[machine.keys.slot(slot)])
                if key?.value != node.id.written || key?.modRevision != term?.revision {
                    report(
                        "at \(world.now.nanoseconds): \(node.id) is sure of \(slot) in \(String(describing: term)), not so etcd"
                    )
                }
            }
        }
    }

    /// Whether each slot has one owner, who is sure of it; and the loads are even.
    mutating func checkCalm(_ world: ClusterWorld) {
        var loads: [Int] = []
        for node in world.nodes { loads.append(node.machine?.held.count ?? 0) }
        for slot in world.slots {
            let owners = world.nodes.filter { $0.machine?.held[slot] != nil }
            let isSure = owners.allSatisfy { $0.machine?.isConfirmed(slot, at: world.now) ?? false }
            if owners.count != 1 || !isSure { report("\(slot) has the owners \(owners.map(\.id)), sure: \(isSure)") }
        }
        if let most = loads.max(), let fewest = loads.min(), most - fewest > 1 { report("loads are \(loads)") }
    }

    private mutating func report(_ violation: String) {
        if violations.count < 5 { violations.append(violation) }
    }
}

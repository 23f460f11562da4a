import PeerTreeCore
import PeerTreeSignalling
import TestSupport

@testable import PeerTreeCluster

/// Nodes that share an etcd, in virtual time: what is asked, answered and told takes its time, and in bad times longer, or
/// gets lost. All of it follows from the seed.
struct ClusterWorld {
    /// Until then anything may go wrong; afterwards nothing does.
    var troubleEnds: Instant
    var now = Instant(nanoseconds: 1_000_000_000)
    var random: SeededGenerator
    var etcd: EtcdModel
    var nodes: [SimulatedNode]
    let slots: [Slot]
    var ledger = OwnershipLedger()
    private(set) var steps = 0
    private var agenda: [(at: Instant, event: Event)] = []
    /// While etcd stands still, requests wait.
    private var etcdStalledUntil = Instant.zero
    /// Pairs of nodes between which nothing goes, and until when.
    private var cuts: [[Int]: Instant] = [:]
    private var toldHistory: Int64 = 1

    enum Event {
        case input(node: Int, life: Int, SlotOwnership.Input)
        case request(node: Int, life: Int, call: Int, EtcdRequest)
        case wake(node: Int, life: Int)
        case start(node: Int)
        case trouble
        case links
    }

    init(seed: UInt64, nodes count: Int, slots slotCount: Int, troubleFor trouble: TimeSpan) {
        random = SeededGenerator(seed: seed)
        slots = Array(Slot.inOrder.prefix(slotCount))
        etcd = EtcdModel(firstLease: Int64.random(in: 1...1 << 40, using: &random))
        nodes = (0..<count).map { SimulatedNode(number: $0) }
        troubleEnds = now + trouble
        for number in 0..<count { plan(.start(node: number), in: delay(0...1_500)) }
        plan(.trouble, in: .milliseconds(100))
        plan(.links, in: .milliseconds(50))
    }

    private var isTroubled: Bool { now < troubleEnds }

    private mutating func delay(_ milliseconds: ClosedRange<UInt64>) -> TimeSpan {
        .milliseconds(UInt64.random(in: milliseconds, using: &random))
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func plan(_ event: Event, in span: TimeSpan) { plan(event, at: now + span) }

    private mutating func plan(_ event: Event, at instant: Instant) {
        // Behind all that is planned for the same time.
        var (low, high) = (0, agenda.count)
        while low < high {
            let middle = (low + high) / 2
            if agenda[middle].at > instant { low = middle + 1 } else { high = middle }
        }
        agenda.insert((instant, event), at: low)
    }

    // MARK: Time

    /// Lets time pass, until `end`.
    mutating func run(until end: Instant) {
        while let next = agenda.last, next.at <= end {
            agenda.removeLast()
            now = max(now, next.at)
            steps += 1
            if etcdStalledUntil <= now { etcd.expire(at: now) }
            happen(next.event)
            tellWatches()
            ledger.check(self)
        }
        now = end
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .input(let node, let life, let input): deliver(input, to: node, life)
        case .request(let node, let life, let call, let request): arrive(node, life, call, request)
        case .wake(let node, let life): if nodes[node].plannedWake == now { deliver(.deadlineReached, to: node, life) }
        case .start(let node): start(node)
        case .trouble: makeTrouble()
        case .links: updateLinks()
        }
    }

    // MARK: Nodes

    private mutating func start(_ number: Int) {
        guard nodes[number].machine == nil else { return }
        nodes[number].life += 1
        nodes[number].stoppedUntil = .zero
        let id = NodeID.simulated(number, run: random.next())
        var options = OwnershipOptions()
        options.slots = slots
        options.unixMillisecondsAtZero = 1_700_000_000_000
        nodes[number].id = id
        nodes[number].known = [:]
        nodes[number].watch = nil
        nodes[number].machine = SlotOwnership(.simulated(id), options: options, at: now)
        deliver(.deadlineReached, to: number, nodes[number].life)
    }

    mutating func leave(_ number: Int) {
        for other in nodes.indices where other != number {
            deliver(.leaves(nodes[number].id), to: other, nodes[other].life)
        }
        deliver(.leaving, to: number, nodes[number].life)
    }

    private mutating func deliver(_ input: SlotOwnership.Input, to number: Int, _ life: Int) {
        guard nodes[number].life == life, nodes[number].machine != nil else { return }
        if nodes[number].stoppedUntil > now {
            return plan(.input(node: number, life: life, input), at: nodes[number].stoppedUntil)
        }
        nodes[number].machine?.handle(input, at: now)
        while let output = nodes[number].machine?.nextOutput() { take(output, of: number) }
        guard let deadline = nodes[number].machine?.deadline(at: now) else { return }
        let wake = max(deadline, now + .milliseconds(1))
        nodes[number].plannedWake = wake
        plan(.wake(node: number, life: life), at: wake)
    }

    private mutating func take(_ output: SlotOwnership.Output, of number: Int) {
        let (life, id) = (nodes[number].life, nodes[number].id)
        switch output {
        case .ask(let call, let request):
            ask(number, life, call, request)
        case .watch(let watch, let request): begin(watch, request, of: number)
        case .owns(let slot, let term):
            ledger.owns(slot, term, id, at: now)
            for other in nodes.indices where other != number && chance(30) {
                plan(
                    .input(node: other, life: nodes[other].life, .heard([slot: term])),
                    in: delay(0...(isTroubled ? 2_000 : 50))
                )
            }
        case .offer(let slot, let term, let successor):
            ledger.offers += 1
            say(.offered(slot, term), to: successor, from: number)
        case .decline(let slot, let term, let owner): say(.declined(slot, term), to: owner, from: number)
        case .letsGo, .keeps, .joined, .left, .confirmed, .noticed: break
        }
    }

    /// Over a link: in order of sending only if the delays have it so, and perhaps twice.
    private mutating func say(_ input: SlotOwnership.Input, to id: NodeID, from number: Int) {
        guard let other = nodes.firstIndex(where: { $0.id == id && $0.machine != nil }), isLinked(number, other) else {
            return
        }
        for _ in 0..<(isTroubled && chance(20) ? 2 : 1) where !(isTroubled && chance(20)) {
            plan(
                .input(node: other, life: nodes[other].life, input),
                in: delay(0...(isTroubled && chance(20) ? 4_000 : 20))
            )
        }
    }

    /// One more node starts now.
    mutating func addNode() {
        nodes.append(SimulatedNode(number: nodes.count))
        plan(.start(node: nodes.count - 1), in: .zero)
    }

    /// A node dies, and stays dead.
    mutating func kill(_ number: Int) { nodes[number].machine = nil }

    /// A node does not reach etcd for so long.
    mutating func cutOff(_ number: Int, for span: TimeSpan) { nodes[number].cutOffUntil = now + span }

    // MARK: etcd

    private mutating func ask(_ number: Int, _ life: Int, _ call: Int, _ request: EtcdRequest) {
        let late = EtcdError(.timedOut, "no answer in time")
        if nodes[number].cutOffUntil > now {
            let error = chance(50) ? EtcdError(.notConnected, "no connection") : late
            let wait = error == late ? TimeSpan.seconds(3) : .milliseconds(5)
            return plan(.input(node: number, life: life, .answered(call, .failure(error))), in: wait)
        }
        plan(.input(node: number, life: life, .answered(call, .failure(late))), in: .seconds(3))
        guard !(isTroubled && chance(5)) else { return }
        plan(
            .request(node: number, life: life, call: call, request),
            in: delay(0...(isTroubled && chance(5) ? 6_000 : 5))
        )
    }

    /// Requests of the dead arrive, too.
    private mutating func arrive(_ number: Int, _ life: Int, _ call: Int, _ request: EtcdRequest) {
        if etcdStalledUntil > now {
            return plan(.request(node: number, life: life, call: call, request), at: etcdStalledUntil)
        }
        let answer = etcd.answer(request, at: now)
        guard nodes[number].cutOffUntil <= now, !(isTroubled && chance(5)) else { return }
        plan(
            .input(node: number, life: life, .answered(call, answer)),
            in: delay(0...(isTroubled && chance(5) ? 3_000 : 5))
        )
    }

    private mutating func begin(_ number: Int, _ watch: EtcdWatch, of node: Int) {
        nodes[node].watch = nil
        guard nodes[node].cutOffUntil <= now, etcdStalledUntil <= now else {
            return plan(.input(node: node, life: nodes[node].life, .watchEnded(number)), in: .milliseconds(5))
        }
        if watch.revision <= etcd.compactRevision {
            let message = EtcdWatchMessage.compacted(compactRevision: etcd.compactRevision)
            return plan(.input(node: node, life: nodes[node].life, .watched(number, message)), in: delay(0...5))
        }
        nodes[node].watch = SimulatedWatch(number: number, told: watch.revision - 1, lastAt: now)
    }

    private mutating func tellWatches() {
        for node in nodes.indices {
            guard var watch = nodes[node].watch, watch.told < etcd.revision else { continue }
            let events = etcd.history.filter { $0.revision > watch.told }.map(\.event)
            watch.told = etcd.revision
            let isLost = nodes[node].cutOffUntil > now || isTroubled && chance(3)
            if !events.isEmpty, !isLost {
                let at = max(watch.lastAt, now + delay(0...(isTroubled && chance(10) ? 2_000 : 5)))
                watch.lastAt = at
                let message = EtcdWatchMessage.events(events, revision: etcd.revision)
                plan(.input(node: node, life: nodes[node].life, .watched(watch.number, message)), at: at)
            }
            nodes[node].watch = watch
        }
    }

    // MARK: Trouble

    private mutating func makeTrouble() {
        guard isTroubled else { return }
        let node = Int.random(in: nodes.indices, using: &random)
        // Nothing lasts longer than the time of trouble.
        let end = min(troubleEnds, now + delay(100...8_000))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20:
            nodes[node].machine = nil
            plan(.start(node: node), at: end)
        case 20..<35: nodes[node].stoppedUntil = end
        case 35..<55: nodes[node].cutOffUntil = end
        case 55..<75: cuts[[node, Int.random(in: nodes.indices, using: &random)].sorted()] = end
        case 75..<85: etcdStalledUntil = end
        case 85..<90: etcd.compact()
        case 90..<94:
            etcd.wipe()
            ledger.wipedAt = now
            for node in nodes.indices { nodes[node].watch = nil }
        default:
            if let watch = nodes[node].watch {
                plan(.input(node: node, life: nodes[node].life, .watchEnded(watch.number)), in: .zero)
            }
            nodes[node].watch = nil
        }
        plan(.trouble, in: delay(100...2_000))
    }

    private func isLinked(_ one: Int, _ other: Int) -> Bool {
        let isThere = [one, other].allSatisfy { nodes[$0].machine != nil && nodes[$0].stoppedUntil <= now }
        return isThere && (cuts[[one, other].sorted()] ?? .zero) <= now
    }

    /// Links come and go a moment after what makes them.
    private mutating func updateLinks() {
        for node in nodes.indices where nodes[node].machine != nil && nodes[node].stoppedUntil <= now {
            var links: [NodeID: Bool] = nodes[node].known.mapValues { _ in false }
            for other in nodes.indices where other != node && isLinked(node, other) { links[nodes[other].id] = true }
            for id in links.keys.sorted(by: { $0.description < $1.description })
            where nodes[node].known[id] != links[id] {
                deliver(.reachable(id, links[id] ?? false), to: node, nodes[node].life)
            }
            nodes[node].known = links
        }
        plan(.links, in: .milliseconds(200))
    }
}

extension NodeID {
    fileprivate static func simulated(_ number: Int, run: UInt64) -> NodeID {
        guard let id = NodeID(name: "node\(number)", run: run) else { preconditionFailure("node\(number) is no name") }
        return id
    }
}

extension NodeRecord {
    fileprivate static func simulated(_ id: NodeID) -> NodeRecord {
        guard let record = NodeRecord(id: id, address: "\(id.name):7000") else { preconditionFailure("no address") }
        return record
    }
}

struct SimulatedNode {
    let number: Int
    var id = NodeID.simulated(0, run: 0)
    var life = 0
    /// nil while it is dead.
    var machine: SlotOwnership?
    var plannedWake = Instant.zero
    /// It stands still, as after SIGSTOP.
    var stoppedUntil = Instant.zero
    /// It does not reach etcd.
    var cutOffUntil = Instant.zero
    var watch: SimulatedWatch?
    /// What it was told of its links.
    var known: [NodeID: Bool] = [:]
}

struct SimulatedWatch {
    var number: Int
    var told: Int64
    var lastAt: Instant
}

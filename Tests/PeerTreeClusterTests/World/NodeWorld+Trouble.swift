import NodeLinks
import PeerTreeCore

@testable import PeerTreeCluster

/// What may go wrong.
enum Trouble: CaseIterable {
    /// A node dies, and starts again.
    case crash
    /// A node stands still, and goes on later.
    case pause
    /// A node is told to stop.
    case leave
    /// Nothing goes between two nodes; what was said comes later.
    case cut
    /// What nodes say to each other is slow.
    case lag
    /// One end of a link gives its session up.
    case lostSession
    /// A node does not reach etcd.
    case cutOff
    /// etcd answers late, or not; or stands still, as without a quorum; its watches end or lose events.
    case etcd
    /// etcd has forgotten all.
    case wipe
    /// Sockets break, clients go and come.
    case clients
}

extension NodeWorld {
    mutating func makeTrouble() {
        guard isTroubled else { return endTrouble() }
        let kinds = Trouble.allCases.filter { options.troubles.contains($0) }
        let node = Int.random(in: nodes.indices, using: &random)
        // Nothing lasts longer than the time of trouble.
        let end = min(troubleEnds, now + delay(100...8_000))
        if let kind = kinds.randomElement(using: &random) { happen(kind, at: node, until: end) }
        plan(.trouble, in: delay(100...2_000))
    }

    private mutating func happen(_ kind: Trouble, at node: Int, until end: Instant) {
        let other = (node + Int.random(in: 1..<max(2, nodes.count), using: &random)) % nodes.count
        ledger.note("\(kind) at node\(node), node\(other), until \(end.milliseconds)", at: now)
        switch kind {
        case .crash:
            kill(node)
            plan(.start(node: node), at: end)
        case .pause: stop(node, until: end)
        case .leave: leave(node)
        case .cut: cuts[[node, other].sorted()] = end
        case .lag: break
        case .lostSession: endSession(of: node, with: other, .overflow)
        case .cutOff: nodes[node].cutOffUntil = end
        case .etcd: troubleEtcd(node, until: end)
        case .wipe:
            etcd.model.wipe()
            etcd.watches = [:]
        case .clients: troubleClients()
        }
    }

    private mutating func troubleEtcd(_ node: Int, until end: Instant) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: etcd.stalledUntil = end
        case 1: etcd.model.compact()
        default:
            if let watch = etcd.watches[node] {
                let address = Address(node: node, life: nodes[node].life, executor: .ownership)
                plan(.arrive(address, .ownership(.watchEnded(watch.number))), in: .zero)
            }
            etcd.watches[node] = nil
        }
    }

    private mutating func troubleClients() {
        let viewers = clients.indices.filter { clients[$0].isAlive && !clients[$0].isSource }
        switch Int.random(in: 0..<4, using: &random) {
        case 0...1: if let one = clients.indices.randomElement(using: &random) { breakSocket(one) }
        case 2: if let one = viewers.randomElement(using: &random) { end(one) }
        default: addClient(Int.random(in: trees.indices, using: &random), isSource: false)
        }
    }

    private mutating func endTrouble() {
        ledger.note("trouble is over", at: now)
        cuts = [:]
        etcd.stalledUntil = .zero
        for node in nodes.indices {
            nodes[node].cutOffUntil = .zero
            if nodes[node].process == nil { plan(.start(node: node), in: .zero) }
        }
    }
}

import PeerTreeCore

@testable import PeerTreeCluster

/// An etcd with what is between it and its clients.
struct WorldEtcd {
    var model: EtcdModel
    /// It stands still, or has no quorum.
    var stalledUntil = Instant.zero
    /// By node.
    var watches: [Int: SimulatedWatch] = [:]

    init(_ model: EtcdModel) { self.model = model }
}

extension NodeWorld {
    mutating func ask(_ request: EtcdRequest, _ call: Int, from address: Address) {
        let late = EtcdError(.timedOut, "no answer in time")
        if nodes[address.node].cutOffUntil > now {
            let isRefused = chance(50)
            let error = isRefused ? EtcdError(.notConnected, "no connection") : late
            return plan(
                .arrive(address, .ownership(.answered(call, .failure(error)))),
                in: isRefused ? .milliseconds(5) : .seconds(3)
            )
        }
        plan(.arrive(address, .ownership(.answered(call, .failure(late)))), in: .seconds(3))
        guard !(isEtcdBad && chance(5)) else { return }
        plan(.request(address, call: call, request), in: delay(0...(isEtcdBad && chance(5) ? 6_000 : 5)))
    }

    private var isEtcdBad: Bool { isTroubled && options.troubles.contains(.etcd) }

    /// Requests of the dead arrive, too.
    mutating func arrive(_ request: EtcdRequest, _ call: Int, from address: Address) {
        if etcd.stalledUntil > now {
            return plan(.request(address, call: call, request), at: etcd.stalledUntil)
        }
        let answer = etcd.model.answer(request, at: now)
        tellWatches()
        guard nodes[address.node].cutOffUntil <= now, !(isEtcdBad && chance(5)) else { return }
        plan(
            .arrive(address, .ownership(.answered(call, answer))),
            in: delay(0...(isEtcdBad && chance(5) ? 3_000 : 5))
        )
    }

    mutating func begin(_ watch: EtcdWatch, _ number: Int, of address: Address) {
        etcd.watches[address.node] = nil
        guard nodes[address.node].cutOffUntil <= now, etcd.stalledUntil <= now else {
            return plan(.arrive(address, .ownership(.watchEnded(number))), in: .milliseconds(5))
        }
        if watch.revision <= etcd.model.compactRevision {
            let message = EtcdWatchMessage.compacted(compactRevision: etcd.model.compactRevision)
            return plan(.arrive(address, .ownership(.watched(number, message))), in: delay(0...5))
        }
        etcd.watches[address.node] = SimulatedWatch(number: number, told: watch.revision - 1, lastAt: now)
    }

    mutating func expireLeases() {
        guard etcd.stalledUntil <= now else { return }
        etcd.model.expire(at: now)
        tellWatches()
    }

    private mutating func tellWatches() {
        for (node, before) in etcd.watches.sorted(by: { $0.key < $1.key }) where before.told < etcd.model.revision {
            var watch = before
            let events = etcd.model.history.filter { $0.revision > watch.told }.map(\.event)
            watch.told = etcd.model.revision
            let isLost = nodes[node].cutOffUntil > now || isEtcdBad && chance(3)
            if !events.isEmpty, !isLost {
                watch.lastAt = max(watch.lastAt, now + delay(0...(isEtcdBad && chance(10) ? 2_000 : 5)))
                let message = EtcdWatchMessage.events(events, revision: etcd.model.revision)
                let address = Address(node: node, life: nodes[node].life, executor: .ownership)
                plan(.arrive(address, .ownership(.watched(watch.number, message))), at: watch.lastAt)
            }
            etcd.watches[node] = watch
        }
    }
}

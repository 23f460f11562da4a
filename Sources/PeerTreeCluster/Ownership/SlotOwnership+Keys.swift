import PeerTreeCore
import PeerTreeSignalling
import StateMachine

// What etcd says.

extension SlotOwnership {
    mutating func followMirror(at now: Instant) {
        while let output = mirror.nextOutput() {
            switch output {
            case .list(let range): ask(.range(range), .list)
            case .watch(let number, let watch): outputs.append(.watch(number, watch))
            case .changed(let key, let state): changed(key, state, at: now)
            case .wentBack:
                incarnation.mustBeRaised = true
                outputs.append(.noticed(.storeWentBack))
            case .listed:
                if firstListed == nil { firstListed = now }
                incarnation.isBackedByList = mirror.appliedList >= incarnation.neededList
            case .tooManyKeys: outputs.append(.noticed(.tooManyKeys))
            }
        }
    }

    private mutating func changed(_ key: [UInt8], _ state: EtcdKeyValue?, at now: Instant) {
        switch keys.meaning(of: key) {
        case .incarnation: incarnationChanged(state, at: now)
        case .node(let name): nodeChanged(name, state)
        case .slot(let slot): slotChanged(slot, state, at: now)
        case nil: break
        }
    }

    private mutating func incarnationChanged(_ state: EtcdKeyValue?, at now: Instant) {
        incarnation.isBackedByList = false
        incarnation.neededList = mirror.begunLists + 1
        guard let state else { return incarnation.record = nil }
        let number = Int64(String(decoding: state.value, as: UTF8.self)).flatMap {
            (1...1 << 62).contains($0) ? $0 : nil
        }
        // What is no number is overwritten like one that is too low.
        incarnation.record = (number ?? -1, state.modRevision)
        if let number, number > incarnation.highest {
            incarnation.highest = number
            incarnation.mustBeRaised = false
            outputs.append(.noticed(.incarnationRaised(number)))
        }
        unsettled.formUnion(options.slots)
        mirror.handle(.doubted, at: now)
    }

    private mutating func nodeChanged(_ name: String, _ state: EtcdKeyValue?) {
        let record = state.flatMap { $0.lease != 0 ? NodeRecord(written: $0.value) : nil }
        let node = record?.id.name == name ? record?.id : nil
        let isStaying = node != nil && record?.isLeaving == false
        if let left = nodes[name], !isStaying || left != node { outputs.append(.left(left)) }
        nodes[name] = isStaying ? node : nil
        if isStaying, let record, let node, node != me { outputs.append(.joined(node, address: record.address)) }
        guard name == me.name else { return }
        registration.isDone = record == self.record && state?.lease == lease.lease
        if let node, node != me, !registration.hasToldOfNamesake {
            registration.hasToldOfNamesake = true
            outputs.append(.noticed(.nameTaken(by: node)))
        }
    }

    private mutating func slotChanged(_ slot: Slot, _ key: EtcdKeyValue?, at now: Instant) {
        guard var state = slots[slot] else { return }
        if let owner = state.record?.owner { loads[owner] = loads[owner].flatMap { $0 > 1 ? $0 - 1 : nil } }
        let hadRecord = state.record != nil
        // Without a lease it would stay when its owner dies: nobody wrote that here.
        state.record = key.map {
            SlotRecord(
                owner: $0.lease != 0 ? NodeID(written: $0.value) : nil,
                revision: $0.modRevision,
                lease: $0.lease
            )
        }
        if let owner = state.record?.owner {
            loads[owner, default: 0] += 1
            state.lastOwner = owner
        } else if hadRecord {
            state.goneSince = now
        }
        slots[slot] = state
        unsettled.insert(slot)
    }

    mutating func tell(_ node: NodeID, _ isReachable: Bool, at now: Instant) {
        // Of nodes long gone nothing need be known: they count as not reached since their keys were gone.
        if links.count > 1_024 { links = links.filter { $0.value.isUp } }
        if links[node]?.isUp != isReachable { links[node] = Link(isUp: isReachable, since: now) }
    }
}

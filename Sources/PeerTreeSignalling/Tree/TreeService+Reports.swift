import JSON
import PeerTreeCore

/// What native peers report.
extension TreeService {
    mutating func attached(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let stripe = try payload.integer("stripe")
        try report(.attached(peer, stripe: stripe, epoch: try payload.epoch()))
        dashboard.changed(peer)
        summarySoon(peer.tree)
    }

    mutating func orphaned(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let stripe = try payload.integer("stripe")
        let epoch = try payload.epoch()
        let reason = try payload.lossReason()
        try report(.orphaned(peer, stripe: stripe, epoch: epoch, reason: reason))
        noteLoss(by: peer, reason)
    }

    mutating func promoted(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let stripe = try payload.integer("stripe")
        let epoch = try payload.epoch()
        let reason = try payload.lossReason()
        // One that is gone meanwhile is nobody to stay with.
        let standby = memberIDs[try payload.string("standby")] ?? peer
        try report(.promoted(peer, stripe: stripe, epoch: epoch, reason: reason, standby: standby))
        noteLoss(by: peer, reason)
    }

    mutating func childLost(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let id = try payload.string("id")
        let reason = try payload.optionalString("reason").flatMap { LossReason($0) } ?? .closed
        guard let child = memberIDs[id], child.tree == peer.tree else { throw SignallingError(.notAChild) }
        var isChild = false
        // An original client has one place, whichever stripe is named.
        let stripes = members[child]?.isNative == false ? 1 : trees[peer.tree]?.layout.stripes ?? 0
        for stripe in 0..<stripes {
            let isParent = (try? tracker.parent(of: child, stripe: stripe)) == peer
            guard isParent || (try? tracker.previousParent(of: child, stripe: stripe)) == peer else { continue }
            isChild = true
            try report(.childLost(peer, child: child, stripe: stripe, reason: reason))
            dashboard.changed(child)
        }
        guard isChild else { throw SignallingError(.notAChild) }
    }

    mutating func status(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        var refusals: [SignallingError] = []
        /// A field that is not as it must be counts as absent: the others are as good as without it.
        func read<Field>(_ field: () throws(SignallingError) -> Field?) -> Field? {
            do throws(SignallingError) {
                return try field()
            } catch {
                refusals.append(error)
                return nil
            }
        }
        // The lag is the difference of two clocks: that of a viewer may be behind the source's.
        let lag = read { () throws(SignallingError) in try payload.optionalNumber("lag") }
        members[peer]?.report.lag = lag.map { max(0, $0) }
        members[peer]?.report.rate = read { () throws(SignallingError) in try payload.optionalMeasure("rate") }
        members[peer]?.report.roundTrip = read { () throws(SignallingError) in try payload.optionalMeasure("roundTrip")
        }
        _ = read { () throws(SignallingError) in try payload.optionalInteger("children") }
        let believed = read { () throws(SignallingError) in try payload.optionalInteger("depth") }
        dashboard.changed(peer)
        if let believed { correctDepth(of: peer, from: believed) }
        renewToken(of: peer)
        paceStatus(of: peer)
        summarySoon(peer.tree)
        if let first = refusals.first { throw first }
    }

    /// Tells a peer its depth if it has changed unbeknown to it: an ancestor was moved.
    private mutating func correctDepth(of peer: PeerHandle, from believed: Int) {
        guard let depth = try? tracker.depth(of: peer), depth != believed else { return }
        emit(.place, ["depth": JSONValue(depth)], to: peer)
    }

    /// Tells a peer how often to report if that has changed much: the reports of a large audience, every two seconds
    /// each, would be most of what its server does.
    private mutating func paceStatus(of peer: PeerHandle) {
        guard let viewers = try? tracker.viewerCount(of: peer.tree), let told = members[peer]?.statusInterval else {
            return
        }
        let shortest = Double(options.statusInterval.nanoseconds) / 1e9
        let wanted = max(shortest, Double(viewers) / Double(max(1, options.statusReportsPerSecond)))
        guard wanted >= told * 2 || wanted <= told / 2 else { return }
        let seconds = wanted.rounded(.up)
        members[peer]?.statusInterval = seconds
        emit(.status, ["interval": .number(seconds)], to: peer)
    }
}

import PeerTreeCore
import SocketIO

/// What native peers report.
extension SignallingService {
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
        guard let reason = OrphanReason(wireName: try payload.string("reason")) else {
            throw .badField("reason", "silent, closed, refused, unreachable, not-forwarding or slow")
        }
        try report(.orphaned(peer, stripe: stripe, epoch: epoch, reason: reason))
        dashboard.changed(peer)
    }

    mutating func childLost(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let id = try payload.string("id")
        _ = try payload.optionalString("reason")
        guard let child = memberIDs[id], child.tree == peer.tree else { throw SignallingError(.notAChild) }
        var isChild = false
        for stripe in 0..<(trees[peer.tree]?.stripes ?? 0) {
            let isParent = (try? tracker.parent(of: child, stripe: stripe)) == peer
            guard isParent || (try? tracker.previousParent(of: child, stripe: stripe)) == peer else { continue }
            isChild = true
            try report(.childLost(peer, child: child, stripe: stripe))
            dashboard.changed(child)
        }
        guard isChild else { throw SignallingError(.notAChild) }
    }

    mutating func status(_ value: JSONValue?, from peer: PeerHandle) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        let lag = try payload.optionalMeasure("lag")
        let rate = try payload.optionalMeasure("rate")
        let roundTrip = try payload.optionalMeasure("roundTrip")
        _ = try payload.optionalInteger("children")
        members[peer]?.report.lag = lag
        members[peer]?.report.rate = rate
        members[peer]?.report.roundTrip = roundTrip
        dashboard.changed(peer)
        if let believed = try payload.optionalInteger("depth") { correctDepth(of: peer, from: believed) }
        renewToken(of: peer)
        paceStatus(of: peer)
        summarySoon(peer.tree)
    }

    /// Tells a peer its depth if it has changed unbeknown to it: an ancestor was moved.
    private mutating func correctDepth(of peer: PeerHandle, from believed: Int) {
        guard let depth = try? tracker.depth(of: peer), depth != believed else { return }
        emit(SignallingEvent.place, ["depth": JSONValue(depth)], to: peer)
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
        emit(SignallingEvent.status, ["interval": .number(seconds)], to: peer)
    }
}

extension OrphanReason {
    init?(wireName: String) {
        switch wireName {
        case "silent": self = .silent
        case "closed": self = .closed
        case "refused": self = .refused
        case "unreachable": self = .unreachable
        case "not-forwarding": self = .notForwarding
        case "slow": self = .slow
        default: return nil
        }
    }
}

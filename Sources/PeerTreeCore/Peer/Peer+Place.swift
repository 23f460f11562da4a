// Where a peer is, for a server that has lost its memory.

/// One live link of a peer, in one stripe.
public struct PeerPlace: Equatable, Sendable {
    /// Whether the neighbour feeds this peer or is fed by it.
    public var role: NeighbourRole
    /// The neighbour.
    public var remote: RemoteID
    /// The link to it.
    public var link: LinkID
    /// What is fed.
    public var stripe: UInt8
    /// The epoch of the assignment that the parent came with, or of the one this peer is about to carry out; 0 for a
    /// child.
    public var epoch: UInt32
}

extension Peer {
    /// The links over which the stream flows now: at most one parent per stripe, and every stripe of every child that
    /// speaks our protocol. Children by the server's word come before those that have only turned to this peer since they
    /// lost their parent: should there be more than slots, the server keeps the first.
    public var places: [PeerPlace] {
        var places: [PeerPlace] = []
        for (index, upstream) in upstreams.enumerated() {
            guard let id = upstream.feedingLink, let link = links[id] else { continue }
            let stripe = UInt8(truncatingIfNeeded: index)
            places.append(
                PeerPlace(role: .parent, remote: link.remote, link: id, stripe: stripe, epoch: upstream.epoch)
            )
        }
        appendChildren(to: &places) { admissions.isChild($0) }
        appendChildren(to: &places) { !admissions.isChild($0) }
        return places
    }

    private func appendChildren(to places: inout [PeerPlace], where isMeant: (RemoteID) -> Bool) {
        for id in links.children {
            guard let link = links[id], link.mode == .native, isMeant(link.remote) else { continue }
            for subscription in link.feeding.subscriptions where admissions.allow(link.remote, subscription.stripe) {
                let stripe = subscription.stripe
                places.append(PeerPlace(role: .child, remote: link.remote, link: id, stripe: stripe, epoch: 0))
            }
        }
    }
}

extension Upstream {
    /// The link to the parent that feeds this stripe, or, if none does yet, to the one that was asked to.
    var feedingLink: LinkID? {
        if case .active(let link) = phase { return link }
        return former ?? link
    }
}

// What the server says of children, and of who stands by for whom.

extension Membership {
    /// Passes on how many children there may be and where this peer is, if it is news.
    mutating func sayPlace() {
        guard phase == .member else { return }
        let slotsOfChild = place.stripes.count - place.parity
        let slots = server.isNative ? (capacity ?? Self.mostChildren) * slotsOfChild : nil
        let word = AssignedPlace.Word(slots: slots, depth: depth ?? 0)
        guard word != place.said else { return }
        place.said = word
        emit(.placed(slots: slots, depth: word.depth))
    }

    /// What a server admits at most that does not say how many.
    private static var mostChildren: Int { 64 }

    mutating func admitted(_ id: Text, _ stripe: UInt8) {
        guard phase == .member, Int(stripe) < place.stripes.count else { return }
        let remote = remotes.number(of: id)
        place.admit(remote, stripe)
        emit(.admitted(remote, stripe: stripe))
    }

    mutating func released(_ id: Text, _ stripe: UInt8) {
        guard let remote = remotes.known(id) else { return }
        place.release(remote, stripe)
        emit(.childReleased(remote, stripe: stripe))
        guard !place.admissions.contains(where: { $0.child == remote }) else { return }
        // Who came and went in the middle of connecting must not take up the place of those who stay.
        for session in sessions.values where session.remote == remote && session.role == .child && session.isPending {
            drop(session)
        }
    }

    // MARK: Standbys

    mutating func admittedWard(_ id: Text) {
        guard phase == .member else { return }
        let remote = remotes.number(of: id)
        place.admitWard(remote)
        emit(.wardAdmitted(remote))
    }

    mutating func releasedWard(_ id: Text) {
        guard let remote = remotes.known(id) else { return }
        place.releaseWard(remote)
        emit(.wardReleased(remote))
    }

    /// Who stands by for this peer, or that nobody does.
    mutating func stoodBy(_ id: Text?) {
        guard phase == .member, !isSource else { return }
        place.standby = id.map { remotes.number(of: $0) }
        emit(.standby(place.standby))
    }

    // MARK: Doubts

    /// The server has lost sight of a neighbour. Native links find out by themselves and report; of one that is gone
    /// already the report may have been lost.
    mutating func suspected(_ id: Text) {
        guard phase == .member, let remote = remotes.known(id),
            place.admissions.contains(where: { $0.child == remote }),
            !sessions.values.contains(where: { $0.remote == remote && !$0.isClosing })
        else { return }
        tell(.childLost(id, .closed))
    }
}

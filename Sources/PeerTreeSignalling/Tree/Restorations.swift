import PeerTreeCore

/// What a service has to know of the trees that an earlier one had: who has come back, for whom is waited, and what is over.
struct Restorations {
    /// What restored peers said of links that are not settled yet.
    var claims: [PeerHandle: RestorationClaim] = [:]
    /// Restored peers by the id of a parent that has not come back yet.
    var awaitedParents: [String: [PeerHandle]] = [:]
    /// Whom this service has restored: no token of theirs from before is good again once they are gone. As many as there
    /// were peers when the one before it was gone, at most.
    var restoredNumbers: Set<UInt64> = []
    /// Joins of trees that may come back.
    var waitingJoins = WaitingJoins()
    /// Trees that are over, for as long as there may be tokens of them: none of those makes them anew.
    var endedTrees = Tombstones()
    /// When the service came to have its trees, or could first be reached.
    var takenOverAt: Instant

    init(takenOverAt: Instant) {
        self.takenOverAt = takenOverAt
    }
}

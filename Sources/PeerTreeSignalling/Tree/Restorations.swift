import PeerTreeCore

/// What a service has to know of the trees that an earlier one had: who has come back, for whom is waited, and what is over.
struct Restorations {
    /// What restored peers said of links that are not settled yet.
    var claims: [PeerHandle: RestorationClaim] = [:]
    /// Restored peers by the id of a parent that has not come back yet.
    var awaitedParents: [String: [PeerHandle]] = [:]
    /// Whom this service has restored, by the slots of their trees: no token of theirs from before is good again once they
    /// are gone. As many as there were peers when the one before it was gone, at most.
    private var restoredNumbers: [Slot: Set<UInt64>] = [:]
    /// Joins of trees that may come back.
    var waitingJoins = WaitingJoins()
    /// Trees that are over, for as long as there may be tokens of them: none of those makes them anew.
    var endedTrees = Tombstones()

    /// Whether whoever could show the token has been restored.
    func hasRestored(_ token: ResumeToken) -> Bool {
        restoredNumbers[token.slot]?.contains(token.number) ?? false
    }

    mutating func noteRestored(_ token: ResumeToken) {
        restoredNumbers[token.slot, default: []].insert(token.number)
    }

    /// Slots are another service's: what was known of them is out of date by the time they come back.
    mutating func forget(_ slots: Set<Slot>) {
        for slot in slots { restoredNumbers[slot] = nil }
        waitingJoins.removeAll(of: slots)
        endedTrees.removeAll(of: slots)
    }
}

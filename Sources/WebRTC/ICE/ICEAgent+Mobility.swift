import NIOCore

// Moving to another pair when an address of either side changes, without signalling. A pair is *doubted* when this
// host's addresses change, or when the peer, known by its credentials, asks from elsewhere: then the selected pair is
// questioned in quick succession while others are checked, and given up for one that works.
extension ICEAgent {
    mutating func networkChanged(at now: NIODeadline) {
        self.revive([.failed, .succeeded], at: now)
        self.doubt.reset()
        self.beginDoubt(at: now)
    }

    /// Starts the test of the selected pair, at most once a second.
    mutating func beginDoubt(at now: NIODeadline) {
        guard self.checklist.selectedIndex != nil, self.doubt.begin(at: now) else { return }
        // What worked once may work again, but must show it.
        self.checklist.revive([.succeeded], bases: Set(self.candidates.bases.map(\.base)))
        if self.checklist.hasWaiting, self.due.check == nil { self.due.check = now }
    }

    /// The selected pair has answered.
    mutating func endDoubt(at now: NIODeadline) {
        guard self.doubt.isUnderWay else { return }
        self.doubt.end()
        if self.selected?.isNominated == true { self.checklist.dropWaiting() }
    }

    mutating func runDoubt(at now: NIODeadline) {
        guard let due = self.doubt.nextAt, due <= now, let index = self.checklist.selectedIndex else { return }
        guard self.doubt.attempts < self.configuration.probeAttempts else {
            self.doubt.end()
            return self.giveUpSelected(at: now)
        }
        let trip = self.checklist.pairs[index].roundTripTime ?? .nanoseconds(0)
        self.doubt.asked(nextAt: now + max(self.configuration.probeInterval, trip * 2))
        // Nominated again, since to the peer it may be a new pair.
        let nominates = self.role == .controlling && self.checklist.pairs[index].isNominated
        self.sendRequest(index, nominates: nominates, at: now)
    }

    /// Goes over to another pair that works, or waits, disconnected, for one.
    private mutating func giveUpSelected(at now: NIODeadline) {
        guard self.checklist.selectedIndex != nil else { return }
        guard self.checklist.giveUpSelected() else { return self.move(to: .disconnected) }
        self.reselect(at: now)
        self.nominateBest(at: now)
    }

    mutating func remove(base: Int, at now: NIODeadline) {
        self.candidates.remove(base: base)
        self.checklist.fail(base: base)
        guard self.selected?.base == base else { return }
        self.revive([.failed, .succeeded], at: now)
        self.doubt.end()
        self.giveUpSelected(at: now)
    }

    /// Puts pairs in these states back on the checklist, and begins with them at once.
    private mutating func revive(_ states: [CandidatePair.State], at now: NIODeadline) {
        self.checklist.revive(states, bases: Set(self.candidates.bases.map(\.base)))
        if self.remote != nil, self.checklist.hasWaiting { self.due.check = now }
    }
}

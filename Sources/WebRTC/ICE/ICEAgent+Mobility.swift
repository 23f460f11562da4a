import NIOCore

// Moving to another pair when an address of either side changes, without signalling. A pair is *doubted* when this
// host's addresses change, or when the peer, known by its credentials, asks from elsewhere: then the selected pair is
// questioned in quick succession while others are checked, and given up for one that works.
extension ICEAgent {
    mutating func networkChanged(at now: NIODeadline) {
        self.revive { state in state == .failed || state == .succeeded }
        if self.remote != nil, self.pairs.contains(where: { $0.state == .waiting }) { self.nextCheckAt = now }
        self.doubt = nil
        self.doubtedAt = nil
        self.beginDoubt(at: now)
    }

    /// Starts the test of the selected pair, at most once a second.
    mutating func beginDoubt(at now: NIODeadline) {
        guard self.doubt == nil, self.selectedIndex != nil else { return }
        if let doubtedAt, now - doubtedAt < .seconds(1) { return }
        self.doubtedAt = now
        self.doubt = Doubt(nextAt: now)
        // What worked once may work again, but must show it.
        self.revive { state in state == .succeeded }
        if self.pairs.contains(where: { $0.state == .waiting }), self.nextCheckAt == nil { self.nextCheckAt = now }
    }

    /// The selected pair has answered.
    mutating func endDoubt(at now: NIODeadline) {
        guard self.doubt != nil else { return }
        self.doubt = nil
        guard self.selected?.isNominated == true else { return }
        for index in self.pairs.indices where index != self.selectedIndex && self.pairs[index].state == .waiting {
            self.pairs[index].state = .failed
        }
    }

    mutating func runDoubt(at now: NIODeadline) {
        guard let doubt, doubt.nextAt <= now, let index = self.selectedIndex else { return }
        guard doubt.attempts < self.configuration.probeAttempts else {
            self.doubt = nil
            return self.giveUpSelected(at: now)
        }
        let trip = self.pairs[index].roundTripTime ?? .nanoseconds(0)
        self.doubt = Doubt(attempts: doubt.attempts + 1, nextAt: now + max(self.configuration.probeInterval, trip * 2))
        // Nominated again, since to the peer it may be a new pair.
        let nominates = self.role == .controlling && self.pairs[index].isNominated
        self.sendRequest(index, nominates: nominates, at: now)
    }

    /// Goes over to another pair that works, or waits, disconnected, for one.
    private mutating func giveUpSelected(at now: NIODeadline) {
        guard let index = self.selectedIndex else { return }
        self.pairs[index].state = .failed
        self.pairs[index].retransmitAt = nil
        self.pairs[index].isNominated = false
        self.pairs[index].wantsNomination = false
        self.isSelectedDead = true
        if self.pairs.contains(where: { $0.state == .succeeded }) {
            self.choose(at: now)
            self.nominateBest(at: now)
        } else {
            self.move(to: .disconnected)
        }
    }

    mutating func remove(base: Int, at now: NIODeadline) {
        self.localBases.removeAll { $0.base == base }
        self.localCandidates.removeAll { $0.base == base }
        self.triggered.removeAll { self.pairs[$0].base == base }
        for index in self.pairs.indices where self.pairs[index].base == base && index != self.selectedIndex {
            self.pairs[index].state = .failed
            self.pairs[index].retransmitAt = nil
        }
        guard let selected, selected.base == base else { return }
        self.revive { state in state == .failed || state == .succeeded }
        if self.pairs.contains(where: { $0.state == .waiting }) { self.nextCheckAt = now }
        self.doubt = nil
        self.giveUpSelected(at: now)
    }

    /// Puts pairs in these states, other than the selected one, back on the checklist.
    private mutating func revive(_ condition: (CandidatePair.State) -> Bool) {
        for index in self.pairs.indices where index != self.selectedIndex && condition(self.pairs[index].state) {
            guard self.localBases.contains(where: { $0.base == self.pairs[index].base }) else { continue }
            self.pairs[index].state = .waiting
            self.pairs[index].attempts = 0
            self.pairs[index].retransmitAt = nil
        }
    }
}

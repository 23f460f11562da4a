import NIOCore

// Which of the pairs that work is used (RFC 8445 section 8).
extension ICEAgent {
    /// Nominations that come so close together are of one negotiation, in which the higher priority counts; a later one
    /// means that the peer has changed its mind.
    private static let nominationSpan = TimeAmount.seconds(3)
    /// For so long after a nomination, checks of other pairs are still under way in the network.
    private static let settlingTime = TimeAmount.seconds(1)

    /// Both sides have agreed on the selected pair, and not just now.
    func isSettled(at now: NIODeadline) -> Bool {
        guard let selected, let nominatedAt = selected.nominatedAt else { return false }
        return selected.isNominated && now - nominatedAt >= Self.settlingTime
    }

    /// A check on this pair has been answered.
    mutating func succeed(_ index: Int, at now: NIODeadline) {
        self.checklist.pairs[index].state = .succeeded
        self.checklist.pairs[index].retransmitAt = nil
        self.checklist.pairs[index].attempts = 0
        if self.role == .controlled, self.checklist.pairs[index].wantsNomination { self.nominate(index, at: now) }
        self.reselect(at: now)
        guard self.role == .controlling, !self.checklist.isDecided else { return }
        let pair = self.checklist.pairs[index]
        let isBetterPending = self.checklist.pairs.contains {
            $0.priority > pair.priority && ($0.state == .waiting || $0.state == .inProgress)
        }
        let isMoreToCome = pair.isRelayed && !self.candidates.isComplete
        guard isBetterPending || isMoreToCome else { return self.nominateBest(at: now) }
        let delay = pair.isRelayed ? self.configuration.relayNominationDelay : self.configuration.nominationDelay
        self.due.nomination = min(self.due.nomination ?? .distantFuture, now + delay)
    }

    mutating func nominate(_ index: Int, at now: NIODeadline) {
        if !self.checklist.pairs[index].isNominated { self.checklist.pairs[index].nominatedAt = now }
        self.checklist.pairs[index].isNominated = true
    }

    mutating func nominateBest(at now: NIODeadline) {
        self.due.nomination = nil
        guard self.role == .controlling,
            !self.checklist.pairs.contains(where: { $0.isNominated || $0.wantsNomination }),
            let best = self.checklist.pairs.indices.filter({ self.checklist.pairs[$0].state == .succeeded })
                .max(by: { self.checklist.pairs[$0].priority < self.checklist.pairs[$1].priority })
        else { return }
        self.checklist.pairs[best].wantsNomination = true
        // In progress again, so that a lost nomination is sent again. Data flows on it meanwhile.
        self.checklist.pairs[best].state = .inProgress
        self.beginCheck(best, at: now)
    }

    /// Selects anew after something about the pairs has changed, and draws the consequences.
    mutating func reselect(at now: NIODeadline) {
        self.choose()
        guard let selectedIndex = self.checklist.selectedIndex else { return }
        if self.checklist.pairs[selectedIndex].isNominated {
            self.checklist.end(for: selectedIndex)
            (self.due.check, self.due.nomination) = (nil, nil)
        }
        self.due.failure = nil
        if self.due.consent == nil { self.scheduleConsent(at: now) }
        // Being selected is no sign of life: that, only answers are.
        if self.hasConsent(selectedIndex, at: now) { self.move(to: .connected) }
    }

    /// Selects the best nominated pair, or else the best valid one.
    private mutating func choose() {
        guard let chosen = self.checklist.select(by: Self.isWorse) else { return }
        self.doubt.end()
        self.emit(.use(chosen))
    }

    private static func isWorse(_ first: CandidatePair, than second: CandidatePair) -> Bool {
        guard first.isNominated == second.isNominated else { return second.isNominated }
        if let a = first.nominatedAt, let b = second.nominatedAt, first.isNominated {
            if a + Self.nominationSpan < b { return true }
            if b + Self.nominationSpan < a { return false }
        }
        return first.priority < second.priority
    }

    mutating func failIfHopeless(at now: NIODeadline) {
        guard self.checklist.selectedIndex == nil else { return }
        if let due = self.due.failure, due <= now { return self.move(to: .failed) }
        if self.checklist.isExhausted, self.candidates.isComplete { self.move(to: .failed) }
    }
}

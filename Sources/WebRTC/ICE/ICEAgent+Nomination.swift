import NIOCore

// Which of the pairs that work is used (RFC 8445 section 8).
extension ICEAgent {
    /// Nominations that come so close together are of one negotiation, in which the higher priority counts; a later one
    /// means that the peer has changed its mind.
    private static let nominationSpan = TimeAmount.seconds(3)
    /// For so long after a nomination, checks of other pairs are still under way in the network.
    private static let settlingTime = TimeAmount.seconds(1)

    /// A pair was nominated.
    var isDecided: Bool { self.pairs.contains { $0.isNominated } }

    /// Both sides have agreed on the selected pair, and not just now.
    func isSettled(at now: NIODeadline) -> Bool {
        guard let selected, let nominatedAt = selected.nominatedAt else { return false }
        return selected.isNominated && now - nominatedAt >= Self.settlingTime
    }

    /// A check on this pair has been answered.
    mutating func succeed(_ index: Int, at now: NIODeadline) {
        self.pairs[index].state = .succeeded
        self.pairs[index].retransmitAt = nil
        self.pairs[index].attempts = 0
        if self.role == .controlled, self.pairs[index].wantsNomination { self.nominate(index, at: now) }
        self.choose(at: now)
        guard self.role == .controlling, !self.isDecided else { return }
        let pair = self.pairs[index]
        let isBetterPending = self.pairs.contains {
            $0.priority > pair.priority && ($0.state == .waiting || $0.state == .inProgress)
        }
        let isMoreToCome = pair.isRelayed && !(self.localEnded && self.remoteEnded)
        guard isBetterPending || isMoreToCome else { return self.nominateBest(at: now) }
        let delay = pair.isRelayed ? self.configuration.relayNominationDelay : self.configuration.nominationDelay
        self.nominateAt = min(self.nominateAt ?? .distantFuture, now + delay)
    }

    mutating func nominate(_ index: Int, at now: NIODeadline) {
        if !self.pairs[index].isNominated { self.pairs[index].nominatedAt = now }
        self.pairs[index].isNominated = true
    }

    mutating func nominateBest(at now: NIODeadline) {
        self.nominateAt = nil
        guard self.role == .controlling, !self.pairs.contains(where: { $0.isNominated || $0.wantsNomination }),
            let best = self.pairs.indices.filter({ self.pairs[$0].state == .succeeded })
                .max(by: { self.pairs[$0].priority < self.pairs[$1].priority })
        else { return }
        self.pairs[best].wantsNomination = true
        // In progress again, so that a lost nomination is sent again. Data flows on it meanwhile.
        self.pairs[best].state = .inProgress
        self.beginCheck(best, at: now)
    }

    /// Uses the best nominated pair, or else the best valid one.
    mutating func choose(at now: NIODeadline) {
        let usable = self.pairs.indices.filter {
            self.pairs[$0].state == .succeeded || ($0 == self.selectedIndex && !self.isSelectedDead)
        }
        guard let best = usable.max(by: { self.isWorse(self.pairs[$0], than: self.pairs[$1]) }) else { return }
        if best != self.selectedIndex {
            self.selectedIndex = best
            self.doubt = nil
            self.emit(.use(self.pairs[best]))
        }
        self.isSelectedDead = false
        if self.pairs[best].isNominated { self.endChecks(for: best) }
        self.consentReceivedAt = now
        self.unansweredConsents = 0
        self.failAt = nil
        if self.nextConsentAt == nil { self.scheduleConsent(at: now) }
        self.move(to: .connected)
    }

    private func isWorse(_ first: CandidatePair, than second: CandidatePair) -> Bool {
        guard first.isNominated == second.isNominated else { return second.isNominated }
        if let a = first.nominatedAt, let b = second.nominatedAt, first.isNominated {
            if a + Self.nominationSpan < b { return true }
            if b + Self.nominationSpan < a { return false }
        }
        return first.priority < second.priority
    }

    /// The checklist is complete: no further ordinary checks (RFC 8445 section 8.1.2).
    private mutating func endChecks(for chosen: Int) {
        for index in self.pairs.indices where index != chosen {
            self.pairs[index].isNominated = false
            self.pairs[index].wantsNomination = false
            if self.pairs[index].state == .waiting || self.pairs[index].state == .inProgress {
                self.pairs[index].state = .failed
            }
        }
        self.triggered = []
        self.nextCheckAt = nil
        self.nominateAt = nil
    }

    mutating func failIfHopeless(at now: NIODeadline) {
        guard self.selectedIndex == nil else { return }
        if let due = self.failAt, due <= now { return self.move(to: .failed) }
        let allFailed = !self.pairs.isEmpty && self.pairs.allSatisfy { $0.state == .failed }
        if allFailed, self.remoteEnded, self.localEnded { self.move(to: .failed) }
    }
}

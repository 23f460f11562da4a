import NIOCore

// The checklist: which pairs exist, which is checked next, which is used (RFC 8445 sections 6.1 to 8).
extension ICEAgent {
    mutating func add(local candidate: ICECandidate, base: Int, at now: NIODeadline) {
        let limit = self.configuration.maximumRemoteCandidates
        guard self.candidates.add(local: candidate, base: base, limit: limit), self.remote != nil else { return }
        for remote in self.candidates.remote { self.pair(with: remote, at: now) }
    }

    mutating func add(remote candidate: ICECandidate, at now: NIODeadline) {
        let limit = self.configuration.maximumRemoteCandidates
        guard self.candidates.add(remote: candidate, limit: limit) else { return }
        // The pair may exist already, with a peer-reflexive candidate whose type and priority are only now known.
        for index in self.checklist.pairs.indices
        where self.checklist.pairs[index].remote.address == candidate.address {
            self.checklist.pairs[index].remote = candidate
            self.checklist.pairs[index].priority = self.priority(of: self.checklist.pairs[index])
        }
        guard self.remote != nil else { return }
        // A peer that finds a candidate long after a pair was agreed on has lost an address, or its relay.
        if self.isSettled(at: now) { self.beginDoubt(at: now) }
        self.pair(with: candidate, at: now)
    }

    mutating func pair(with candidate: ICECandidate, at now: NIODeadline) {
        for (base, best) in self.candidates.bases where best.address.family == candidate.address.family {
            guard self.checklist.index(base: base, remote: candidate.address) == nil else { continue }
            // Once a pair is in use and not in doubt, others are only kept for the day it dies.
            let isChecked = !self.checklist.isDecided || self.checklist.isSelectedDead || self.doubt.isUnderWay
            let index = self.appendPair(base: base, local: best, remote: candidate, isChecked: isChecked)
            if index != nil, isChecked, self.due.check == nil { self.due.check = now }
        }
    }

    mutating func appendPair(
        base: Int,
        local: ICECandidate,
        remote: ICECandidate,
        isChecked: Bool
    ) -> Int? {
        var pair = CandidatePair(base: base, local: local, remote: remote, priority: 0)
        pair.priority = self.priority(of: pair)
        pair.state = isChecked ? .waiting : .failed
        return self.checklist.add(pair, limit: self.configuration.maximumPairs)
    }

    func priority(of pair: CandidatePair) -> UInt64 {
        switch self.role {
        case .controlling:
            CandidatePair.priority(controlling: pair.local.priority, controlled: pair.remote.priority)
        case .controlled:
            CandidatePair.priority(controlling: pair.remote.priority, controlled: pair.local.priority)
        }
    }

    // MARK: - Timers

    mutating func runTimers(at now: NIODeadline) {
        guard self.remote != nil else { return }
        self.retransmit(at: now)
        if let due = self.due.check, due <= now { self.startNextCheck(at: now) }
        if let due = self.due.nomination, due <= now { self.nominateBest(at: now) }
        self.runDoubt(at: now)
        self.runConsent(at: now)
        self.failIfHopeless(at: now)
    }

    private mutating func startNextCheck(at now: NIODeadline) {
        guard let next = self.checklist.takeNext() else {
            self.due.check = nil
            return
        }
        self.beginCheck(next.index, at: now)
        self.due.check = next.isLast ? nil : now + self.configuration.pacing
    }

    mutating func beginCheck(_ index: Int, at now: NIODeadline) {
        if self.checklist.pairs[index].state != .succeeded { self.checklist.pairs[index].state = .inProgress }
        self.checklist.pairs[index].attempts = 0
        self.sendCheck(index, at: now)
    }

    private mutating func retransmit(at now: NIODeadline) {
        for index in self.checklist.pairs.indices where self.checklist.pairs[index].state == .inProgress {
            guard let due = self.checklist.pairs[index].retransmitAt, due <= now else { continue }
            // The nomination of a pair that works is repeated for as long as the pair works, which consent decides.
            if self.checklist.pairs[index].attempts >= self.configuration.attempts,
                index != self.checklist.selectedIndex
            {
                self.checklist.pairs[index].fail()
            } else {
                self.sendCheck(index, at: now)
            }
        }
    }

    private mutating func sendCheck(_ index: Int, at now: NIODeadline) {
        let attempts = self.checklist.pairs[index].attempts
        self.checklist.pairs[index].attempts = attempts + 1
        let backoff = self.configuration.retransmission * (1 << min(attempts, 3))
        self.checklist.pairs[index].retransmitAt = now + backoff
        self.sendRequest(
            index,
            nominates: self.role == .controlling && self.checklist.pairs[index].wantsNomination,
            at: now
        )
    }

    /// Sends a Binding request on a pair (RFC 8445 section 7.2.4).
    mutating func sendRequest(_ index: Int, nominates: Bool, at now: NIODeadline) {
        guard let remote = self.remote else { return }
        self.checklist.pairs[index].requestsSent &+= 1
        let pair = self.checklist.pairs[index]
        let nonce = UInt64.random(in: .min ... .max, using: &self.random)
        self.transactions.add(nonce, .init(pair: index, sentAt: now, role: self.role, nominates: nominates))
        var request = STUNMessage(
            messageClass: .request,
            transactionID: STUNTransactionID(connection: self.connection, nonce: nonce)
        )
        request.username = remote.usernameFragment + ":" + self.local.usernameFragment
        // What our candidate would be if the peer learnt it from this check.
        let type = ICECandidate.CandidateType.peerReflexive
        request.priority = type.preference << 24 | pair.local.priority & 0x00FF_FFFF
        request.useCandidate = nominates
        switch self.role {
        case .controlling: request.controlling = self.tieBreaker
        case .controlled: request.controlled = self.tieBreaker
        }
        self.emit(.send(request.encoded(password: remote.password), to: pair.remote.address, base: pair.base))
    }

    // MARK: - Consent (RFC 7675)

    mutating func scheduleConsent(at now: NIODeadline) {
        let base = self.configuration.consentInterval.nanoseconds
        let factor = Int64.random(in: 80...120, using: &self.random)
        self.due.consent = now + .nanoseconds(base / 100 * factor)
    }

    private mutating func runConsent(at now: NIODeadline) {
        guard let index = self.checklist.selectedIndex, let heard = self.checklist.pairs[index].consent.receivedAt,
            let due = self.due.consent, due <= now
        else { return }
        let silence = now - heard
        // A host that slept or was overloaded may look back on a long silence without having asked: ask first.
        if silence >= self.configuration.consentTimeout, self.checklist.pairs[index].consent.unanswered >= 3 {
            return self.move(to: .failed)
        }
        if silence >= self.configuration.disconnectedTimeout { self.move(to: .disconnected) }
        self.sendRequest(index, nominates: false, at: now)
        self.checklist.pairs[index].consent.unanswered += 1
        self.scheduleConsent(at: now)
        // Silence must be noticed when it is due, not only at the next check.
        let expiry = heard + self.configuration.consentTimeout
        if let next = self.due.consent, expiry < next, expiry > now { self.due.consent = expiry }
    }

    /// Notes the answer to a request on a pair.
    mutating func renewConsent(of index: Int, at now: NIODeadline) {
        self.checklist.pairs[index].consent = CandidatePair.Consent(receivedAt: now)
        guard index == self.checklist.selectedIndex else { return }
        self.endDoubt(at: now)
        if self.state == .disconnected { self.move(to: .connected) }
    }

    /// Whether the peer has lately agreed to be sent data on a pair.
    func hasConsent(_ index: Int, at now: NIODeadline) -> Bool {
        guard let silence = self.checklist.pairs[index].consent.silence(at: now) else { return false }
        return silence < self.configuration.disconnectedTimeout
    }
}

import NIOCore

// The checklist: which pairs exist, which is checked next, which is used (RFC 8445 sections 6.1 to 8).
extension ICEAgent {
    mutating func add(local candidate: ICECandidate, base: Int, at now: NIODeadline) {
        if self.localCandidates.count < self.configuration.maximumRemoteCandidates {
            self.localCandidates.append((candidate, base))
        }
        if let index = self.localBases.firstIndex(where: { $0.base == base }) {
            if candidate.priority > self.localBases[index].best.priority { self.localBases[index].best = candidate }
            return
        }
        self.localBases.append((base, candidate))
        guard self.remote != nil else { return }
        for remote in self.remoteCandidates { self.pair(with: remote, at: now) }
    }

    mutating func add(remote candidate: ICECandidate, at now: NIODeadline) {
        guard self.remoteCandidates.count < self.configuration.maximumRemoteCandidates,
            !self.remoteCandidates.contains(where: { $0.address == candidate.address })
        else { return }
        self.remoteCandidates.append(candidate)
        // The pair may exist already, with a peer-reflexive candidate whose type and priority are only now known.
        for index in self.pairs.indices where self.pairs[index].remote.address == candidate.address {
            self.pairs[index].remote = candidate
            self.pairs[index].priority = self.priority(of: self.pairs[index])
        }
        guard self.remote != nil else { return }
        // A peer that finds a candidate long after a pair was agreed on has lost an address, or its relay.
        if self.isSettled(at: now) { self.beginDoubt(at: now) }
        self.pair(with: candidate, at: now)
    }

    mutating func pair(with candidate: ICECandidate, at now: NIODeadline) {
        for (base, best) in self.localBases where best.address.family == candidate.address.family {
            guard self.index(base: base, remote: candidate.address) == nil else { continue }
            // Once a pair is in use and not in doubt, others are only kept for the day it dies.
            let isChecked = !self.isDecided || self.isSelectedDead || self.doubt != nil
            let index = self.appendPair(base: base, local: best, remote: candidate, isChecked: isChecked)
            if index != nil, isChecked, self.nextCheckAt == nil { self.nextCheckAt = now }
        }
    }

    /// Adds a pair; where there are too many, in place of the least promising one, if that is less so than the new one.
    mutating func appendPair(
        base: Int,
        local: ICECandidate,
        remote: ICECandidate,
        isChecked: Bool
    ) -> Int? {
        var pair = CandidatePair(base: base, local: local, remote: remote, priority: 0)
        pair.priority = self.priority(of: pair)
        pair.state = isChecked ? .waiting : .failed
        if self.pairs.count < self.configuration.maximumPairs {
            self.pairs.append(pair)
            return self.pairs.count - 1
        }
        let victim = self.pairs.indices
            .filter { index in
                let state = self.pairs[index].state
                return (state == .waiting || state == .failed) && index != self.selectedIndex
                    && !self.triggered.contains(index)
            }
            .min { self.pairs[$0].priority < self.pairs[$1].priority }
        // Answers to checks of the old pair do not fit the new one's addresses, and are dropped.
        guard let victim, self.pairs[victim].priority < pair.priority else { return nil }
        self.pairs[victim] = pair
        return victim
    }

    /// The local candidate by which the peer sees this side.
    func localCandidate(seenAs address: TransportAddress, base: Int) -> ICECandidate? {
        let known = self.localCandidates.first { $0.base == base && $0.candidate.address == address }
        if let known { return known.candidate }
        guard let best = self.localBases.first(where: { $0.base == base })?.best else { return nil }
        let type = ICECandidate.CandidateType.peerReflexive
        return ICECandidate(
            foundation: "prflx",
            priority: type.preference << 24 | best.priority & 0x00FF_FFFF,
            address: address,
            type: type,
            relatedAddress: best.address
        )
    }

    func priority(of pair: CandidatePair) -> UInt64 {
        switch self.role {
        case .controlling:
            CandidatePair.priority(controlling: pair.local.priority, controlled: pair.remote.priority)
        case .controlled:
            CandidatePair.priority(controlling: pair.remote.priority, controlled: pair.local.priority)
        }
    }

    func index(base: Int, remote: TransportAddress) -> Int? {
        self.pairs.firstIndex { $0.base == base && $0.remote.address == remote }
    }

    // MARK: - Timers

    mutating func runTimers(at now: NIODeadline) {
        guard self.remote != nil else { return }
        self.retransmit(at: now)
        if let due = self.nextCheckAt, due <= now { self.startNextCheck(at: now) }
        if let due = self.nominateAt, due <= now { self.nominateBest(at: now) }
        self.runDoubt(at: now)
        self.runConsent(at: now)
        self.failIfHopeless(at: now)
    }

    private mutating func startNextCheck(at now: NIODeadline) {
        let next: Int?
        if !self.triggered.isEmpty {
            next = self.triggered.removeFirst()
        } else {
            next = self.pairs.indices
                .filter { self.pairs[$0].state == .waiting }
                .max { self.pairs[$0].priority < self.pairs[$1].priority }
        }
        guard let next else {
            self.nextCheckAt = nil
            return
        }
        self.beginCheck(next, at: now)
        let more = !self.triggered.isEmpty || self.pairs.contains { $0.state == .waiting }
        self.nextCheckAt = more ? now + self.configuration.pacing : nil
    }

    mutating func beginCheck(_ index: Int, at now: NIODeadline) {
        if self.pairs[index].state != .succeeded { self.pairs[index].state = .inProgress }
        self.pairs[index].attempts = 0
        self.sendCheck(index, at: now)
    }

    private mutating func retransmit(at now: NIODeadline) {
        for index in self.pairs.indices where self.pairs[index].state == .inProgress {
            guard let due = self.pairs[index].retransmitAt, due <= now else { continue }
            // The nomination of a pair that works is repeated for as long as the pair works, which consent decides.
            if self.pairs[index].attempts >= self.configuration.attempts, index != self.selectedIndex {
                self.pairs[index].state = .failed
                self.pairs[index].retransmitAt = nil
            } else {
                self.sendCheck(index, at: now)
            }
        }
    }

    private mutating func sendCheck(_ index: Int, at now: NIODeadline) {
        let attempts = self.pairs[index].attempts
        self.pairs[index].attempts = attempts + 1
        let backoff = self.configuration.retransmission * (1 << min(attempts, 3))
        self.pairs[index].retransmitAt = now + backoff
        self.sendRequest(index, nominates: self.role == .controlling && self.pairs[index].wantsNomination, at: now)
    }

    /// Sends a Binding request on a pair (RFC 8445 section 7.2.4).
    mutating func sendRequest(_ index: Int, nominates: Bool, at now: NIODeadline) {
        guard let remote = self.remote else { return }
        self.pairs[index].requestsSent &+= 1
        let pair = self.pairs[index]
        let nonce = UInt64.random(in: .min ... .max, using: &self.random)
        self.remember(nonce, Transaction(pair: index, sentAt: now, role: self.role, nominates: nominates))
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

    private mutating func remember(_ nonce: UInt64, _ transaction: Transaction) {
        self.transactions[nonce] = transaction
        self.transactionOrder.append(nonce)
        guard self.transactionOrder.count > 512 else { return }
        for old in self.transactionOrder.prefix(256) { self.transactions[old] = nil }
        self.transactionOrder.removeFirst(256)
    }

    // MARK: - Consent (RFC 7675)

    mutating func scheduleConsent(at now: NIODeadline) {
        let base = self.configuration.consentInterval.nanoseconds
        let factor = Int64.random(in: 80...120, using: &self.random)
        self.nextConsentAt = now + .nanoseconds(base / 100 * factor)
    }

    private mutating func runConsent(at now: NIODeadline) {
        guard let index = self.selectedIndex, let heard = self.consentReceivedAt, let due = self.nextConsentAt,
            due <= now
        else { return }
        let silence = now - heard
        // A host that slept or was overloaded may look back on a long silence without having asked: ask first.
        if silence >= self.configuration.consentTimeout, self.unansweredConsents >= 3 { return self.move(to: .failed) }
        if silence >= self.configuration.disconnectedTimeout { self.move(to: .disconnected) }
        self.sendRequest(index, nominates: false, at: now)
        self.unansweredConsents += 1
        self.scheduleConsent(at: now)
        // Silence must be noticed when it is due, not only at the next check.
        let expiry = heard + self.configuration.consentTimeout
        if let next = self.nextConsentAt, expiry < next, expiry > now { self.nextConsentAt = expiry }
    }

    mutating func consent(at now: NIODeadline) {
        self.consentReceivedAt = now
        self.unansweredConsents = 0
        self.endDoubt(at: now)
        if self.state == .disconnected { self.move(to: .connected) }
    }
}

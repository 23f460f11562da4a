import NIOCore

// The checklist: which pairs exist, which is checked next, which is used (RFC 8445 sections 6.1 to 8).
extension ICEAgent {
    mutating func add(local candidate: ICECandidate, base: Int, at now: NIODeadline) {
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
        if self.remote != nil { self.pair(with: candidate, at: now) }
    }

    mutating func pair(with candidate: ICECandidate, at now: NIODeadline) {
        for (base, best) in self.localBases where best.address.family == candidate.address.family {
            guard self.index(base: base, remote: candidate.address) == nil else { continue }
            self.appendPair(base: base, local: best, remote: candidate)
            if self.nextCheckAt == nil { self.nextCheckAt = now }
        }
    }

    @discardableResult
    mutating func appendPair(base: Int, local: ICECandidate, remote: ICECandidate) -> Int {
        var pair = CandidatePair(base: base, local: local, remote: remote, priority: 0)
        pair.priority = self.priority(of: pair)
        self.pairs.append(pair)
        return self.pairs.count - 1
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

    // MARK: - Choosing

    /// A check on this pair has been answered.
    mutating func succeed(_ index: Int, at now: NIODeadline) {
        self.pairs[index].state = .succeeded
        self.pairs[index].retransmitAt = nil
        self.pairs[index].attempts = 0
        if self.role == .controlled, self.pairs[index].wantsNomination { self.pairs[index].isNominated = true }
        self.choose(at: now)
        guard self.role == .controlling, !self.pairs.contains(where: { $0.isNominated }) else { return }
        let better = self.pairs.contains {
            $0.priority > self.pairs[index].priority && ($0.state == .waiting || $0.state == .inProgress)
        }
        if !better {
            self.nominateBest(at: now)
        } else if self.nominateAt == nil {
            self.nominateAt = now + self.configuration.nominationDelay
        }
    }

    private mutating func nominateBest(at now: NIODeadline) {
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

    /// Uses the nominated pair of the highest priority, or else the best valid one.
    private mutating func choose(at now: NIODeadline) {
        let usable = self.pairs.indices.filter { self.pairs[$0].state == .succeeded || $0 == self.selectedIndex }
        let best = usable.max { first, second in
            let (a, b) = (self.pairs[first], self.pairs[second])
            return a.isNominated == b.isNominated ? a.priority < b.priority : b.isNominated
        }
        guard let best else { return }
        if best != self.selectedIndex {
            self.selectedIndex = best
            self.emit(.use(self.pairs[best]))
        }
        if self.pairs[best].isNominated {
            // The checklist is complete: no further ordinary checks (RFC 8445 section 8.1.2).
            for index in self.pairs.indices where index != best {
                if self.pairs[index].state == .waiting || self.pairs[index].state == .inProgress {
                    self.pairs[index].state = .failed
                }
            }
            self.triggered = []
            self.nextCheckAt = nil
            self.nominateAt = nil
        }
        self.consentReceivedAt = now
        self.failAt = nil
        if self.nextConsentAt == nil { self.scheduleConsent(at: now) }
        self.move(to: .connected)
    }

    private mutating func failIfHopeless(at now: NIODeadline) {
        guard self.selectedIndex == nil else { return }
        if let due = self.failAt, due <= now { return self.move(to: .failed) }
        let allFailed = !self.pairs.isEmpty && self.pairs.allSatisfy { $0.state == .failed }
        if allFailed, self.remoteEnded { self.move(to: .failed) }
    }

    // MARK: - Consent (RFC 7675)

    private mutating func scheduleConsent(at now: NIODeadline) {
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
        if self.state == .disconnected { self.move(to: .connected) }
    }
}

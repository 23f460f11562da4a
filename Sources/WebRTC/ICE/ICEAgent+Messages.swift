import NIOCore

// Binding requests and responses (RFC 8445 section 7).
extension ICEAgent {
    mutating func receive(
        _ decoder: STUNDecoder,
        from source: TransportAddress,
        base: Int,
        at now: NIODeadline
    ) {
        guard decoder.message.method == STUNMessage.bindingMethod else { return self.emit(.discarded(.unexpected)) }
        switch decoder.message.messageClass {
        case .request: self.receiveRequest(decoder, from: source, base: base, at: now)
        case .success, .error: self.receiveResponse(decoder, from: source, base: base, at: now)
        case .indication: break
        }
    }

    // MARK: - Requests

    private mutating func receiveRequest(
        _ decoder: STUNDecoder,
        from source: TransportAddress,
        base: Int,
        at now: NIODeadline
    ) {
        let request = decoder.message
        // A socket that this connection does not use, for it must not be seen there (`iceTransportPolicy` relay).
        guard self.candidates.hasBase(base) else { return self.emit(.discarded(.unexpected)) }
        guard self.isAddressedToUs(request.username), decoder.isAuthentic(password: self.local.password) else {
            return self.emit(.discarded(.notAuthentic))
        }
        guard request.unknownRequired.isEmpty else {
            return self.respond(to: request, error: 420, source: source, base: base)
        }
        guard self.settleRoles(request, source: source, base: base) else { return }
        self.respond(to: request, error: nil, source: source, base: base)
        self.emit(.heard(source, base: base, bytes: decoder.byteCount))
        if self.remote == nil {
            // The answer is still on its way. Whom it was and what was asked is remembered, once per address.
            if let index = self.early.firstIndex(where: { $0.source == source && $0.base == base }) {
                self.early[index].request.useCandidate = self.early[index].request.useCandidate || request.useCandidate
            } else if self.early.count < 16 {
                self.early.append((request, source, base))
            }
            return
        }
        self.noticeCheck(request, from: source, base: base, at: now)
    }

    private func isAddressedToUs(_ username: String?) -> Bool {
        guard let username, let colon = username.firstIndex(of: ":") else { return false }
        guard username[..<colon] == self.local.usernameFragment else { return false }
        guard let remote = self.remote else { return true }
        return username[username.index(after: colon)...] == remote.usernameFragment
    }

    /// Both sides may believe to be in control (RFC 8445 section 7.3.1.1). False when the request was refused.
    private mutating func settleRoles(_ request: STUNMessage, source: TransportAddress, base: Int) -> Bool {
        switch (self.role, request.controlling, request.controlled) {
        case (.controlling, .some(let theirs), _):
            guard self.tieBreaker < theirs else {
                self.respond(to: request, error: 487, source: source, base: base)
                return false
            }
            self.switchRole(to: .controlled)
        case (.controlled, _, .some(let theirs)):
            guard self.tieBreaker >= theirs else {
                self.respond(to: request, error: 487, source: source, base: base)
                return false
            }
            self.switchRole(to: .controlling)
        default:
            break
        }
        return true
    }

    private mutating func respond(to request: STUNMessage, error: Int?, source: TransportAddress, base: Int) {
        var response = STUNMessage(
            messageClass: error == nil ? .success : .error,
            transactionID: request.transactionID
        )
        response.errorCode = error
        response.mappedAddress = error == nil ? source : nil
        response.unknownRequired = error == 420 ? request.unknownRequired : []
        self.emit(.send(response.encoded(password: self.local.password), to: source, base: base))
    }

    /// Learns a peer-reflexive candidate and triggers a check in return (RFC 8445 sections 7.3.1.3 to 7.3.1.5).
    mutating func noticeCheck(
        _ request: STUNMessage,
        from source: TransportAddress,
        base: Int,
        at now: NIODeadline
    ) {
        guard let index = self.pairIndex(for: request, from: source, base: base) else { return }
        self.checklist.pairs[index].requestsReceived &+= 1
        if self.role == .controlled, request.useCandidate {
            self.checklist.pairs[index].wantsNomination = true
            // A pair whose last answer is old has to answer anew.
            if self.checklist.pairs[index].state == .succeeded,
                index == self.checklist.selectedIndex || self.hasConsent(index, at: now)
            {
                self.nominate(index, at: now)
                return self.reselect(at: now)
            }
        }
        guard index != self.checklist.selectedIndex, !self.checklist.triggered.contains(index) else { return }
        if self.isSettled(at: now) {
            // The peer uses another path than agreed on: it has moved, or is about to.
            self.beginDoubt(at: now)
        } else {
            guard self.checklist.pairs[index].state != .succeeded || !self.hasConsent(index, at: now) else { return }
            guard !self.checklist.isDecided || request.useCandidate else { return }
        }
        self.checklist.pairs[index].state = .inProgress
        self.checklist.pairs[index].retransmitAt = nil
        self.checklist.trigger(index)
        // At once: the peer is there, so pacing protects nobody, and the queue holds a pair only once.
        self.due.check = now
    }

    private mutating func pairIndex(
        for request: STUNMessage,
        from source: TransportAddress,
        base: Int
    ) -> Int? {
        if let index = self.checklist.index(base: base, remote: source) { return index }
        guard let local = self.candidates.best(of: base),
            self.checklist.pairs.count < self.configuration.maximumRemoteCandidates * 2
        else { return nil }
        let candidate = self.candidates.remoteCandidate(at: source, priority: request.priority)
        return self.appendPair(base: base, local: local, remote: candidate, isChecked: true)
    }

    // MARK: - Responses

    private mutating func receiveResponse(
        _ decoder: STUNDecoder,
        from source: TransportAddress,
        base: Int,
        at now: NIODeadline
    ) {
        let id = decoder.message.transactionID
        guard id.connection == self.connection, let transaction = self.transactions[id.nonce],
            let remote = self.remote
        else { return self.emit(.discarded(.unknownTransaction)) }
        guard decoder.isAuthentic(password: remote.password) else { return self.emit(.discarded(.notAuthentic)) }
        let index = transaction.pair
        // Only a symmetric answer proves that the pair works both ways (RFC 8445 section 7.2.5.2.1).
        guard self.checklist.pairs[index].base == base, self.checklist.pairs[index].remote.address == source else {
            return self.emit(.discarded(.unexpected))
        }
        self.transactions.remove(id.nonce)
        if decoder.message.messageClass == .error {
            return self.receiveError(decoder.message, transaction, at: now)
        }
        self.emit(.proved(source, base: base))
        self.checklist.pairs[index].took(now - transaction.sentAt)
        if let mapped = decoder.message.mappedAddress {
            self.checklist.pairs[index].valid = self.candidates.localCandidate(seenAs: mapped, base: base)
        }
        self.renewConsent(of: index, at: now)
        if transaction.nominates { self.nominate(index, at: now) }
        // A late answer to an ordinary check must not end the sending of the nomination.
        let isNominating = self.role == .controlling && self.checklist.pairs[index].wantsNomination
        if isNominating, !self.checklist.pairs[index].isNominated { return }
        if self.checklist.pairs[index].state != .succeeded || transaction.nominates { self.succeed(index, at: now) }
    }

    private mutating func receiveError(
        _ message: STUNMessage,
        _ transaction: CheckTransactions.Transaction,
        at now: NIODeadline
    ) {
        guard message.errorCode == 487 else {
            return self.checklist.pairs[transaction.pair].fail()
        }
        // The peer keeps the role we took: take the other one, unless that has already happened since.
        if transaction.role == self.role {
            self.switchRole(to: transaction.role == .controlling ? .controlled : .controlling)
        }
        self.checklist.pairs[transaction.pair].wantsNomination = false
        self.checklist.trigger(transaction.pair)
        self.due.check = now
    }
}

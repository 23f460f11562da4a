import NIOCore

// What the ICE agent says, and which agent says it.
extension PeerConnection {
    /// The first half of a check's USERNAME says which of the two agents of a restart it is for; an answer fits the
    /// questions of only one.
    func giveMessage(_ decoder: STUNDecoder, from source: TransportAddress, base: Int) {
        let now = NIODeadline.now()
        let isForPrevious: Bool
        switch (self.previousAgent, decoder.message.messageClass) {
        case (nil, _): isForPrevious = false
        case (.some(let previous), .success), (.some(let previous), .error):
            isForPrevious = previous.transactions[decoder.message.transactionID.nonce] != nil
        case (.some(let previous), _):
            let fragment = decoder.message.username?.prefix { $0 != ":" }
            isForPrevious = fragment.map { $0 == previous.local.usernameFragment } ?? false
        }
        let input = ICEAgent.Input.message(decoder, from: source, base: base)
        if isForPrevious {
            self.previousAgent?.handle(input, at: now)
        } else {
            self.agent.handle(input, at: now)
        }
    }

    func drainAgent() {
        if let trip = self.agent.selected?.roundTripTime { self.isShortPath = trip <= .milliseconds(10) }
        while let output = self.agent.nextOutput() {
            self.perform(output, isPrevious: false)
            if self.isOver { return }
        }
        while let output = self.previousAgent?.nextOutput() {
            self.perform(output, isPrevious: true)
            if self.isOver { return }
        }
        if self.previousAgent != nil, self.agent.selected?.isNominated == true { self.retirePreviousAgent() }
    }

    private func perform(_ output: ICEAgent.Output, isPrevious: Bool) {
        switch output {
        case .send(let bytes, let address, let base):
            bytes.withUnsafeBytes { self.transport.send($0, to: address, base: base) }
        case .authenticated(let address, let base):
            self.learnRoute(address, base: base)
        case .use(let pair):
            // The new path counts, once there is one.
            if !isPrevious || self.agent.selected == nil { self.use(pair) }
        case .state(let state):
            if isPrevious { self.previousStateChanged(to: state) } else { self.agentStateChanged(to: state) }
        case .discarded(let reason):
            if reason != .unexpected { self.transport.counters.droppedUnauthenticSTUN &+= 1 }
        }
    }

    private func use(_ pair: CandidatePair) {
        self.destination = (pair.remote.address, pair.base)
        self.transport.servers.relay(base: pair.base)?.prefer(pair.remote.address)
        if self.dtlsRole == .client { self.startDTLS() }
    }

    private func agentStateChanged(to state: ICEConnectionState) {
        guard let previousAgent else { return self.report(state) }
        switch state {
        case .connected:
            self.report(.connected)
        case .failed where previousAgent.selected != nil && previousAgent.state != .failed:
            // The restart led nowhere, but the old path is still there.
            self.abandonRestart()
        case .failed:
            self.report(.failed)
        case .new, .checking, .disconnected, .closed:
            break
        }
    }

    private func previousStateChanged(to state: ICEConnectionState) {
        guard self.agent.state != .connected else { return }
        switch state {
        case .connected, .disconnected: self.report(state)
        // The restart under way is what remains.
        case .failed: self.report(.disconnected)
        case .new, .checking, .closed: break
        }
    }

    private func report(_ state: ICEConnectionState) {
        guard state != self.iceConnectionState else { return }
        self.iceConnectionState = state
        self.onICEConnectionStateChange?(state)
        switch state {
        case .disconnected: self.move(to: .disconnected)
        case .connected where self.isSecure: self.move(to: .connected)
        case .failed: self.finish(.failed, reason: "no path to the peer works, or it fell silent (ICE failed)")
        default: break
        }
    }

    // MARK: - Restarts

    /// Makes a new agent beside the one in use, and the offer that tells the peer of it. While there is no answer, it is
    /// the same offer again, with the candidates that are known by now: the first may have been lost with the
    /// signalling.
    func offerRestart(_ remote: DataSessionDescription) -> SessionDescription {
        if self.restartOffer == nil {
            self.beginRestart()
            self.startGathering()
        }
        // Any role is offered and the one that is held is answered (RFC 8842 section 5.5).
        let offer = self.describe(as: .offer, remote.sections, dataSection: remote.dataSection, setup: .actpass)
        self.restartOffer = offer
        self.isNegotiationNeeded = false
        return offer
    }

    /// A description of a connection that has one already: an ICE restart, the answer to one, or more candidates.
    func update(
        _ remote: DataSessionDescription,
        _ type: SessionDescription.DescriptionType,
        _ parsed: DataSessionDescription
    ) throws(WebRTCError) {
        guard remote.fingerprints == parsed.fingerprints else {
            throw .unsupported("the peer changes its certificate: make a new connection")
        }
        let isRestart = remote.usernameFragment != parsed.usernameFragment || remote.password != parsed.password
        switch type {
        case .answer where isRestart:
            guard self.restartOffer != nil else { throw .invalidState("an answer came that nothing was offered for") }
            self.restartOffer = nil
            self.remote = parsed
            self.giveAgent(parsed)
        case .answer:
            guard self.restartOffer == nil else {
                throw .invalidState("the peer answers an ICE restart with its old credentials")
            }
            for candidate in parsed.candidates { self.handle(.remoteCandidate(candidate)) }
        case .offer:
            try self.takeOffer(parsed, isRestart: isRestart)
        }
    }

    private func takeOffer(_ parsed: DataSessionDescription, isRestart: Bool) throws(WebRTCError) {
        if self.restartOffer != nil {
            // Both sides restart at once. The first offerer's goes ahead, the other's is taken back.
            guard self.isOfferer == false else {
                throw .invalidState("both sides restart ICE: the first offerer's offer stands, answer that one")
            }
            self.restartOffer = nil
            self.abandonRestart()
        }
        self.answer = nil
        self.mustAnswerRestart = true
        self.remote = parsed
        if isRestart { self.beginRestart() }
    }

    private func beginRestart() {
        // Of two restarts in a row, the path in use is what counts.
        if self.previousAgent == nil || self.agent.selected != nil {
            if let previousAgent { self.transport.remove(usernameFragment: previousAgent.local.usernameFragment) }
            self.previousAgent = self.agent
        } else {
            self.transport.remove(usernameFragment: self.agent.local.usernameFragment)
        }
        self.agent = ICEAgent(
            role: self.agent.role,
            connection: self.id,
            configuration: self.transport.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        self.transport.add(usernameFragment: self.agent.local.usernameFragment, of: self)
        self.isRestartWanted = false
        if self.mustGatherAnew { return self.gatherAnew() }
        let now = NIODeadline.now()
        for gathered in self.localCandidates {
            self.agent.handle(.localCandidate(gathered.candidate, base: gathered.base), at: now)
        }
        if self.iceGatheringState == .complete { self.agent.handle(.endOfLocalCandidates, at: now) }
    }

    private func retirePreviousAgent() {
        guard let previousAgent else { return }
        self.transport.remove(usernameFragment: previousAgent.local.usernameFragment)
        self.previousAgent = nil
        // The relays of servers that are no longer configured were only kept for it.
        self.transport.servers.detach(self, keeping: self.servers)
    }

    private func abandonRestart() {
        guard let previousAgent else { return }
        self.transport.remove(usernameFragment: self.agent.local.usernameFragment)
        self.agent = previousAgent
        self.previousAgent = nil
        self.restartOffer = nil
        if let pair = self.agent.selected { self.use(pair) }
    }
}

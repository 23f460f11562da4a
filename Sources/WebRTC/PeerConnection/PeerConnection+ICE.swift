import NIOCore

// What the ICE agent says, and which agent says it.
extension PeerConnection {
    /// The first half of a check's USERNAME says which of the two agents of a restart it is for; an answer fits the
    /// questions of only one.
    func giveMessage(_ decoder: STUNDecoder, from source: TransportAddress, base: Int) {
        let now = NIODeadline.now()
        let isForPrevious: Bool
        switch (self.ice.previousAgent, decoder.message.messageClass) {
        case (nil, _): isForPrevious = false
        case (.some(let previous), .success), (.some(let previous), .error):
            isForPrevious = previous.transactions[decoder.message.transactionID.nonce] != nil
        case (.some(let previous), _):
            let fragment = decoder.message.username?.prefix { $0 != ":" }
            isForPrevious = fragment.map { $0 == previous.local.usernameFragment } ?? false
        }
        let input = ICEAgent.Input.message(decoder, from: source, base: base)
        if isForPrevious {
            self.ice.previousAgent?.handle(input, at: now)
        } else {
            self.ice.agent.handle(input, at: now)
        }
    }

    func drainAgent() {
        if let trip = self.ice.agent.selected?.shortestRoundTripTime { self.ice.roundTrip = trip }
        while let output = self.ice.agent.nextOutput() {
            self.perform(output, isPrevious: false)
            if self.isOver { return }
        }
        while let output = self.ice.previousAgent?.nextOutput() {
            self.perform(output, isPrevious: true)
            if self.isOver { return }
        }
        if self.ice.previousAgent != nil, self.ice.agent.selected?.isNominated == true { self.retirePreviousAgent() }
    }

    private func perform(_ output: ICEAgent.Output, isPrevious: Bool) {
        switch output {
        case .send(let bytes, let address, let base):
            bytes.withUnsafeBytes { self.transport.send($0, to: address, base: base) }
        case .heard(let address, let base, let bytes):
            self.heard(from: address, base: base, bytes: bytes)
        case .proved(let address, _):
            self.learnRoute(address)
            if self.ice.destination?.address == address { self.sendHeld(self.ice.destination?.prove() ?? []) }
        case .use(let pair):
            // The new path counts, once there is one.
            if !isPrevious || self.ice.agent.selected == nil { self.use(pair) }
        case .state(let state):
            if isPrevious { self.previousStateChanged(to: state) } else { self.agentStateChanged(to: state) }
        case .discarded(let reason):
            switch reason {
            case .notAuthentic: self.transport.counters.droppedUnauthenticSTUN &+= 1
            case .unknownTransaction, .unexpected: self.transport.counters.droppedUnexpectedSTUN &+= 1
            }
        }
    }

    private func use(_ pair: CandidatePair) {
        // Also what was held for another of the peer's addresses: it was heard from there last, and has answered here first.
        let held = self.ice.destination?.prove() ?? []
        self.ice.destination = .proved(pair.remote.address, base: pair.base)
        self.sendHeld(held)
        self.transport.servers.relay(base: pair.base)?.prefer(pair.remote.address)
        if self.negotiation.dtlsRole == .client { self.startDTLS() }
    }

    private func agentStateChanged(to state: ICEConnectionState) {
        guard let previousAgent = self.ice.previousAgent else { return self.report(state) }
        switch state {
        case .connected:
            self.report(.connected)
        case .failed where previousAgent.selected != nil && previousAgent.state != .failed:
            // The restart led nowhere, but the old path is still there.
            self.abandonRestart()
            self.negotiation.restartFailed()
            self.drainNegotiation()
        case .failed:
            self.report(.failed)
        case .new, .checking, .disconnected, .closed:
            break
        }
    }

    private func previousStateChanged(to state: ICEConnectionState) {
        guard self.ice.agent.state != .connected else { return }
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

    /// Makes a new agent beside the one whose path is in use.
    func beginRestart() {
        // Of two restarts in a row, the path in use is what counts.
        if self.ice.previousAgent == nil || self.ice.agent.selected != nil {
            if let previousAgent = self.ice.previousAgent {
                self.transport.table.remove(usernameFragment: previousAgent.local.usernameFragment)
            }
            self.ice.previousAgent = self.ice.agent
        } else {
            self.transport.table.remove(usernameFragment: self.ice.agent.local.usernameFragment)
        }
        self.ice.agent = ICEAgent(
            role: self.ice.agent.role,
            connection: self.id,
            configuration: self.transport.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        self.transport.table.add(usernameFragment: self.ice.agent.local.usernameFragment, of: self)
        if self.gathering.mustGatherAnew { return self.gatherAnew() }
        let now = NIODeadline.now()
        for gathered in self.gathering.localCandidates {
            self.ice.agent.handle(.localCandidate(gathered.candidate, base: gathered.base), at: now)
        }
        if self.iceGatheringState == .complete { self.ice.agent.handle(.endOfLocalCandidates, at: now) }
    }

    private func retirePreviousAgent() {
        guard let previousAgent = self.ice.previousAgent else { return }
        self.transport.table.remove(usernameFragment: previousAgent.local.usernameFragment)
        self.ice.previousAgent = nil
        // The relays of servers that are no longer configured were only kept for it.
        self.transport.servers.detach(self, keeping: self.gathering.servers)
    }

    /// Goes back to the agent whose path is in use.
    func abandonRestart() {
        guard let previousAgent = self.ice.previousAgent else { return }
        self.transport.table.remove(usernameFragment: self.ice.agent.local.usernameFragment)
        self.ice.agent = previousAgent
        self.ice.previousAgent = nil
        if let pair = self.ice.agent.selected { self.use(pair) }
    }
}

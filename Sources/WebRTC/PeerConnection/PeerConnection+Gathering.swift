import NIOCore

/// How far the STUN and TURN servers have been asked, in the words of the W3C `RTCIceGatheringState`.
public enum ICEGatheringState: String, Hashable, Sendable {
    /// No description was made yet.
    case new
    /// Candidates may still come.
    case gathering
    /// All servers have answered, or will not.
    case complete
}

// This side's candidates: where they come from and who is told.
extension PeerConnection {
    /// Asks the servers, when the first description is made (RFC 8829 section 4.1.9).
    func startGathering() {
        guard self.iceGatheringState == .new else { return }
        self.iceGatheringState = .gathering
        self.gathering.isAttaching = true
        self.transport.servers.attach(self, self.gathering.servers)
        self.gathering.isAttaching = false
        // What is known by now is in the description that is being made.
        let isComplete = self.transport.servers.isSettled(for: self)
        if isComplete {
            self.iceGatheringState = .complete
            self.ice.agent.handle(.endOfLocalCandidates, at: .now())
        }
        // The application is not called from inside its own call.
        self.transport.eventLoop.assumeIsolated().execute {
            guard !self.isOver else { return }
            self.onICEGatheringStateChange?(.gathering)
            if isComplete { self.announceEnd() } else { self.gatheringAdvanced() }
        }
    }

    /// A candidate came to light: at first, from a server, or by a change of the network.
    func gathered(_ gathered: GatheredCandidate) {
        guard !self.isOver, self.gathering.policy == .all || gathered.candidate.type == .relayed else { return }
        var gathered = gathered
        if self.gathering.policy == .relay {
            // Where the relay is used from is what the policy hides (RFC 8828 section 5.2).
            let nowhere = gathered.candidate.address.family == .ipv4 ? "0.0.0.0" : "::"
            gathered.candidate.relatedAddress = TransportAddress(ip: nowhere, port: 0)
        }
        guard self.learn(gathered), !self.gathering.isAttaching, self.negotiation.local != nil else { return }
        self.announce(gathered.candidate)
    }

    /// False when it is known already.
    @discardableResult
    func learn(_ gathered: GatheredCandidate) -> Bool {
        guard !self.gathering.localCandidates.contains(where: { $0.candidate.address == gathered.candidate.address })
        else {
            return false
        }
        self.gathering.localCandidates.append(gathered)
        self.handle(.localCandidate(gathered.candidate, base: gathered.base))
        return true
    }

    /// A relay is gone.
    func lost(base: Int) {
        guard !self.isOver else { return }
        self.gathering.localCandidates.removeAll { $0.base == base }
        self.ice.previousAgent?.handle(.removeBase(base), at: .now())
        self.handle(.removeBase(base))
    }

    /// A server has answered, or will not: perhaps it was the last.
    func gatheringAdvanced() {
        guard !self.isOver, self.iceGatheringState == .gathering, self.transport.servers.isSettled(for: self) else {
            return
        }
        self.iceGatheringState = .complete
        self.handle(.endOfLocalCandidates)
        self.announceEnd()
    }

    /// The host's addresses changed.
    func networkChanged(added: [GatheredCandidate]) {
        guard !self.isOver else { return }
        let current = self.transport.host.candidates
        self.gathering.localCandidates.removeAll { known in
            known.candidate.type == .host && !current.contains { $0.candidate.address == known.candidate.address }
        }
        for candidate in added { self.gathered(candidate) }
        self.ice.previousAgent?.handle(.networkChanged, at: .now())
        self.handle(.networkChanged)
    }

    private func announce(_ candidate: ICECandidate) {
        self.announce("\(candidate.description)")
    }

    private func announceEnd() {
        self.announce("")
        self.onICEGatheringStateChange?(.complete)
    }

    private func announce(_ candidate: String) {
        let mid = self.negotiation.remote?.mid ?? "0"
        let index = self.negotiation.remote?.dataSection ?? 0
        self.onICECandidate?(IceCandidate(candidate: candidate, sdpMid: mid, sdpMLineIndex: index))
    }

    // MARK: - Names

    /// Looks up names of the local network that the peer gave instead of addresses.
    func resolve(_ names: [HostNameCandidate]) {
        for named in names {
            guard self.gathering.hostNameCount < self.transport.configuration.ice.maximumHostNames else { return }
            self.gathering.hostNameCount += 1
            let bound = NIOLoopBound(self, eventLoop: self.transport.eventLoop)
            self.transport.names.ofPeers
                .resolve(named.name, port: named.candidate.address.port, on: self.transport.eventLoop)
                .whenSuccess { addresses in
                    let connection = bound.value
                    guard !connection.isOver else { return }
                    for address in addresses { connection.handle(.remoteCandidate(named.candidate(at: address))) }
                }
        }
    }
}

import NIOCore

/// How far an exchange of descriptions has come, in the words of the W3C `RTCSignalingState`. There is no state with a
/// provisional answer: a final one may come at once, with candidates following.
public enum SignalingState: String, Hashable, Sendable {
    /// No exchange is under way.
    case stable
    /// This side has offered, and waits for the answer.
    case haveLocalOffer = "have-local-offer"
    /// The peer has offered, and `createAnswer` was not called yet.
    case haveRemoteOffer = "have-remote-offer"
    /// The connection is closed or failed.
    case closed
}

// When descriptions have to be exchanged, and by which servers candidates are found.
extension PeerConnection {
    /// How far an exchange of descriptions has come.
    public var signalingState: SignalingState {
        self.isOver ? .closed : self.negotiation.state
    }

    /// What this side has offered or answered last, with all candidates that are known by now: once
    /// `iceGatheringState` is `complete`, all that a peer needs to which candidates cannot be trickled. Nil before the
    /// first offer or answer.
    public var localDescription: SessionDescription? {
        self.negotiation.local.map { self.write($0) }
    }

    /// Whether the peer takes candidates one by one, as they are found (W3C `canTrickleIceCandidates`); nil before its
    /// description. One that does not is handed `localDescription` when gathering is complete.
    public var canTrickleICECandidates: Bool? { self.negotiation.remote?.supportsTrickle }

    /// The largest message in bytes that `DataChannel.send` takes (W3C `RTCSctpTransport.maxMessageSize`): the smaller of
    /// what this side is configured for and, once its description is there, what the peer accepts.
    public var maximumMessageSize: Int { self.maximumSendSize }

    /// Has the next offer look for a new path (an ICE restart), and asks for one by `onNegotiationNeeded`, as the W3C
    /// `restartIce()` does. Data goes on flowing on the old path, if there still is one. Without effect before the
    /// first answer, when any offer looks for a path.
    public func restartICE() {
        guard !self.isOver else { return }
        self.negotiation.need(restart: true)
        self.drainNegotiation()
    }

    /// Changes by which servers candidates are found, and which candidates are used.
    ///
    /// What was gathered already is not affected: once it was, the next offer is an ICE restart, which gathers anew
    /// (RFC 8829 section 4.1.18); `restartICE()` asks for it. New credentials of a TURN server that is in use hold from
    /// its next allocation on.
    ///
    /// - Parameters:
    ///   - iceServers: STUN and TURN servers; nil leaves them as they are.
    ///   - iceTransportPolicy: which candidates to use; nil leaves it as it is.
    /// - Throws: `WebRTCError.invalidICEServer`, and then nothing changes; `.closed` after `close()`.
    public func setConfiguration(
        iceServers: [ICEServer]? = nil,
        iceTransportPolicy: ICETransportPolicy? = nil
    ) throws(WebRTCError) {
        if self.isOver { throw .closed }
        let servers =
            try iceServers.map { list throws(WebRTCError) in try ResolvedServer.parse(list) } ?? self.gathering.servers
        let policy = iceTransportPolicy ?? self.gathering.policy
        guard servers != self.gathering.servers || policy != self.gathering.policy else { return }
        self.gathering.servers = servers
        self.gathering.policy = policy
        if self.iceGatheringState == .new {
            self.gatherAnew()
        } else {
            self.gathering.mustGatherAnew = true
            self.negotiation.restartWithNextOffer()
        }
    }

    /// Begins with the candidates of the host.
    func gatherAnew() {
        self.gathering.mustGatherAnew = false
        self.iceGatheringState = .new
        self.gathering.localCandidates = []
        self.ice.agent.forgetLocalCandidates()
        if self.gathering.policy == .all { for gathered in self.transport.host.candidates { self.learn(gathered) } }
    }

    // MARK: - The machine

    /// Something has to be offered. The application hears of it when no exchange is under way.
    func needNegotiation() {
        self.negotiation.need()
        self.drainNegotiation()
    }

    func drainNegotiation() {
        while let output = self.negotiation.nextOutput() {
            switch output {
            case .assume(let role): self.ice.agent.assume(role)
            case .gather: self.startGathering()
            case .beginRestart: self.beginRestart()
            case .abandonRestart: self.abandonRestart()
            case .connect(let remote): self.connect(remote)
            case .add(let candidates): for candidate in candidates { self.handle(.remoteCandidate(candidate)) }
            case .announce: self.announceSignaling()
            }
        }
    }

    /// Tells what the exchange has come to, outside of any call of the application's.
    private func announceSignaling() {
        self.transport.eventLoop.assumeIsolated().execute {
            guard !self.isOver else { return }
            let (state, isNeeded) = self.negotiation.takeAnnouncement()
            if let state { self.onSignalingStateChange?(state) }
            if isNeeded { self.onNegotiationNeeded?() }
        }
    }

    /// A local description with what is known of this side by now.
    func write(_ shape: Negotiation.LocalShape) -> SessionDescription {
        var description = DataSessionDescription()
        description.sections = shape.sections
        description.dataSection = shape.dataSection
        description.usernameFragment = self.ice.agent.local.usernameFragment
        description.password = self.ice.agent.local.password
        description.fingerprints = [self.transport.dtls.fingerprint]
        description.setup = shape.setup
        description.maximumMessageSize = self.transport.configuration.maximumMessageSize
        description.candidates = self.gathering.localCandidates.map(\.candidate)
        description.isComplete = self.iceGatheringState == .complete
        description.supportsTrickle = true
        let sdp = description.written(sessionID: self.negotiation.sessionID, version: shape.version)
        return SessionDescription(type: shape.type, sdp: sdp)
    }
}

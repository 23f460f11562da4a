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
        if self.isOver { return .closed }
        if self.restartOffer != nil { return .haveLocalOffer }
        if self.mustAnswerRestart { return .haveRemoteOffer }
        switch self.isOfferer {
        case true?: return self.remote == nil ? .haveLocalOffer : .stable
        case false?: return self.answer == nil ? .haveRemoteOffer : .stable
        case nil: return .stable
        }
    }

    /// What this side has offered or answered last, with all candidates that are known by now: once
    /// `iceGatheringState` is `complete`, all that a peer needs to which candidates cannot be trickled. Nil before the
    /// first offer or answer.
    public var localDescription: SessionDescription? {
        self.localShape.map { SessionDescription(type: $0.type, sdp: self.describe($0)) }
    }

    /// Whether the peer takes candidates one by one, as they are found (W3C `canTrickleIceCandidates`); nil before its
    /// description. One that does not is handed `localDescription` when gathering is complete.
    public var canTrickleICECandidates: Bool? { self.remote?.supportsTrickle }

    /// The largest message in bytes that `DataChannel.send` takes (W3C `RTCSctpTransport.maxMessageSize`): the smaller of
    /// what this side is configured for and, once its description is there, what the peer accepts.
    public var maximumMessageSize: Int { self.maximumSendSize }

    /// Has the next offer look for a new path (an ICE restart), and asks for one by `onNegotiationNeeded`, as the W3C
    /// `restartIce()` does. Data goes on flowing on the old path, if there still is one. Without effect before the
    /// first answer, when any offer looks for a path.
    public func restartICE() {
        guard !self.isOver, self.remote != nil, self.dtlsRole != nil else { return }
        self.isRestartWanted = true
        self.needNegotiation()
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
        let servers = try iceServers.map { list throws(WebRTCError) in try ResolvedServer.parse(list) } ?? self.servers
        let policy = iceTransportPolicy ?? self.policy
        guard servers != self.servers || policy != self.policy else { return }
        self.servers = servers
        self.policy = policy
        if self.iceGatheringState == .new {
            self.gatherAnew()
        } else {
            self.mustGatherAnew = true
            self.isRestartWanted = self.remote != nil && self.dtlsRole != nil
        }
    }

    /// Begins with the candidates of the host.
    func gatherAnew() {
        self.mustGatherAnew = false
        self.iceGatheringState = .new
        self.localCandidates = []
        self.agent.forgetLocalCandidates()
        if self.policy == .all { for gathered in self.transport.hostCandidates { self.learn(gathered) } }
    }

    // MARK: - Events

    /// Something has to be offered. The application hears of it when no exchange is under way.
    func needNegotiation() {
        self.isNegotiationNeeded = true
        self.announceSignaling()
    }

    /// Tells what the exchange has come to, outside of any call of the application's.
    func announceSignaling() {
        guard !self.isAnnouncementDue else { return }
        self.isAnnouncementDue = true
        self.transport.eventLoop.assumeIsolated().execute {
            self.isAnnouncementDue = false
            let state = self.signalingState
            if state != self.announcedSignalingState {
                self.announcedSignalingState = state
                self.onSignalingStateChange?(state)
            }
            guard self.isNegotiationNeeded, self.signalingState == .stable else { return }
            self.isNegotiationNeeded = false
            self.onNegotiationNeeded?()
        }
    }
}

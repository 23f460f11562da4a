import StateMachine

/// The exchange of descriptions as a state machine (W3C WebRTC section 4.4, RFC 8829): who offers, who answers, ICE
/// restarts, rollback. Call what happens, then drain `nextOutput()`.
///
/// It knows descriptions and their order alone. What they are written from, agents and candidates, its driver has.
struct Negotiation {
    enum Output: Equatable {
        /// The ICE role of the first exchange.
        case assume(ICEAgent.Role)
        /// Find candidates, if that was not begun yet.
        case gather
        /// Make an agent with new credentials, beside the one whose path is in use.
        case beginRestart
        /// Go back to the agent whose path is in use: the restart comes to nothing.
        case abandonRestart
        /// Both descriptions of an exchange are there: connect as they say.
        case connect(DataSessionDescription)
        /// The peer has found more candidates.
        case add([ICECandidate])
        /// There is something to announce, by `takeAnnouncement`, outside of any call of the application's.
        case announce
    }

    /// A local description but for what changes under it: credentials, candidates.
    struct LocalShape: Equatable {
        var type: SessionDescription.DescriptionType
        var sections: [DataSessionDescription.Section]
        var dataSection: Int
        var setup: DataSessionDescription.Setup
        /// Of the session (RFC 8866 section 5.2): two at first, as with browsers, and one more for each further description.
        var version: UInt64
    }

    /// Of all descriptions of this side (RFC 8866 section 5.2).
    let sessionID: UInt64
    private(set) var state = SignalingState.stable
    /// The peer's description that counts: of an exchange under way, or else of the last one.
    private(set) var remote: DataSessionDescription?
    /// This side's description that counts.
    private(set) var local: LocalShape?
    /// Who begins the DTLS handshake; nil before the first exchange is over. It outlives restarts (RFC 8842 section 5.5).
    private(set) var dtlsRole: DTLSSession.Role?
    /// What to go back to if the exchange under way is given up.
    private var before: (local: LocalShape?, remote: DataSessionDescription?) = (nil, nil)
    /// Whether the first offer was this side's. When both offer at once later on, that side's offer stands.
    private var isFirstOfferer: Bool?
    /// The exchange under way is an ICE restart.
    private var isRestarting = false
    private var isRestartWanted = false
    private var isNeeded = false
    private var isAnnouncementDue = false
    private var announced = SignalingState.stable
    private var lastVersion: UInt64 = 1
    private var outputs = OutputQueue<Output>()

    init(sessionID: UInt64 = .random(in: .min ... .max)) {
        self.sessionID = sessionID
    }

    /// Whether either side has described itself.
    var hasBegun: Bool { self.local != nil || self.remote != nil }
    /// Whether an exchange has been completed.
    var isEstablished: Bool { self.dtlsRole != nil }

    mutating func nextOutput() -> Output? { self.outputs.next() }

    // MARK: - This side

    /// This side offers. While there is no answer it is the same offer again: the first may have been lost on its way.
    ///
    /// - Throws: `WebRTCError.invalidState` while an offer of the peer's waits for its answer.
    mutating func offer(iceRestart: Bool) throws(WebRTCError) -> LocalShape {
        switch self.state {
        case .haveRemoteOffer, .closed:
            throw .invalidState("an offer was received: call createAnswer instead")
        case .haveLocalOffer:
            if let local { return local }
        case .stable:
            break
        }
        self.before = (self.local, self.remote)
        let isRestart = self.isEstablished && (iceRestart || self.isRestartWanted)
        if !self.isEstablished {
            self.isFirstOfferer = true
            self.outputs.append(.assume(.controlling))
        }
        self.begin(restart: isRestart)
        if isRestart { self.outputs.append(.beginRestart) }
        self.outputs.append(.gather)
        self.isNeeded = false
        self.move(to: .haveLocalOffer)
        let sections = self.remote.map { ($0.sections, $0.dataSection) } ?? ([Self.section], 0)
        // Any role is offered, and the one that is held is answered.
        return self.describe(.offer, sections, setup: .actpass)
    }

    /// This side answers. Once it has, it is the same answer again.
    ///
    /// - Throws: `WebRTCError.invalidState` where nothing was offered.
    mutating func answer() throws(WebRTCError) -> LocalShape {
        if self.state == .stable, let local, local.type == .answer { return local }
        guard self.state == .haveRemoteOffer, let remote else {
            throw .invalidState("there is no remote offer to answer: call setRemoteDescription first")
        }
        // The answerer is active unless the offerer insists: its first flight leaves half a round trip earlier.
        let role = self.dtlsRole ?? (remote.setup == .active ? .server : .client)
        self.dtlsRole = role
        self.isRestarting = false
        self.outputs.append(.gather)
        self.outputs.append(.connect(remote))
        self.move(to: .stable)
        return self.describe(
            .answer,
            (remote.sections, remote.dataSection),
            setup: role == .client ? .active : .passive
        )
    }

    /// Gives up the exchange under way, whichever side began it (RFC 8829 section 4.1.10.2).
    ///
    /// - Throws: `WebRTCError.invalidState` when there is none.
    mutating func rollBack() throws(WebRTCError) {
        guard self.state == .haveLocalOffer || self.state == .haveRemoteOffer else {
            throw .invalidState("there is no offer to take back")
        }
        if self.isRestarting { self.outputs.append(.abandonRestart) }
        if self.state == .haveLocalOffer {
            // What it was for has still to be negotiated.
            self.isNeeded = true
            self.isRestartWanted = self.isRestarting
        }
        if !self.isEstablished { self.isFirstOfferer = nil }
        (self.local, self.remote) = self.before
        self.isRestarting = false
        self.move(to: .stable)
    }

    /// The path that a restart was to find is not there, and the old one is gone back to.
    mutating func restartFailed() {
        guard self.isRestarting, self.state == .haveLocalOffer else { return }
        (self.local, self.remote) = self.before
        self.isRestarting = false
        self.move(to: .stable)
    }

    // MARK: - The peer

    /// The peer has described itself.
    ///
    /// - Throws: `WebRTCError.invalidState` when it does not fit, `.unsupported` for another certificate; nothing has
    ///   changed then.
    mutating func take(
        _ type: SessionDescription.DescriptionType,
        _ description: DataSessionDescription
    ) throws(WebRTCError) {
        if self.isEstablished, let remote, remote.fingerprints != description.fingerprints {
            throw .unsupported("the peer changes its certificate: make a new connection")
        }
        switch type {
        case .offer: try self.takeOffer(description)
        case .answer: try self.takeAnswer(description)
        }
    }

    private mutating func takeOffer(_ offer: DataSessionDescription) throws(WebRTCError) {
        switch self.state {
        case .haveLocalOffer where !self.isEstablished:
            throw .invalidState("an offer came although this side has offered: roll back, or let the peer do so")
        case .haveLocalOffer where self.isFirstOfferer == true:
            throw .invalidState("both sides restart ICE: the first offerer's offer stands, answer that one")
        case .haveLocalOffer, .haveRemoteOffer:
            // Of two at once the first offerer's goes ahead; of two in a row, the later one.
            try self.rollBack()
            // The answer to this one does what the own was for.
            self.isNeeded = false
            self.isRestartWanted = false
        case .stable, .closed:
            break
        }
        self.before = (self.local, self.remote)
        let isRestart = self.isEstablished && !self.hasCredentials(of: offer)
        if !self.isEstablished {
            self.isFirstOfferer = false
            self.isNeeded = false
            self.outputs.append(.assume(.controlled))
        }
        self.begin(restart: isRestart)
        if isRestart { self.outputs.append(.beginRestart) }
        self.remote = offer
        self.move(to: .haveRemoteOffer)
    }

    private mutating func takeAnswer(_ answer: DataSessionDescription) throws(WebRTCError) {
        switch self.state {
        case .haveLocalOffer:
            if self.isEstablished {
                guard self.isRestarting || self.hasCredentials(of: answer) else {
                    throw .invalidState("an answer came that nothing was offered for")
                }
                guard !self.isRestarting || !self.hasCredentials(of: answer) else {
                    throw .invalidState("the peer answers an ICE restart with its old credentials")
                }
            }
            self.remote = answer
            self.isRestarting = false
            if self.dtlsRole == nil { self.dtlsRole = answer.setup == .passive ? .client : .server }
            self.outputs.append(.connect(answer))
            self.move(to: .stable)
        case .stable where self.isEstablished:
            // The same answer once more, perhaps with more candidates.
            guard self.hasCredentials(of: answer) else {
                throw .invalidState("an answer came that nothing was offered for")
            }
            self.outputs.append(.add(answer.candidates))
        case .stable, .haveRemoteOffer, .closed:
            throw .invalidState("an answer came although this side never offered")
        }
    }

    private func hasCredentials(of other: DataSessionDescription) -> Bool {
        self.remote?.usernameFragment == other.usernameFragment && self.remote?.password == other.password
    }

    // MARK: - Announcements

    /// Something has to be negotiated (W3C `negotiationneeded`).
    mutating func need(restart: Bool = false) {
        if restart {
            guard self.isEstablished else { return }
            self.isRestartWanted = true
        }
        self.isNeeded = true
        self.announce()
    }

    /// The next offer is an ICE restart, whenever it is made.
    mutating func restartWithNextOffer() {
        self.isRestartWanted = self.isEstablished
    }

    /// What is to be told to the application: the state, if it is another one than was told last, and whether an offer
    /// has to be made, which is told when no exchange is under way.
    mutating func takeAnnouncement() -> (state: SignalingState?, isNeeded: Bool) {
        self.isAnnouncementDue = false
        let state = self.state == self.announced ? nil : self.state
        self.announced = self.state
        guard self.isNeeded, self.state == .stable else { return (state, false) }
        self.isNeeded = false
        return (state, true)
    }

    private mutating func announce() {
        guard !self.isAnnouncementDue else { return }
        self.isAnnouncementDue = true
        self.outputs.append(.announce)
    }

    // MARK: - Steps

    private mutating func begin(restart: Bool) {
        self.isRestarting = restart
        if restart { self.isRestartWanted = false }
    }

    private mutating func move(to state: SignalingState) {
        self.state = state
        self.announce()
    }

    private mutating func describe(
        _ type: SessionDescription.DescriptionType,
        _ sections: ([DataSessionDescription.Section], dataSection: Int),
        setup: DataSessionDescription.Setup
    ) -> LocalShape {
        self.lastVersion += 1
        let shape = LocalShape(
            type: type,
            sections: sections.0,
            dataSection: sections.dataSection,
            setup: setup,
            version: self.lastVersion
        )
        self.local = shape
        return shape
    }

    /// What a first offer asks for.
    private static let section = DataSessionDescription.Section(
        kind: "application",
        transport: "UDP/DTLS/SCTP",
        formats: "webrtc-datachannel",
        mid: "0"
    )
}

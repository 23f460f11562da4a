import NIOCore

/// The state of a connection as a whole, in the words of the W3C `RTCPeerConnectionState`.
public enum PeerConnectionState: String, Hashable, Sendable {
    /// Nothing has happened yet.
    case new
    /// ICE or DTLS is under way.
    case connecting
    /// Data channels can be used.
    case connected
    /// Nothing has been heard for a while. It may come back.
    case disconnected
    /// It did not come about, or is lost for good.
    case failed
    /// Closed, by this side or by the peer.
    case closed
}

/// A connection to one peer, after the W3C `RTCPeerConnection`, for data channels only.
///
/// Lives on the transport's event loop: make it, call it and release it there; its closures are called there, never
/// from inside a call into it except `close()`. It lives until `close()`, whoever holds it or not.
///
/// There is no separate local description to set: `createOffer` and `createAnswer` return what is in force.
public final class PeerConnection {
    /// A candidate to hand to the peer; an empty string ends them. Those in the description are not repeated.
    public var onICECandidate: ((IceCandidate) -> Void)?
    /// The peer opened a channel. Set its `onMessage` before returning: messages may follow at once.
    public var onDataChannel: ((DataChannel) -> Void)?
    /// `connectionState` changed, including to `closed` by `close()`.
    public var onConnectionStateChange: ((PeerConnectionState) -> Void)?
    /// `iceConnectionState` changed.
    public var onICEConnectionStateChange: ((ICEConnectionState) -> Void)?
    /// `iceGatheringState` changed.
    public var onICEGatheringStateChange: ((ICEGatheringState) -> Void)?
    /// An offer is to be made and handed to the peer: a first channel was created, or `restartICE()` was called.
    public var onNegotiationNeeded: (() -> Void)?
    /// `signalingState` changed. Not called for `closed`, which `onConnectionStateChange` tells.
    public var onSignalingStateChange: ((SignalingState) -> Void)?

    /// The state of the connection as a whole.
    public internal(set) var connectionState = PeerConnectionState.new
    /// The state of the ICE agent; during a restart, of the path that is still in use.
    public internal(set) var iceConnectionState = ICEConnectionState.new
    /// How far the STUN and TURN servers have been asked.
    public internal(set) var iceGatheringState = ICEGatheringState.new
    /// What the peer has offered or answered last; nil before.
    public internal(set) var remoteDescription: SessionDescription?
    /// Why the connection failed or closed, once it has; for a log.
    public internal(set) var closeReason: String?
    /// The data channels that are not closed.
    public var dataChannels: [DataChannel] { Array(self.channels.values) + self.unassigned }

    /// Whether the peer has yet to acknowledge anything sent on a channel. What ``DataChannel/bufferedAmount`` no longer
    /// counts may still be under way, and is lost if the connection closes.
    public var hasUnacknowledgedData: Bool {
        self.dataChannels.contains { $0.bufferedAmount > 0 } || self.association?.hasUnacknowledgedData == true
    }

    let transport: TransportCore
    let id: UInt32
    var agent: ICEAgent
    /// During an ICE restart, the agent whose pair carries the data until the new one has found its own.
    var previousAgent: ICEAgent?
    var servers: [ResolvedServer]
    var policy: ICETransportPolicy
    /// The servers or the policy changed after candidates were gathered.
    var mustGatherAnew = false
    /// Candidates that come to light now go into the description that is being made.
    var isAttaching = false
    /// The next offer is an ICE restart.
    var isRestartWanted = false
    var isNegotiationNeeded = false
    var isAnnouncementDue = false
    var announcedSignalingState = SignalingState.stable
    /// All candidates of this side.
    var localCandidates: [GatheredCandidate] = []
    /// The peer restarts ICE, and `createAnswer` was not called yet.
    var mustAnswerRestart = false
    /// An offer of an ICE restart that is not answered yet.
    var restartOffer: SessionDescription?
    /// Host names of the peer's candidates that were looked up.
    var hostNameCount = 0
    var dtls: DTLSSession?
    var dtlsRole: DTLSSession.Role?
    var association: SCTPAssociation?
    var remote: DataSessionDescription?
    var isOfferer: Bool?
    /// What does not change between two writings of the local description.
    var localShape: LocalShape?
    /// Of the descriptions (RFC 8866 section 5.2).
    private let sessionID = UInt64.random(in: .min ... .max)
    var offer: SessionDescription?
    var answer: SessionDescription?
    /// Open and opening channels by stream, and those that wait for the DTLS role to get one.
    var channels: [UInt16: DataChannel] = [:]
    var unassigned: [DataChannel] = []
    var outgoingStreams = 0
    var hasUnopened = false
    var resets = StreamResets()
    let scheduler = SendScheduler()
    /// Channels that have an event to raise, or are to be closed when they have sent all they had.
    var noted: [DataChannel] = []
    var openedChannels: UInt32 = 0
    var closedChannels: UInt32 = 0
    /// Where DTLS goes: the selected pair, or until then whence the peer was last heard.
    var destination: (address: TransportAddress, base: Int)?
    var routes: [TransportAddress] = []
    /// Handshake datagrams that came before the remote description, bounded in number and size.
    var earlyDatagrams: [[UInt8]] = []
    /// The last check took at most 10 ms there and back.
    var isShortPath = false
    var isDirty = false
    /// ICE or the handshake moved: outputs and deadlines have to be looked at. Not so for a mere data packet.
    var hasControlWork = true
    /// Readers that have fallen behind. While there are any, messages stay in SCTP's receive buffer, whose window
    /// then tells the peer to stop.
    var readingPauses = 0
    var timer: (at: NIODeadline, task: Scheduled<Void>)?
    var handshakeDeadline: NIODeadline?
    /// Attempts at the handshake after the first.
    var handshakeRestarts = 0
    /// Between two attempts, in which what comes is dropped: the peer sends it again.
    var isHandshakePaused = false
    /// This attempt has sent something that the peer may answer.
    var hasSentFlight = false
    /// Random values of ServerHellos that belong to earlier attempts.
    var staleRandoms: Set<[UInt8]> = []
    var traffic = PeerConnectionTraffic()

    init(transport: TransportCore, id: UInt32, servers: [ResolvedServer], policy: ICETransportPolicy) {
        self.transport = transport
        self.id = id
        self.servers = servers
        self.policy = policy
        self.agent = ICEAgent(
            role: .controlling,
            connection: id,
            configuration: transport.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        if policy == .all { for gathered in transport.hostCandidates { self.learn(gathered) } }
    }

    /// The smaller of what the peer accepts and what this side is configured for.
    var maximumSendSize: Int {
        min(self.remote?.maximumMessageSize ?? .max, self.transport.configuration.maximumMessageSize)
    }
    var isSecure: Bool { self.dtls?.state == .connected }
    var isOver: Bool { self.connectionState == .closed || self.connectionState == .failed }

    // MARK: - Descriptions

    /// An offer with all host candidates, and those that servers have told so far. Calling it again returns the same one.
    ///
    /// - Parameter iceRestart: offer new ICE credentials and so find a new path, when the old one has died or addresses
    ///   have changed. Data goes on flowing on the old path, if there still is one. Without effect before the first answer.
    /// - Throws: `WebRTCError.invalidState` after a remote offer, `.closed` after `close()`.
    public func createOffer(iceRestart: Bool = false) throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        let isRestart = iceRestart || self.isRestartWanted || self.restartOffer != nil
        if isRestart, let remote, self.dtlsRole != nil { return self.offerRestart(remote) }
        if let offer { return offer }
        guard self.isOfferer == nil else { throw .invalidState("an offer was received: call createAnswer instead") }
        self.isOfferer = true
        self.agent.assume(.controlling)
        self.startGathering()
        let section = DataSessionDescription.Section(
            kind: "application",
            transport: "UDP/DTLS/SCTP",
            formats: "webrtc-datachannel",
            mid: "0"
        )
        let offer = self.describe(as: .offer, [section], dataSection: 0, setup: .actpass)
        self.offer = offer
        self.isNegotiationNeeded = false
        return offer
    }

    /// The answer to the remote offer, with all host candidates, and those that servers have told so far. Calling it again returns the same one.
    ///
    /// - Throws: `WebRTCError.invalidState` before a remote offer, `.closed` after `close()`.
    public func createAnswer() throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        if let answer { return answer }
        guard let remote, self.isOfferer == false || self.mustAnswerRestart else {
            throw .invalidState("there is no remote offer to answer: call setRemoteDescription first")
        }
        self.mustAnswerRestart = false
        self.startGathering()
        // The answerer is active unless the offerer insists: its first flight leaves half a round trip earlier.
        var setup: DataSessionDescription.Setup = remote.setup == .active ? .passive : .active
        // The DTLS connection outlives ICE restarts, and with it the roles (RFC 8842 section 5.5).
        if let dtlsRole { setup = dtlsRole == .client ? .active : .passive }
        let answer = self.describe(as: .answer, remote.sections, dataSection: remote.dataSection, setup: setup)
        self.answer = answer
        self.dtlsRole = setup == .active ? .client : .server
        self.start(with: remote)
        return answer
    }

    /// Takes the peer's offer or answer.
    ///
    /// - Throws: `WebRTCError.invalidDescription` with the offending line, `.invalidState` when it does not fit,
    ///   `.unsupported` for another description with other credentials (an ICE restart), `.closed`.
    public func setRemoteDescription(_ description: SessionDescription) throws(WebRTCError) {
        if self.isOver { throw .closed }
        let parsed: DataSessionDescription
        do throws(SDPError) {
            parsed = try DataSessionDescription(parsing: description.sdp)
        } catch {
            throw .invalidDescription(error)
        }
        if let remote {
            try self.update(remote, description.type, parsed)
            self.remoteDescription = description
            return self.announceSignaling()
        }
        switch description.type {
        case .offer:
            guard self.isOfferer == nil else { throw .invalidState("an offer came although this side has offered") }
            self.isOfferer = false
            self.agent.assume(.controlled)
            self.remote = parsed
            // The answer will do.
            self.isNegotiationNeeded = false
        case .answer:
            guard self.isOfferer == true else { throw .invalidState("an answer came although this side never offered") }
            self.remote = parsed
            self.dtlsRole = parsed.setup == .passive ? .client : .server
            self.start(with: parsed)
        }
        self.remoteDescription = description
        self.announceSignaling()
    }

    /// Takes a trickled candidate. Names of the local network (mDNS) are looked up, where the system can; TCP and
    /// further components are ignored.
    ///
    /// - Throws: `WebRTCError.invalidCandidate` when it cannot be parsed.
    public func addICECandidate(_ candidate: IceCandidate) throws(WebRTCError) {
        guard !self.isOver else { return }
        guard !candidate.candidate.isEmpty else { return self.handle(.endOfRemoteCandidates) }
        do throws(ICECandidateError) {
            self.handle(.remoteCandidate(try ICECandidate(parsing: candidate.candidate)))
        } catch {
            if error == .malformed { throw .invalidCandidate(String(candidate.candidate.prefix(120))) }
            if let named = HostNameCandidate(parsing: candidate.candidate) { self.resolve([named]) }
        }
    }

    /// Closes every channel and the connection, and tells the peer. Idempotent.
    public func close() {
        self.finish(.closed, reason: "closed by this side")
    }

    // MARK: - Helpers

    /// What a local description says beside what is known of this side.
    struct LocalShape {
        var type: SessionDescription.DescriptionType
        var sections: [DataSessionDescription.Section]
        var dataSection: Int
        var setup: DataSessionDescription.Setup
    }

    /// Makes the local description.
    func describe(
        as type: SessionDescription.DescriptionType,
        _ sections: [DataSessionDescription.Section],
        dataSection: Int,
        setup: DataSessionDescription.Setup
    ) -> SessionDescription {
        let shape = LocalShape(type: type, sections: sections, dataSection: dataSection, setup: setup)
        self.localShape = shape
        self.announceSignaling()
        return SessionDescription(type: type, sdp: self.describe(shape))
    }

    func describe(_ shape: LocalShape) -> String {
        var description = DataSessionDescription()
        description.sections = shape.sections
        description.dataSection = shape.dataSection
        description.usernameFragment = self.agent.local.usernameFragment
        description.password = self.agent.local.password
        description.fingerprints = [self.transport.dtls.fingerprint]
        description.setup = shape.setup
        description.maximumMessageSize = self.transport.configuration.maximumMessageSize
        description.candidates = self.localCandidates.map(\.candidate)
        description.isComplete = self.iceGatheringState == .complete
        description.supportsTrickle = true
        return description.written(sessionID: self.sessionID)
    }

    private func start(with remote: DataSessionDescription) {
        if self.connectionState == .new {
            self.move(to: .connecting)
            let ice = self.transport.configuration.ice
            self.handshakeDeadline = .now() + ice.connectTimeout + self.transport.configuration.handshakeTimeout
        }
        self.giveAgent(remote)
        if self.dtlsRole == .server { self.startDTLS() }
    }

    /// Tells the agent what the remote description says.
    func giveAgent(_ remote: DataSessionDescription) {
        let credentials = ICEAgent.Credentials(
            usernameFragment: remote.usernameFragment,
            password: remote.password
        )
        self.handle(.remoteCredentials(credentials))
        for candidate in remote.candidates { self.handle(.remoteCandidate(candidate)) }
        self.resolve(remote.hostNames)
        if remote.isComplete { self.handle(.endOfRemoteCandidates) }
    }

    func handle(_ input: ICEAgent.Input) {
        self.hasControlWork = true
        self.agent.handle(input, at: .now())
        self.transport.markDirty(self)
    }

    func move(to state: PeerConnectionState) {
        guard state != self.connectionState, !self.isOver else { return }
        self.connectionState = state
        self.onConnectionStateChange?(state)
    }
}

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
    /// A candidate to hand to the peer; an empty string ends them. All host candidates are in the description already.
    public var onICECandidate: ((IceCandidate) -> Void)?
    /// The peer opened a channel. Set its `onMessage` before returning: messages may follow at once.
    public var onDataChannel: ((DataChannel) -> Void)?
    /// `connectionState` changed, including to `closed` by `close()`.
    public var onConnectionStateChange: ((PeerConnectionState) -> Void)?
    /// `iceConnectionState` changed.
    public var onICEConnectionStateChange: ((ICEConnectionState) -> Void)?

    /// The state of the connection as a whole.
    public internal(set) var connectionState = PeerConnectionState.new
    /// The state of the ICE agent.
    public var iceConnectionState: ICEConnectionState { self.agent.state }
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
    var dtls: DTLSSession?
    var dtlsRole: DTLSSession.Role?
    var association: SCTPAssociation?
    var remote: DataSessionDescription?
    var isOfferer: Bool?
    var offer: SessionDescription?
    var answer: SessionDescription?
    /// Open and opening channels by stream, and those that wait for the DTLS role to get one.
    var channels: [UInt16: DataChannel] = [:]
    var unassigned: [DataChannel] = []
    var outgoingStreams = 0
    var hasUnopened = false
    var pendingResets: Set<UInt16> = []
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
    var traffic = PeerConnectionStatistics()

    init(transport: TransportCore, id: UInt32) {
        self.transport = transport
        self.id = id
        self.agent = ICEAgent(
            role: .controlling,
            connection: id,
            configuration: transport.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        let now = NIODeadline.now()
        for (candidate, base) in transport.hostCandidates {
            self.agent.handle(.localCandidate(candidate, base: base), at: now)
        }
    }

    var usernameFragment: String { self.agent.local.usernameFragment }
    /// The smaller of what the peer accepts and what this side is configured for.
    var maximumSendSize: Int {
        min(self.remote?.maximumMessageSize ?? .max, self.transport.configuration.maximumMessageSize)
    }
    var isSecure: Bool { self.dtls?.state == .connected }
    var isOver: Bool { self.connectionState == .closed || self.connectionState == .failed }

    // MARK: - Descriptions

    /// An offer with all host candidates. Calling it again returns the same one.
    ///
    /// - Throws: `WebRTCError.invalidState` after a remote offer, `.closed` after `close()`.
    public func createOffer() throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        if let offer { return offer }
        guard self.isOfferer == nil else { throw .invalidState("an offer was received: call createAnswer instead") }
        self.isOfferer = true
        self.agent.assume(.controlling)
        let section = DataSessionDescription.Section(
            kind: "application",
            transport: "UDP/DTLS/SCTP",
            formats: "webrtc-datachannel",
            mid: "0"
        )
        let offer = SessionDescription(type: .offer, sdp: self.describe([section], dataSection: 0, setup: .actpass))
        self.offer = offer
        self.announceEndOfCandidates()
        return offer
    }

    /// The answer to the remote offer, with all host candidates. Calling it again returns the same one.
    ///
    /// - Throws: `WebRTCError.invalidState` before a remote offer, `.closed` after `close()`.
    public func createAnswer() throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        if let answer { return answer }
        guard let remote, self.isOfferer == false else {
            throw .invalidState("there is no remote offer to answer: call setRemoteDescription first")
        }
        // The answerer is active unless the offerer insists: its first flight leaves half a round trip earlier.
        let setup: DataSessionDescription.Setup = remote.setup == .active ? .passive : .active
        let sdp = self.describe(remote.sections, dataSection: remote.dataSection, setup: setup)
        let answer = SessionDescription(type: .answer, sdp: sdp)
        self.answer = answer
        self.dtlsRole = setup == .active ? .client : .server
        self.start(with: remote)
        self.announceEndOfCandidates()
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
            guard remote.usernameFragment == parsed.usernameFragment, remote.fingerprints == parsed.fingerprints else {
                throw .unsupported("the peer restarts ICE or changes its certificate: make a new connection")
            }
            for candidate in parsed.candidates { self.handle(.remoteCandidate(candidate)) }
            return
        }
        switch description.type {
        case .offer:
            guard self.isOfferer == nil else { throw .invalidState("an offer came although this side has offered") }
            self.isOfferer = false
            self.agent.assume(.controlled)
            self.remote = parsed
        case .answer:
            guard self.isOfferer == true else { throw .invalidState("an answer came although this side never offered") }
            self.remote = parsed
            self.dtlsRole = parsed.setup == .passive ? .client : .server
            self.start(with: parsed)
        }
    }

    /// Takes a trickled candidate. Host names (mDNS), TCP and further components are ignored.
    ///
    /// - Throws: `WebRTCError.invalidCandidate` when it cannot be parsed.
    public func addICECandidate(_ candidate: IceCandidate) throws(WebRTCError) {
        guard !self.isOver else { return }
        guard !candidate.candidate.isEmpty else { return self.handle(.endOfRemoteCandidates) }
        do throws(ICECandidateError) {
            self.handle(.remoteCandidate(try ICECandidate(parsing: candidate.candidate)))
        } catch {
            if error == .malformed { throw .invalidCandidate(String(candidate.candidate.prefix(120))) }
        }
    }

    /// Closes every channel and the connection, and tells the peer. Idempotent.
    public func close() {
        self.finish(.closed, reason: "closed by this side")
    }

    // MARK: - Helpers

    private func describe(
        _ sections: [DataSessionDescription.Section],
        dataSection: Int,
        setup: DataSessionDescription.Setup
    ) -> String {
        var description = DataSessionDescription()
        description.sections = sections
        description.dataSection = dataSection
        description.usernameFragment = self.agent.local.usernameFragment
        description.password = self.agent.local.password
        description.fingerprints = [self.transport.dtls.fingerprint]
        description.setup = setup
        description.maximumMessageSize = self.transport.configuration.maximumMessageSize
        description.candidates = self.transport.hostCandidates.map(\.candidate)
        description.isComplete = true
        description.supportsTrickle = true
        return description.written(sessionID: .random(in: .min ... .max))
    }

    private func announceEndOfCandidates() {
        let mid = self.remote?.mid ?? "0"
        let index = self.remote?.dataSection ?? 0
        WebRTCEventLoop.loop.assumeIsolated().execute {
            guard !self.isOver else { return }
            self.onICECandidate?(IceCandidate(candidate: "", sdpMid: mid, sdpMLineIndex: index))
        }
    }

    private func start(with remote: DataSessionDescription) {
        self.move(to: .connecting)
        self.handshakeDeadline =
            .now() + self.transport.configuration.ice.connectTimeout + self.transport.configuration.handshakeTimeout
        let credentials = ICEAgent.Credentials(
            usernameFragment: remote.usernameFragment,
            password: remote.password
        )
        self.handle(.remoteCredentials(credentials))
        for candidate in remote.candidates { self.handle(.remoteCandidate(candidate)) }
        if remote.isComplete { self.handle(.endOfRemoteCandidates) }
        if self.dtlsRole == .server { self.startDTLS() }
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

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
    let transport: TransportCore
    let id: UInt32
    var handlers = Handlers()
    var status = Status()
    var negotiation = Negotiation()
    /// What the peer has offered or answered last; nil before.
    public internal(set) var remoteDescription: SessionDescription?
    var gathering: Gathering
    var ice: Paths
    var handshake = Handshake()
    var messaging = Messaging()
    var streams = ChannelTable()
    var reading = Reading()
    var work = Work()
    var traffic = PeerConnectionTraffic()

    init(transport: TransportCore, id: UInt32, servers: [ResolvedServer], policy: ICETransportPolicy) {
        self.transport = transport
        self.id = id
        self.gathering = Gathering(servers: servers, policy: policy)
        let agent = ICEAgent(
            role: .controlling,
            connection: id,
            configuration: transport.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        self.ice = Paths(agent: agent)
        self.work.alarm = Alarm(on: transport.eventLoop) { [weak self] in self?.timerFired() }
        if policy == .all { for gathered in transport.host.candidates { self.learn(gathered) } }
    }

    /// The smaller of what the peer accepts and what this side is configured for.
    var maximumSendSize: Int {
        min(self.negotiation.remote?.maximumMessageSize ?? .max, self.transport.configuration.maximumMessageSize)
    }
    var isSecure: Bool { self.handshake.dtls?.state == .connected }
    var isOver: Bool { self.connectionState == .closed || self.connectionState == .failed }

    // MARK: - Descriptions

    /// An offer with all candidates known by now. While there is no answer, calling it again returns the same offer, with
    /// the candidates that have been found since.
    ///
    /// - Parameter iceRestart: offer new ICE credentials and so find a new path, when the old one has died or addresses
    ///   have changed. Data goes on flowing on the old path, if there still is one. Without effect before the first answer.
    /// - Throws: `WebRTCError.invalidState` while a remote offer waits for its answer, `.closed` after `close()`.
    public func createOffer(iceRestart: Bool = false) throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        let shape = try self.negotiation.offer(iceRestart: iceRestart)
        self.drainNegotiation()
        return self.write(shape)
    }

    /// The answer to the remote offer, with all candidates known by now. Calling it again returns the same answer, with the
    /// candidates that have been found since.
    ///
    /// - Throws: `WebRTCError.invalidState` before a remote offer, `.closed` after `close()`.
    public func createAnswer() throws(WebRTCError) -> SessionDescription {
        if self.isOver { throw .closed }
        let shape = try self.negotiation.answer()
        self.drainNegotiation()
        return self.write(shape)
    }

    /// Takes the peer's offer or answer.
    ///
    /// - Throws: `WebRTCError.invalidDescription` with the offending line, `.invalidState` when it does not fit,
    ///   `.unsupported` for another certificate, `.closed`.
    public func setRemoteDescription(_ description: SessionDescription) throws(WebRTCError) {
        if self.isOver { throw .closed }
        let parsed: DataSessionDescription
        do throws(SDPError) {
            parsed = try DataSessionDescription(parsing: description.sdp)
        } catch {
            throw .invalidDescription(error)
        }
        try self.negotiation.take(description.type, parsed)
        self.remoteDescription = description
        self.drainNegotiation()
    }

    /// Gives up the exchange under way: this side's offer, or the peer's that was not answered yet (W3C "rollback").
    /// Everything is as before it; `onNegotiationNeeded` asks for what an own offer was for.
    ///
    /// - Throws: `WebRTCError.invalidState` when no exchange is under way, `.closed` after `close()`.
    public func rollBack() throws(WebRTCError) {
        if self.isOver { throw .closed }
        try self.negotiation.rollBack()
        self.drainNegotiation()
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

    func handle(_ input: ICEAgent.Input) {
        self.work.hasControlWork = true
        self.ice.agent.handle(input, at: .now())
        self.transport.markDirty(self)
    }

    /// Starts connecting, or goes on, as both descriptions say.
    func connect(_ remote: DataSessionDescription) {
        if self.connectionState == .new {
            self.move(to: .connecting)
            let ice = self.transport.configuration.ice
            self.handshake.deadline = .now() + ice.connectTimeout + self.transport.configuration.handshakeTimeout
        }
        let credentials = ICEAgent.Credentials(
            usernameFragment: remote.usernameFragment,
            password: remote.password
        )
        self.handle(.remoteCredentials(credentials))
        for candidate in remote.candidates { self.handle(.remoteCandidate(candidate)) }
        self.resolve(remote.hostNames)
        if remote.isComplete { self.handle(.endOfRemoteCandidates) }
        if self.negotiation.dtlsRole == .server { self.startDTLS() }
    }

    func move(to state: PeerConnectionState) {
        guard state != self.connectionState, !self.isOver else { return }
        self.connectionState = state
        self.onConnectionStateChange?(state)
    }
}

import NIOCore

/// A peer connection for async code, from anywhere.
///
/// ```swift
/// let connection = try await transport.makeAsyncPeerConnection()
/// let channel = try await connection.createDataChannel(label: "chat")
/// let offer = try await connection.createOffer()      // to the peer, by signalling
/// try await connection.setRemoteDescription(answer)   // from the peer
/// try await channel.send("hello")                     // waits until the channel is open
/// for try await message in channel.messages { print(message.text) }
/// ```
public struct AsyncPeerConnection: Sendable {
    /// Something that happened to the connection as a whole.
    public enum Event: Sendable {
        /// `connectionState` changed.
        case state(PeerConnectionState)
        /// `iceConnectionState` changed (W3C `iceconnectionstatechange`).
        case iceState(ICEConnectionState)
        /// `iceGatheringState` changed (W3C `icegatheringstatechange`).
        case gatheringState(ICEGatheringState)
        /// `signalingState` changed (W3C `signalingstatechange`).
        case signalingState(SignalingState)
        /// An offer is to be made and handed to the peer (W3C `negotiationneeded`): a first channel was created, or
        /// `restartICE()` was called.
        case negotiationNeeded
        /// The peer opened a channel (W3C `datachannel`).
        case dataChannel(AsyncDataChannel)
        /// A candidate to hand to the peer (W3C `icecandidate`); an empty one ends them.
        case candidate(IceCandidate)
    }

    /// Events until the connection is closed or failed.
    public let events: Events
    let connection: NIOLoopBound<PeerConnection>
    private let eventLoop: any EventLoop

    init(_ connection: PeerConnection, eventLoop: any EventLoop) {
        let queue = EventQueue(AsyncDataChannelReader(connection: connection, eventLoop: eventLoop))
        self.events = Events(queue: NIOLoopBound(queue, eventLoop: eventLoop), eventLoop: eventLoop)
        self.eventLoop = eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        connection.onConnectionStateChange = { state in
            queue.add(.state(state))
            if state == .closed || state == .failed { queue.finish() }
        }
        connection.onICEConnectionStateChange = { queue.add(.iceState($0)) }
        connection.onICEGatheringStateChange = { queue.add(.gatheringState($0)) }
        connection.onSignalingStateChange = { queue.add(.signalingState($0)) }
        connection.onNegotiationNeeded = { queue.add(.negotiationNeeded) }
        connection.onDataChannel = { [unowned connection] channel in
            let adopted = AsyncDataChannel(adopting: channel, of: connection, eventLoop: eventLoop)
            queue.add(.dataChannel(adopted))
        }
        connection.onICECandidate = { queue.add(.candidate($0)) }
    }

    /// An offer with all candidates known by now.
    ///
    /// - Parameter iceRestart: look for a new path, as after `restartICE()`.
    /// - Throws: what `PeerConnection.createOffer` throws.
    public func createOffer(iceRestart: Bool = false) async throws(WebRTCError) -> SessionDescription {
        try await self.eventLoop.result { () throws(WebRTCError) in
            try self.connection.value.createOffer(iceRestart: iceRestart)
        }
    }

    /// The answer to the remote offer.
    ///
    /// - Throws: what `PeerConnection.createAnswer` throws.
    public func createAnswer() async throws(WebRTCError) -> SessionDescription {
        try await self.eventLoop.result { () throws(WebRTCError) in try self.connection.value.createAnswer() }
    }

    /// Takes the peer's offer or answer.
    ///
    /// - Throws: what `PeerConnection.setRemoteDescription` throws.
    public func setRemoteDescription(_ description: SessionDescription) async throws(WebRTCError) {
        try await self.eventLoop.result { () throws(WebRTCError) in
            try self.connection.value.setRemoteDescription(description)
        }
    }

    /// Takes a trickled candidate.
    ///
    /// - Throws: `WebRTCError.invalidCandidate`.
    public func addICECandidate(_ candidate: IceCandidate) async throws(WebRTCError) {
        try await self.eventLoop.result { () throws(WebRTCError) in
            try self.connection.value.addICECandidate(candidate)
        }
    }

    /// Creates a channel. It can be sent to at once: the first message waits until it is open.
    ///
    /// - Throws: what `PeerConnection.createDataChannel` throws.
    public func createDataChannel(
        label: String,
        _ configuration: DataChannelConfiguration = .init()
    ) async throws(DataChannelError) -> AsyncDataChannel {
        try await self.eventLoop.result { () throws(DataChannelError) in
            let channel = try self.connection.value.createDataChannel(label: label, configuration)
            return AsyncDataChannel(adopting: channel, of: self.connection.value, eventLoop: self.eventLoop)
        }
    }

    /// Has the next offer look for a new path, and asks for one by the event `negotiationNeeded` (W3C `restartIce()`).
    /// Data goes on flowing on the old path, if there still is one. Without effect before the first answer.
    public func restartICE() {
        self.eventLoop.execute { self.connection.value.restartICE() }
    }

    /// Changes by which servers candidates are found, and which candidates are used; nil leaves it as it is. Once
    /// candidates were gathered, it takes effect with the next offer, which is an ICE restart.
    ///
    /// - Throws: what `PeerConnection.setConfiguration` throws.
    public func setConfiguration(
        iceServers: [ICEServer]? = nil,
        iceTransportPolicy: ICETransportPolicy? = nil
    ) async throws(WebRTCError) {
        try await self.eventLoop.result { () throws(WebRTCError) in
            try self.connection.value.setConfiguration(
                iceServers: iceServers,
                iceTransportPolicy: iceTransportPolicy
            )
        }
    }

    /// What this side has offered or answered last, with all candidates that are known by now.
    public var localDescription: SessionDescription? {
        get async { await self.eventLoop.value { self.connection.value.localDescription } }
    }

    /// What the peer has offered or answered last.
    public var remoteDescription: SessionDescription? {
        get async { await self.eventLoop.value { self.connection.value.remoteDescription } }
    }

    /// The state of the ICE agent just now.
    public var iceConnectionState: ICEConnectionState {
        get async { await self.eventLoop.value { self.connection.value.iceConnectionState } }
    }

    /// How far the STUN and TURN servers have been asked just now.
    public var iceGatheringState: ICEGatheringState {
        get async { await self.eventLoop.value { self.connection.value.iceGatheringState } }
    }

    /// How far an exchange of descriptions has come just now.
    public var signalingState: SignalingState {
        get async { await self.eventLoop.value { self.connection.value.signalingState } }
    }

    /// Whether the peer takes candidates one by one; nil before its description.
    public var canTrickleICECandidates: Bool? {
        get async { await self.eventLoop.value { self.connection.value.canTrickleICECandidates } }
    }

    /// The largest message in bytes that channels send.
    public var maximumMessageSize: Int {
        get async { await self.eventLoop.value { self.connection.value.maximumMessageSize } }
    }

    /// The addresses in use; nil before there are any.
    public var selectedCandidatePair: ICECandidatePair? {
        get async { await self.eventLoop.value { self.connection.value.selectedCandidatePair } }
    }

    /// The state of the connection just now.
    public var connectionState: PeerConnectionState {
        get async { await self.eventLoop.value { self.connection.value.connectionState } }
    }

    /// Why the connection failed or closed, once it has; for a log.
    public var closeReason: String? {
        get async { await self.eventLoop.value { self.connection.value.closeReason } }
    }

    /// What went over this connection so far.
    public func getStats() async -> StatsReport {
        await self.eventLoop.value { self.connection.value.getStats() }
    }

    /// Closes every channel and the connection. Idempotent.
    public func close() {
        self.eventLoop.execute { self.connection.value.close() }
    }
}

extension WebRTCTransport {
    /// Makes a connection for async code. From anywhere.
    ///
    /// - Parameters:
    ///   - iceServers: STUN and TURN servers; nil means those of the transport's configuration.
    ///   - iceTransportPolicy: which candidates to use; nil means as the transport's configuration says.
    /// - Throws: `WebRTCError.tooManyConnections`, `.invalidICEServer`, or `.closed` after `close()`.
    public func makeAsyncPeerConnection(
        iceServers: [ICEServer]? = nil,
        iceTransportPolicy: ICETransportPolicy? = nil
    ) async throws(WebRTCError) -> AsyncPeerConnection {
        try await self.eventLoop.result { () throws(WebRTCError) in
            let connection = try self.makePeerConnection(
                iceServers: iceServers,
                iceTransportPolicy: iceTransportPolicy
            )
            return AsyncPeerConnection(connection, eventLoop: self.eventLoop)
        }
    }
}

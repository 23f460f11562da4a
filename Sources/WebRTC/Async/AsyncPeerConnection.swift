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
        /// `iceConnectionState` changed.
        case iceState(ICEConnectionState)
        /// The peer opened a channel.
        case dataChannel(AsyncDataChannel)
        /// A candidate to hand to the peer.
        case candidate(IceCandidate)
    }

    /// Events until the connection is closed or failed. To be iterated once.
    public let events: AsyncStream<Event>
    let connection: NIOLoopBound<PeerConnection>
    private let eventLoop: any EventLoop

    init(_ connection: PeerConnection, eventLoop: any EventLoop) {
        // Bounded by the limits on channels and candidates, and by the few states there are.
        let (events, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingOldest(4096))
        self.events = events
        self.eventLoop = eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        connection.onConnectionStateChange = { state in
            continuation.yield(.state(state))
            if state == .closed || state == .failed { continuation.finish() }
        }
        connection.onICEConnectionStateChange = { continuation.yield(.iceState($0)) }
        connection.onDataChannel = { [unowned connection] channel in
            let adopted = AsyncDataChannel(adopting: channel, of: connection, eventLoop: eventLoop)
            continuation.yield(.dataChannel(adopted))
        }
        connection.onICECandidate = { continuation.yield(.candidate($0)) }
    }

    /// An offer with all host candidates.
    ///
    /// - Throws: what `PeerConnection.createOffer` throws.
    public func createOffer() async throws(WebRTCError) -> SessionDescription {
        try await self.eventLoop.result { () throws(WebRTCError) in try self.connection.value.createOffer() }
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
    /// - Throws: `WebRTCError.tooManyConnections`, or `.closed` after `close()`.
    public func makeAsyncPeerConnection() async throws(WebRTCError) -> AsyncPeerConnection {
        try await self.eventLoop.result { () throws(WebRTCError) in
            AsyncPeerConnection(try self.core.value.makePeerConnection(), eventLoop: self.eventLoop)
        }
    }
}

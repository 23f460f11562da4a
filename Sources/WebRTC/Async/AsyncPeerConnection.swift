import NIOCore

/// A peer connection for async code, from anywhere.
///
/// ```swift
/// let connection = try await transport.makeAsyncPeerConnection()
/// let channel = try await connection.createDataChannel(label: "chat")
/// let offer = try await connection.createOffer()      // to the peer, by signalling
/// try await connection.setRemoteDescription(answer)   // from the peer
/// try await channel.send("hello")                     // waits until the channel is open
/// for await message in channel.messages { print(message.payload) }
/// ```
public struct AsyncPeerConnection: Sendable {
    /// Something that happened to the connection as a whole.
    public enum Event: Sendable {
        /// `connectionState` changed.
        case state(PeerConnectionState)
        /// The peer opened a channel.
        case dataChannel(AsyncDataChannel)
        /// A candidate to hand to the peer.
        case candidate(IceCandidate)
    }

    /// Events until the connection is closed or failed. To be iterated once.
    public let events: AsyncStream<Event>
    private let connection: NIOLoopBound<PeerConnection>
    private let eventLoop: any EventLoop

    init(_ connection: PeerConnection, eventLoop: any EventLoop) {
        // Bounded by the limits on channels and candidates, and by the few states there are.
        let (events, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingOldest(1024))
        self.events = events
        self.eventLoop = eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        connection.onConnectionStateChange = { state in
            continuation.yield(.state(state))
            if state == .closed || state == .failed { continuation.finish() }
        }
        connection.onDataChannel = { [unowned connection] channel in
            let adopted = AsyncDataChannel(adopting: channel, of: connection, eventLoop: eventLoop)
            continuation.yield(.dataChannel(adopted))
        }
        connection.onICECandidate = { continuation.yield(.candidate($0)) }
    }

    /// An offer with all host candidates.
    ///
    /// - Throws: `WebRTCError`.
    public func createOffer() async throws -> SessionDescription {
        try await self.eventLoop.submit { try self.connection.value.createOffer() }.get()
    }

    /// The answer to the remote offer.
    ///
    /// - Throws: `WebRTCError`.
    public func createAnswer() async throws -> SessionDescription {
        try await self.eventLoop.submit { try self.connection.value.createAnswer() }.get()
    }

    /// Takes the peer's offer or answer.
    ///
    /// - Throws: `WebRTCError`.
    public func setRemoteDescription(_ description: SessionDescription) async throws {
        try await self.eventLoop.submit { try self.connection.value.setRemoteDescription(description) }.get()
    }

    /// Takes a trickled candidate.
    ///
    /// - Throws: `WebRTCError.invalidCandidate`.
    public func addICECandidate(_ candidate: IceCandidate) async throws {
        try await self.eventLoop.submit { try self.connection.value.addICECandidate(candidate) }.get()
    }

    /// Creates a channel. It can be sent to at once: the first message waits until it is open.
    ///
    /// - Throws: `DataChannelError`.
    public func createDataChannel(
        label: String,
        _ configuration: DataChannelConfiguration = .init()
    ) async throws -> AsyncDataChannel {
        try await self.eventLoop.submit {
            let channel = try self.connection.value.createDataChannel(label: label, configuration)
            return AsyncDataChannel(adopting: channel, of: self.connection.value, eventLoop: self.eventLoop)
        }.get()
    }

    /// What went over this connection so far.
    public var statistics: PeerConnectionStatistics {
        get async throws { try await self.eventLoop.submit { self.connection.value.statistics }.get() }
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
    public func makeAsyncPeerConnection() async throws -> AsyncPeerConnection {
        try await self.eventLoop.submit {
            AsyncPeerConnection(try self.makePeerConnection(), eventLoop: self.eventLoop)
        }.get()
    }
}

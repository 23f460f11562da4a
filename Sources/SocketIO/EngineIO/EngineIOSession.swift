package import NIOCore
import StateMachine

/// The server's side of one Engine.IO session, of revision 4 or 3, over polling, WebSocket, or the change from one to the other.
///
/// Call ``handle(_:at:)`` for everything that happens, then drain ``nextOutput()`` until it is nil. Call again with
/// `.timeout` when ``deadline`` has passed. After `.closed` nothing more comes out.
package struct EngineIOSession {
    /// Names one HTTP request; chosen by the driver.
    package typealias RequestID = UInt64
    /// Names one WebSocket; chosen by the driver.
    package typealias WebSocketID = UInt64

    /// Why a session ended, in the reference server's words.
    package enum CloseReason: String, Sendable {
        case pingTimeout = "ping timeout"
        case transportClose = "transport close"
        case transportError = "transport error"
        case parseError = "parse error"
        case forcedClose = "forced close"
    }

    package enum Input {
        /// A GET asks for packets.
        case poll(RequestID)
        /// A POST's head arrived; its body follows.
        case dataStarted(RequestID)
        /// A POST is complete. `isBinary` says that it came as `application/octet-stream`.
        case data(RequestID, ByteBuffer, isBinary: Bool)
        /// A POST was refused by its size; the session goes on.
        case dataRefused(RequestID)
        /// The connection of an unanswered request is gone.
        case requestAborted(RequestID)
        /// A WebSocket was opened with this session's identifier.
        case webSocketOpened(WebSocketID)
        case webSocketFrame(WebSocketID, EngineIOFrame)
        case webSocketClosed(WebSocketID)
        /// A WebSocket broke the protocol or overflowed.
        case webSocketFailed(WebSocketID)
        case send(EngineIOMessage)
        /// Messages that belong together and need not arrive.
        case sendVolatile([EngineIOMessage])
        /// The client is doubted: unless it answers within this time, it is gone.
        case probe(within: TimeAmount)
        /// Close in order: everything sent before, and these last messages, still arrive if the client fetches them.
        case close(last: [EngineIOMessage])
        /// End at once, whether or not the client has fetched everything.
        case abandon
        case timeout
    }

    package enum Output {
        case respond(RequestID, EngineIOResponse)
        case sendFrame(WebSocketID, EngineIOFrame)
        /// To be dropped if the WebSocket has not taken what was sent before.
        case sendVolatileFrames(WebSocketID, [EngineIOFrame])
        case closeWebSocket(WebSocketID)
        case message(EngineIOMessage)
        /// Something to count.
        case refused(SocketIORefusal)
        case closed(CloseReason)
    }

    /// How a session begins.
    package enum Opening {
        case poll(RequestID)
        case webSocket(WebSocketID)
    }

    enum Transport {
        case polling
        case webSocket(WebSocketID)
    }

    enum Phase {
        case open
        case closing(until: NIODeadline)
        case closed
    }

    /// A WebSocket that wants to take over from polling.
    struct Candidate {
        let id: WebSocketID
        let deadline: NIODeadline
        var isProbed = false
    }

    package let id: String
    package let encoding: EngineIOEncoding
    let parameters: EngineIOSessionParameters
    var transport: Transport
    var phase = Phase.open
    /// The poll that waits for packets.
    var poll: RequestID?
    /// The POST whose body is on its way.
    var dataRequest: RequestID?
    var candidate: Candidate?
    /// What waits to be written.
    var waiting = WaitingPackets()
    var heartbeat: EngineIOHeartbeat
    var outputs = OutputQueue<Output>()

    package init(
        id: String,
        opening: Opening,
        encoding: EngineIOEncoding = .standard,
        parameters: EngineIOSessionParameters,
        at now: NIODeadline
    ) {
        self.id = id
        self.encoding = encoding
        self.parameters = parameters
        heartbeat = EngineIOHeartbeat(encoding.revision, parameters, at: now)
        switch opening {
        case .poll(let request):
            transport = .polling
            poll = request
        case .webSocket(let webSocket): transport = .webSocket(webSocket)
        }
        enqueue(.open(handshake()))
    }

    /// Whether the session has ended.
    package var isClosed: Bool {
        guard case .closed = phase else { return false }
        return true
    }

    /// Whether messages travel by WebSocket now.
    package var isOnWebSocket: Bool {
        guard case .webSocket = transport else { return false }
        return true
    }

    /// When `.timeout` is due; nil once closed.
    @inline(__always) package var deadline: NIODeadline? {
        switch phase {
        case .closed: return nil
        case .closing(let until): return min(until, heartbeat.deadline)
        case .open: return min(candidate?.deadline ?? .distantFuture, heartbeat.deadline)
        }
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input, at now: NIODeadline) {
        switch input {
        case .poll(let request): handlePoll(request, at: now)
        case .dataStarted(let request): handleDataStarted(request)
        case .data(let request, let body, let isBinary): handleData(request, body, isBinary: isBinary, at: now)
        case .dataRefused(let request): if dataRequest == request { dataRequest = nil }
        case .requestAborted(let request): handleAborted(request)
        case .webSocketOpened(let webSocket): handleOpened(webSocket, at: now)
        case .webSocketFrame(let webSocket, let frame): handle(frame, from: webSocket, at: now)
        case .webSocketClosed(let webSocket): handleLost(webSocket, reason: .transportClose)
        case .webSocketFailed(let webSocket): handleLost(webSocket, reason: .transportError)
        case .send(let message): if case .open = phase { enqueue(.message(message)) }
        case .sendVolatile(let messages): sendVolatile(messages)
        case .probe(let limit): handleProbe(within: limit, at: now)
        case .close(let last): handleClose(last, at: now)
        case .abandon: finish(.forcedClose, lastWords: .close)
        case .timeout: handleTimeout(at: now)
        }
    }
}

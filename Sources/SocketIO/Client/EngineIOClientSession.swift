package import NIOCore
import StateMachine

/// What the server said when the session was opened.
package struct EngineIOServerHandshake: Sendable, Hashable {
    package var sid: String
    package var upgrades: [String]
    package var pingInterval: TimeAmount
    package var pingTimeout: TimeAmount
    /// The largest payload that the server takes.
    package var maximumPayload: Int

    package init?(json: ByteBuffer) {
        guard let value = try? JSONValue(parsing: json), let sid = value["sid"]?.stringValue, !sid.isEmpty,
            let interval = value["pingInterval"]?.doubleValue, let timeout = value["pingTimeout"]?.doubleValue,
            (0...Self.longestDelay).contains(interval), (1...Self.longestDelay).contains(timeout),
            sid.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"&#?".utf8.contains($0) })
        else { return nil }
        self.sid = sid
        upgrades = value["upgrades"]?.arrayValue?.compactMap(\.stringValue) ?? []
        pingInterval = .milliseconds(Int64(interval))
        pingTimeout = .milliseconds(Int64(timeout))
        maximumPayload = max(value["maxPayload"]?.intValue ?? 1_000_000, 1)
    }

    /// A day, in milliseconds.
    private static let longestDelay = 86_400_000.0
}

/// The client's side of one Engine.IO 4 session, over polling, WebSocket, or the change from one to the other.
///
/// Call ``handle(_:at:)`` for everything that happens, then drain ``nextOutput()`` until it is nil. Call again with
/// `.timeout` when ``deadline`` has passed. After `.closed` nothing more comes out.
package struct EngineIOClientSession {
    /// Why a session ended.
    package enum CloseReason: Sendable, Hashable {
        /// This side closed it.
        case forcedClose
        /// The server was silent for too long.
        case pingTimeout
        /// The server or the network closed the connection.
        case transportClose
        /// The connection could not be made, or it failed.
        case transportError(ConnectionFailure)
        /// The server sent something that is not Engine.IO.
        case parseError
    }

    package enum Input {
        case start
        case pollAnswered(status: Int, body: ByteBuffer)
        case pollFailed(ConnectionFailure)
        case postAnswered(status: Int, body: ByteBuffer)
        case postFailed(ConnectionFailure)
        case webSocketOpened
        case webSocketFrame(EngineIOFrame)
        /// The WebSocket could not be opened, or is gone.
        case webSocketClosed(ConnectionFailure?)
        case send(EngineIOMessage)
        /// Close in order: what was sent before still goes out.
        case close
        case timeout
    }

    package enum Output {
        /// Fetch packets; without `sid` open a session.
        case poll(sid: String?)
        case post(sid: String, ByteBuffer)
        case openWebSocket(sid: String?)
        case sendFrame(EngineIOFrame)
        case closeWebSocket
        case opened(EngineIOServerHandshake)
        case message(EngineIOMessage)
        /// Every transport is to be dropped.
        case closed(CloseReason)
    }

    private enum Phase {
        case idle
        case opening(until: NIODeadline)
        case open(EngineIOServerHandshake)
        case closing(EngineIOServerHandshake, until: NIODeadline)
        case closed
    }

    private enum Upgrade: Equatable {
        case none
        /// The WebSocket is being opened, or its probe is on the way.
        case probing
        /// The probe came back; polling must come to rest first.
        case pausing
        case done
    }

    private let transports: [SocketIOTransport]
    private let openTimeout: TimeAmount
    private var phase = Phase.idle
    private var isOnWebSocket = false
    private var upgrade = Upgrade.none
    private var isPolling = false
    private var isPosting = false
    private var waiting: [EngineIOPacket] = []
    private var lastPing = NIODeadline.uptimeNanoseconds(0)
    private var outputs = OutputQueue<Output>()

    /// How long an orderly close may take.
    private static let closeTimeout = TimeAmount.seconds(2)

    /// - Parameters:
    ///   - transports: What to use, the first to begin with; the session upgrades from polling if WebSocket follows.
    ///   - openTimeout: How long opening may take.
    package init(transports: [SocketIOTransport], openTimeout: TimeAmount) {
        self.transports = transports
        self.openTimeout = openTimeout
    }

    package var deadline: NIODeadline? {
        switch phase {
        case .idle, .closed: nil
        case .opening(let until): until
        case .open(let handshake): heartbeatDeadline(handshake)
        case .closing(let handshake, let until): min(until, heartbeatDeadline(handshake))
        }
    }

    /// Whether messages travel by WebSocket now.
    package var usesWebSocket: Bool { isOnWebSocket }

    /// Whether a message sent now would not wait for earlier ones, as far as the session knows.
    package var canSendAtOnce: Bool {
        guard case .open = phase, upgrade != .pausing else { return false }
        return isOnWebSocket || (!isPosting && waiting.isEmpty)
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input, at now: NIODeadline) {
        if case .closed = phase { return }
        switch input {
        case .start: start(at: now)
        case .pollAnswered(let status, let body): handlePollAnswer(status, body, at: now)
        case .pollFailed(let error): fail(error)
        case .postAnswered(let status, _): handlePostAnswer(status)
        case .postFailed(let error): fail(error)
        case .webSocketOpened: handleWebSocketOpened()
        case .webSocketFrame(let frame): handle(frame, at: now)
        case .webSocketClosed(let error): handleWebSocketClosed(error)
        case .send(let message): if case .open = phase { enqueue(.message(message)) }
        case .close: close(at: now)
        case .timeout: handleTimeout(at: now)
        }
    }

    private mutating func start(at now: NIODeadline) {
        guard case .idle = phase else { return }
        phase = .opening(until: now + openTimeout)
        if transports.first == .webSocket {
            isOnWebSocket = true
            outputs.append(.openWebSocket(sid: nil))
        } else {
            isPolling = true
            outputs.append(.poll(sid: nil))
        }
    }
}

// MARK: - Polling

extension EngineIOClientSession {
    private var sid: String? {
        switch phase {
        case .open(let handshake), .closing(let handshake, _): handshake.sid
        case .idle, .opening, .closed: nil
        }
    }

    private mutating func handlePollAnswer(_ status: Int, _ body: ByteBuffer, at now: NIODeadline) {
        isPolling = false
        guard status == 200 else {
            fail(Self.describe(status, body))
            return
        }
        var payload = body
        do throws(EngineIOParseError) {
            while !isClosed, let packet = try EngineIOPacket.next(of: &payload) { handle(packet, at: now) }
        } catch {
            finish(.parseError)
        }
        pollAgain()
    }

    private mutating func pollAgain() {
        guard !isOnWebSocket, !isPolling, let sid else { return }
        if upgrade == .pausing {
            completeUpgrade()
        } else {
            isPolling = true
            outputs.append(.poll(sid: sid))
        }
    }

    private mutating func handlePostAnswer(_ status: Int) {
        isPosting = false
        guard status == 200 else {
            fail("the server answered a message with HTTP status \(status)")
            return
        }
        if upgrade == .pausing { completeUpgrade() }
        flush()
    }

    /// `400 {"code":1,"message":"Session ID unknown"}` as a sentence.
    private static func describe(_ status: Int, _ body: ByteBuffer) -> ConnectionFailure {
        let message = (try? JSONValue(parsing: body))?["message"]?.stringValue
        return "the server answered with HTTP status \(status)\(message.map { ": \($0)" } ?? "")"
    }
}

// MARK: - WebSocket and upgrade

extension EngineIOClientSession {
    private mutating func handleWebSocketOpened() {
        if upgrade == .probing { outputs.append(.sendFrame(EngineIOPacket.ping(isProbe: true).frame)) }
    }

    private mutating func handle(_ frame: EngineIOFrame, at now: NIODeadline) {
        guard isOnWebSocket else {
            handleProbeAnswer(frame)
            return
        }
        do throws(EngineIOParseError) {
            handle(try EngineIOPacket(frame: frame), at: now)
        } catch {
            finish(.parseError)
        }
    }

    private mutating func handleProbeAnswer(_ frame: EngineIOFrame) {
        guard upgrade == .probing, (try? EngineIOPacket(frame: frame)) == .pong(isProbe: true) else {
            abandonUpgrade()
            outputs.append(.closeWebSocket)
            return
        }
        upgrade = .pausing
        completeUpgrade()
    }

    /// Goes over to the WebSocket once no request is under way.
    private mutating func completeUpgrade() {
        guard !isPolling, !isPosting else { return }
        upgrade = .done
        isOnWebSocket = true
        outputs.append(.sendFrame(EngineIOPacket.upgrade.frame))
        flush()
    }

    private mutating func abandonUpgrade() {
        guard upgrade == .probing || upgrade == .pausing else { return }
        upgrade = .none
        pollAgain()
        flush()
    }

    private mutating func handleWebSocketClosed(_ error: ConnectionFailure?) {
        guard isOnWebSocket else {
            abandonUpgrade()
            return
        }
        finish(error.map { .transportError($0) } ?? .transportClose)
    }
}

// MARK: - Packets, heartbeat, end

extension EngineIOClientSession {
    private var isClosed: Bool {
        guard case .closed = phase else { return false }
        return true
    }

    private func heartbeatDeadline(_ handshake: EngineIOServerHandshake) -> NIODeadline {
        lastPing + handshake.pingInterval + handshake.pingTimeout
    }

    private mutating func handle(_ packet: EngineIOPacket, at now: NIODeadline) {
        switch (packet, phase) {
        case (.open(let json), .opening):
            guard let handshake = EngineIOServerHandshake(json: json) else {
                finish(.parseError)
                return
            }
            phase = .open(handshake)
            lastPing = now
            outputs.append(.opened(handshake))
            if !isOnWebSocket, transports.contains(.webSocket), handshake.upgrades.contains("websocket") {
                upgrade = .probing
                outputs.append(.openWebSocket(sid: handshake.sid))
            }
        case (_, .opening): finish(.parseError)
        case (.ping(isProbe: false), _):
            lastPing = now
            enqueue(.pong(isProbe: false))
        case (.message(let message), .open): outputs.append(.message(message))
        case (.close, _): finish(.transportClose)
        default: break
        }
    }

    private mutating func enqueue(_ packet: EngineIOPacket) {
        waiting.append(packet)
        flush()
    }

    private mutating func flush() {
        guard !waiting.isEmpty, let sid else {
            finishClosing()
            return
        }
        if isOnWebSocket {
            for packet in waiting { outputs.append(.sendFrame(packet.frame)) }
            waiting = []
            finishClosing()
        } else if !isPosting, upgrade != .pausing {
            isPosting = true
            outputs.append(.post(sid: sid, takePayload()))
        }
    }

    /// As many waiting packets as the server takes at once, at least one.
    private mutating func takePayload() -> ByteBuffer {
        var limit = 1_000_000
        if case .open(let handshake) = phase { limit = handshake.maximumPayload }
        var payload = ByteBuffer()
        var count = 0
        for packet in waiting {
            if count > 0, payload.readableBytes + 1 + packet.payloadSize > limit { break }
            if count > 0 { payload.writeInteger(EngineIOPacket.separator) }
            packet.writePayload(into: &payload)
            count += 1
        }
        waiting.removeFirst(count)
        return payload
    }

    private mutating func close(at now: NIODeadline) {
        guard case .open(let handshake) = phase else {
            if case .closing = phase { return }
            finish(.forcedClose)
            return
        }
        if !isOnWebSocket { enqueue(.close) }
        phase = .closing(handshake, until: now + Self.closeTimeout)
        flush()
    }

    private mutating func finishClosing() {
        if case .closing = phase, waiting.isEmpty, !isPosting { finish(.forcedClose) }
    }

    private mutating func handleTimeout(at now: NIODeadline) {
        guard let deadline, deadline <= now else { return }
        switch phase {
        case .opening: finish(.transportError("the server did not answer in time"))
        case .open: finish(.pingTimeout)
        case .closing: finish(.forcedClose)
        case .idle, .closed: break
        }
    }

    private mutating func fail(_ error: ConnectionFailure) {
        if case .closing = phase { finish(.forcedClose) } else { finish(.transportError(error)) }
    }

    private mutating func finish(_ reason: CloseReason) {
        guard !isClosed else { return }
        phase = .closed
        waiting = []
        outputs.append(.closeWebSocket)
        outputs.append(.closed(reason))
    }
}

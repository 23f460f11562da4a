package import NIOCore

/// What all sessions of a server share.
package final class EngineIOSessionParameters: Sendable {
    package let pingInterval: TimeAmount
    package let pingTimeout: TimeAmount
    package let upgradeTimeout: TimeAmount
    /// How long an orderly close waits for a polling client to come and fetch it.
    package let closeTimeout: TimeAmount
    package let maximumPayload: Int
    /// Bytes that may wait for a polling client.
    package let maximumBufferedBytes: Int
    package let allowsUpgrades: Bool

    /// How late a time-out may be noticed: so little that no client can tell, so much that many share a wake-up.
    package var tick: TimeAmount {
        let shortest = min(pingInterval, pingTimeout, upgradeTimeout)
        return min(max(.nanoseconds(shortest.nanoseconds / 400), .milliseconds(1)), .milliseconds(50))
    }

    package init(
        pingInterval: TimeAmount = .seconds(25),
        pingTimeout: TimeAmount = .seconds(20),
        upgradeTimeout: TimeAmount = .seconds(10),
        closeTimeout: TimeAmount = .seconds(30),
        maximumPayload: Int = 1_000_000,
        maximumBufferedBytes: Int = 4 << 20,
        allowsUpgrades: Bool = true
    ) {
        self.pingInterval = pingInterval
        self.pingTimeout = pingTimeout
        self.upgradeTimeout = upgradeTimeout
        self.closeTimeout = closeTimeout
        self.maximumPayload = maximumPayload
        self.maximumBufferedBytes = maximumBufferedBytes
        self.allowsUpgrades = allowsUpgrades
    }
}

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

    private enum Transport {
        case polling
        case webSocket(WebSocketID)
    }

    private enum Phase {
        case open
        case closing(until: NIODeadline)
        case closed
    }

    /// A WebSocket that wants to take over from polling.
    private struct Candidate {
        let id: WebSocketID
        let deadline: NIODeadline
        var isProbed = false
    }

    package let id: String
    package let encoding: EngineIOEncoding
    private let parameters: EngineIOSessionParameters
    private var transport: Transport
    private var phase = Phase.open
    private var poll: RequestID?
    private var dataRequest: RequestID?
    private var candidate: Candidate?
    private var waiting: [EngineIOPacket] = []
    private var waitingBytes = 0
    private var nextPing: NIODeadline
    private var pingSent: NIODeadline?
    private var lastPacket: NIODeadline
    private var outputs = OutputQueue<Output>()

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
        nextPing = now + parameters.pingInterval
        lastPacket = now
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
    package var deadline: NIODeadline? {
        switch phase {
        case .closed: return nil
        case .closing(let until): return min(until, heartbeatDeadline)
        case .open: return min(candidate?.deadline ?? .distantFuture, heartbeatDeadline)
        }
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input, at now: NIODeadline) {
        switch input {
        case .poll(let request): handlePoll(request)
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
        case .close(let last): handleClose(last, at: now)
        case .abandon: finish(.forcedClose, lastWords: .close)
        case .timeout: handleTimeout(at: now)
        }
    }
}

// MARK: - Polling

extension EngineIOSession {
    /// A payload of the smallest packets would otherwise take a hundred times its size in memory.
    private static let mostPacketsAtOnce = 10_000

    private mutating func handlePoll(_ request: RequestID) {
        switch phase {
        case .closed:
            outputs.append(.respond(request, .refused(.unknownSessionID)))
            return
        case .open, .closing: break
        }
        guard case .polling = transport else {
            outputs.append(.respond(request, .refused(.badRequest)))
            return
        }
        guard poll == nil else {
            // The client cannot know which of the two would get the packets: end the session, as the reference does.
            finish(.transportError, lastWords: .close)
            outputs.append(.respond(request, .refused(.badRequest)))
            return
        }
        poll = request
        if case .closing = phase {
            finish(.forcedClose, lastWords: .close)
        } else if !waiting.isEmpty {
            flush()
        } else if candidate?.isProbed == true {
            enqueue(.noop)
        }
    }

    private mutating func handleDataStarted(_ request: RequestID) {
        guard !isClosed else {
            outputs.append(.respond(request, .refused(.unknownSessionID)))
            return
        }
        guard case .polling = transport else {
            outputs.append(.respond(request, .refused(.badRequest)))
            return
        }
        guard dataRequest == nil else {
            outputs.append(.respond(request, .refused(.badRequest)))
            finish(.transportError, lastWords: .close)
            return
        }
        dataRequest = request
    }

    private mutating func handleData(_ request: RequestID, _ body: ByteBuffer, isBinary: Bool, at now: NIODeadline) {
        guard dataRequest == request else { return }
        dataRequest = nil
        // Revision 4 sends base 64, and nothing else.
        guard !isBinary || encoding.revision == .v3, body.readableBytes <= parameters.maximumPayload else {
            outputs.append(.respond(request, .refused(.badRequest)))
            finish(.transportError, lastWords: .close)
            return
        }
        var payload = body
        do throws(EngineIOParseError) {
            guard payload.readableBytes > 0 else { throw .emptyPacket }
            var count = 0
            while case .open = phase, let packet = try encoding.next(of: &payload) {
                count += 1
                guard count <= Self.mostPacketsAtOnce else { throw .tooManyPackets }
                handle(packet, at: now)
            }
            outputs.append(.respond(request, .accepted))
        } catch {
            outputs.append(.refused(.malformedPacket))
            outputs.append(.respond(request, .refused(.badRequest)))
            finish(.parseError, lastWords: .close)
        }
    }

    private mutating func handleAborted(_ request: RequestID) {
        if poll == request {
            poll = nil
            finish(.transportError)
        } else if dataRequest == request {
            dataRequest = nil
            finish(.transportError, lastWords: .close)
        }
    }
}

// MARK: - WebSocket and upgrade

extension EngineIOSession {
    private mutating func handleOpened(_ webSocket: WebSocketID, at now: NIODeadline) {
        guard case .open = phase, case .polling = transport, candidate == nil, parameters.allowsUpgrades else {
            outputs.append(.closeWebSocket(webSocket))
            return
        }
        candidate = Candidate(id: webSocket, deadline: now + parameters.upgradeTimeout)
    }

    private mutating func handle(_ frame: EngineIOFrame, from webSocket: WebSocketID, at now: NIODeadline) {
        if case .webSocket(webSocket) = transport {
            guard case .open = phase else { return }
            do throws(EngineIOParseError) {
                handle(try encoding.packet(of: frame), at: now)
            } catch {
                outputs.append(.refused(.malformedPacket))
                finish(.parseError)
            }
        } else if candidate?.id == webSocket {
            handleUpgrade(try? encoding.packet(of: frame))
        } else {
            outputs.append(.closeWebSocket(webSocket))
        }
    }

    private mutating func handleUpgrade(_ packet: EngineIOPacket?) {
        guard let upgrading = candidate else { return }
        switch packet {
        case .ping(isProbe: true)?:
            candidate?.isProbed = true
            outputs.append(.sendFrame(upgrading.id, EngineIOPacket.pong(isProbe: true).frame))
            // The client waits for its poll to end before it goes over.
            if poll != nil { enqueue(.noop) }
        case .upgrade? where upgrading.isProbed:
            candidate = nil
            if poll != nil { enqueue(.noop) }
            transport = .webSocket(upgrading.id)
            flush()
            if case .closing = phase { finish(.forcedClose) }
        default:
            candidate = nil
            outputs.append(.closeWebSocket(upgrading.id))
        }
    }

    private mutating func handleLost(_ webSocket: WebSocketID, reason: CloseReason) {
        if case .webSocket(webSocket) = transport {
            finish(reason)
        } else if candidate?.id == webSocket {
            candidate = nil
            if reason == .transportError { outputs.append(.closeWebSocket(webSocket)) }
        }
    }
}

// MARK: - Packets, heartbeat, end

extension EngineIOSession {
    private mutating func handle(_ packet: EngineIOPacket, at now: NIODeadline) {
        lastPacket = now
        switch packet {
        case .ping where encoding.revision == .v3: enqueue(.pong(isProbe: false))
        case .pong(isProbe: false) where encoding.revision == .v4:
            pingSent = nil
            nextPing = now + parameters.pingInterval
        case .message(let message): outputs.append(.message(message))
        case .close: finish(.transportClose, lastWords: .noop)
        case .ping, .pong:
            // In revision 4 it is the server that pings, in revision 3 the client.
            finish(.transportError, lastWords: .close)
        case .open, .upgrade, .noop: break
        }
    }

    /// A client that is sending something is alive even if its pong is late.
    private var heartbeatDeadline: NIODeadline {
        if encoding.revision == .v3 { return lastPacket + parameters.pingInterval + parameters.pingTimeout }
        guard let pingSent else { return nextPing }
        return max(pingSent, lastPacket) + parameters.pingTimeout
    }

    private mutating func handleTimeout(at now: NIODeadline) {
        if case .closed = phase { return }
        if case .closing(let until) = phase, until <= now {
            finish(.forcedClose)
            return
        }
        if let candidate, candidate.deadline <= now {
            self.candidate = nil
            outputs.append(.refused(.upgradeTimeout))
            outputs.append(.closeWebSocket(candidate.id))
        }
        guard heartbeatDeadline <= now else { return }
        if pingSent != nil || encoding.revision == .v3 {
            outputs.append(.refused(.pingTimeout))
            finish(.pingTimeout, lastWords: .close)
        } else {
            pingSent = now
            if case .open = phase { enqueue(.ping(isProbe: false)) }
        }
    }

    private mutating func handleClose(_ last: [EngineIOMessage], at now: NIODeadline) {
        guard case .open = phase else { return }
        // One poll must carry all of it: the client need not come back after the last message.
        for message in last { waiting.append(.message(message)) }
        switch transport {
        case .webSocket:
            flush()
            finish(.forcedClose)
        case .polling where poll != nil: finish(.forcedClose, lastWords: .close)
        case .polling: phase = .closing(until: now + parameters.closeTimeout)
        }
    }

    private mutating func enqueue(_ packet: EngineIOPacket) {
        waiting.append(packet)
        waitingBytes += packet.payloadSize + 1
        flush()
        guard waitingBytes > parameters.maximumBufferedBytes else { return }
        outputs.append(.refused(.slowReader))
        finish(.transportError)
    }

    private mutating func sendVolatile(_ messages: [EngineIOMessage]) {
        guard case .open = phase else { return }
        switch transport {
        case .webSocket(let webSocket):
            let frames = messages.map { encoding.frame(.message($0)) }
            outputs.append(.sendVolatileFrames(webSocket, frames))
        case .polling:
            // Nothing waits while a poll does.
            guard poll != nil else { return }
            for message in messages {
                let packet = EngineIOPacket.message(message)
                waiting.append(packet)
                waitingBytes += packet.payloadSize + 1
            }
            flush()
        }
    }

    private mutating func flush() {
        switch transport {
        case .webSocket(let webSocket):
            for packet in waiting { outputs.append(.sendFrame(webSocket, encoding.frame(packet))) }
        case .polling:
            guard let request = poll, !waiting.isEmpty else { return }
            poll = nil
            outputs.append(.respond(request, .payload(encoding.payload(waiting))))
        }
        waiting = []
        waitingBytes = 0
    }

    /// Ends the session. A waiting poll is answered with what is left and `lastWords`.
    private mutating func finish(_ reason: CloseReason, lastWords: EngineIOPacket? = nil) {
        guard !isClosed else { return }
        if poll != nil {
            waiting.append(lastWords ?? .close)
            flush()
        }
        phase = .closed
        if case .webSocket(let webSocket) = transport { outputs.append(.closeWebSocket(webSocket)) }
        if let candidate { outputs.append(.closeWebSocket(candidate.id)) }
        candidate = nil
        waiting = []
        waitingBytes = 0
        outputs.append(.closed(reason))
    }

    private func handshake() -> ByteBuffer {
        let offersUpgrade = !isOnWebSocket && parameters.allowsUpgrades
        let json: JSONValue = [
            "sid": .string(id),
            "upgrades": offersUpgrade ? ["websocket"] : [],
            "pingInterval": JSONValue(parameters.pingInterval.nanoseconds / 1_000_000),
            "pingTimeout": JSONValue(parameters.pingTimeout.nanoseconds / 1_000_000),
            "maxPayload": JSONValue(parameters.maximumPayload),
        ]
        return ByteBuffer(string: json.jsonString)
    }
}

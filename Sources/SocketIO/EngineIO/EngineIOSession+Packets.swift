import JSON
import NIOCore
import StateMachine

// What packets mean, what is sent, and the end.
extension EngineIOSession {
    mutating func handle(_ packet: EngineIOPacket, at now: NIODeadline) {
        heartbeat.heard(at: now)
        switch packet {
        case .ping where encoding.revision == .v3: enqueue(.pong(isProbe: false))
        case .pong(isProbe: false) where encoding.revision == .v4:
            heartbeat.answered(at: now)
        case .message(let message): outputs.append(.message(message))
        case .close: finish(.transportClose, lastWords: .noop)
        case .ping, .pong:
            // In revision 4 it is the server that pings, in revision 3 the client.
            finish(.transportError, lastWords: .close)
        case .open, .upgrade, .noop: break
        }
    }

    mutating func handleTimeout(at now: NIODeadline) {
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
        switch heartbeat.due(at: now) {
        case .nothing: break
        case .ping: if case .open = phase { enqueue(.ping(isProbe: false)) }
        case .end:
            outputs.append(.refused(.pingTimeout))
            finish(.pingTimeout, lastWords: .close)
        }
    }

    mutating func handleProbe(within limit: TimeAmount, at now: NIODeadline) {
        guard case .open = phase, heartbeat.probe(within: limit, at: now) else { return }
        enqueue(.ping(isProbe: false))
    }

    mutating func handleClose(_ last: [EngineIOMessage], at now: NIODeadline) {
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

    mutating func enqueue(_ packet: EngineIOPacket) {
        waiting.append(packet)
        flush()
        guard waiting.bytes > parameters.maximumBufferedBytes else { return }
        outputs.append(.refused(.slowReader))
        finish(.transportError)
    }

    mutating func sendVolatile(_ messages: [EngineIOMessage]) {
        guard case .open = phase else { return }
        switch transport {
        case .webSocket(let webSocket):
            let frames = messages.map { encoding.frame(.message($0)) }
            outputs.append(.sendVolatileFrames(webSocket, frames))
        case .polling:
            // Nothing waits while a poll does.
            guard poll != nil else { return }
            for message in messages { waiting.append(.message(message)) }
            flush()
        }
    }

    mutating func flush() {
        switch transport {
        case .webSocket(let webSocket):
            for packet in waiting.take() { outputs.append(.sendFrame(webSocket, encoding.frame(packet))) }
        case .polling:
            guard let request = poll, !waiting.isEmpty else { return }
            poll = nil
            outputs.append(.respond(request, .payload(encoding.payload(waiting.take()))))
        }
    }

    /// Ends the session. A waiting poll is answered with what is left and `lastWords`.
    mutating func finish(_ reason: CloseReason, lastWords: EngineIOPacket? = nil) {
        guard !isClosed else { return }
        if poll != nil {
            waiting.append(lastWords ?? .close)
            flush()
        }
        phase = .closed
        if case .webSocket(let webSocket) = transport { outputs.append(.closeWebSocket(webSocket)) }
        if let candidate { outputs.append(.closeWebSocket(candidate.id)) }
        candidate = nil
        waiting = WaitingPackets()
        outputs.append(.closed(reason))
    }

    func handshake() -> ByteBuffer {
        let offersUpgrade = !isOnWebSocket && parameters.allowsUpgrades
        let json: JSONValue = [
            "sid": .string(id),
            "upgrades": offersUpgrade ? ["websocket"] : [],
            "pingInterval": JSONValue(parameters.pingInterval.nanoseconds / 1_000_000),
            "pingTimeout": JSONValue(parameters.pingTimeout.nanoseconds / 1_000_000),
            "maxPayload": JSONValue(parameters.maximumPayload),
        ]
        return ByteBuffer(bytes: json.jsonBytes)
    }
}

import NIOCore
import StateMachine

// A WebSocket from the start, or one that takes over from polling.
extension EngineIOSession {
    mutating func handleOpened(_ webSocket: WebSocketID, at now: NIODeadline) {
        guard case .open = phase, case .polling = transport, candidate == nil, parameters.allowsUpgrades else {
            outputs.append(.closeWebSocket(webSocket))
            return
        }
        candidate = Candidate(id: webSocket, deadline: now + parameters.upgradeTimeout)
    }

    mutating func handle(_ frame: EngineIOFrame, from webSocket: WebSocketID, at now: NIODeadline) {
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

    mutating func handleUpgrade(_ packet: EngineIOPacket?) {
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

    mutating func handleLost(_ webSocket: WebSocketID, reason: CloseReason) {
        if case .webSocket(webSocket) = transport {
            finish(reason)
        } else if candidate?.id == webSocket {
            candidate = nil
            if reason == .transportError { outputs.append(.closeWebSocket(webSocket)) }
        }
    }
}

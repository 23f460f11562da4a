import NIOCore
import StateMachine

// GETs that wait for packets, and POSTs that bring some.
extension EngineIOSession {
    /// A payload of the smallest packets would otherwise take a hundred times its size in memory.
    private static let mostPacketsAtOnce = 10_000

    mutating func handlePoll(_ request: RequestID, at now: NIODeadline) {
        // A poll proves nobody alive, so it may come too late, be it by less than the tick that would have noticed.
        handleTimeout(at: now)
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

    mutating func handleDataStarted(_ request: RequestID) {
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

    mutating func handleData(_ request: RequestID, _ body: ByteBuffer, isBinary: Bool, at now: NIODeadline) {
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

    mutating func handleAborted(_ request: RequestID) {
        if poll == request {
            poll = nil
            finish(.transportError)
        } else if dataRequest == request {
            dataRequest = nil
            finish(.transportError, lastWords: .close)
        }
    }
}

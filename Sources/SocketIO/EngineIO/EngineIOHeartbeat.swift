import NIOCore

/// Whether the client of a session is still there. In revision 4 the server asks and the client answers; in revision 3
/// the client asks.
struct EngineIOHeartbeat {
    /// What is to be done.
    enum Action {
        case nothing
        case ping
        /// The client is gone.
        case end
    }

    private let revision: EngineIORevision
    private let parameters: EngineIOSessionParameters
    private var nextPing: NIODeadline
    private var pingSent: NIODeadline?
    private var lastPacket: NIODeadline

    init(_ revision: EngineIORevision, _ parameters: EngineIOSessionParameters, at now: NIODeadline) {
        self.revision = revision
        self.parameters = parameters
        nextPing = now + parameters.pingInterval
        lastPacket = now
    }

    /// When to call ``due(at:)``. A client that is sending something is alive even if its pong is late.
    var deadline: NIODeadline {
        if revision == .v3 { return lastPacket + parameters.pingInterval + parameters.pingTimeout }
        guard let pingSent else { return nextPing }
        return max(pingSent, lastPacket) + parameters.pingTimeout
    }

    /// A packet has come.
    mutating func heard(at now: NIODeadline) { lastPacket = now }

    /// The answer to the ping has come.
    mutating func answered(at now: NIODeadline) {
        pingSent = nil
        nextPing = now + parameters.pingInterval
    }

    mutating func due(at now: NIODeadline) -> Action {
        guard deadline <= now else { return .nothing }
        guard pingSent == nil, revision != .v3 else { return .end }
        // What the timer is late is not taken off what the client has, but for the tick that it may be late.
        pingSent = max(nextPing, now - parameters.tick)
        return .ping
    }
}

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
    /// By then something has to come, since the client is doubted.
    private var probeEnd: NIODeadline?

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
        return min(max(pingSent, lastPacket) + parameters.pingTimeout, probeEnd ?? .distantFuture)
    }

    /// A packet has come.
    mutating func heard(at now: NIODeadline) {
        lastPacket = now
        probeEnd = nil
    }

    /// Somebody doubts that the client is there: it is asked now, and given less time than usual. Revision 3 has no way to
    /// ask.
    ///
    /// - Returns: whether a ping is to be sent.
    mutating func probe(within limit: TimeAmount, at now: NIODeadline) -> Bool {
        guard revision != .v3, probeEnd == nil else { return false }
        probeEnd = now + limit
        // An answer that is awaited already tells as much.
        guard pingSent == nil else { return false }
        pingSent = now
        return true
    }

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

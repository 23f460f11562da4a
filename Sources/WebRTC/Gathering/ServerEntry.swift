import NIOCore

/// One server of the pool, by URL: its addresses, its sessions, who uses it.
final class ServerEntry {
    let url: ICEServerURL
    /// Its place in the list of servers: earlier ones are preferred.
    let rank: Int
    var credentials: TURNClient.Credentials?
    var sessions: [any ServerSession] = []
    var isResolved = false
    var users: Set<UInt32> = []
    var linger: Scheduled<Void>?
    var retry: Scheduled<Void>?
    /// Failures in a row, for the pause before the next attempt.
    var failures = 0
    var redirects = 0
    /// Why it is of no use at present; for a log.
    var lastError: TURNError?

    init(url: ICEServerURL, rank: Int) {
        self.url = url
        self.rank = rank
    }

    var isSettled: Bool { self.isResolved && self.sessions.allSatisfy { $0.isSettled } }
    var candidates: [GatheredCandidate] { self.sessions.flatMap { $0.candidates } }

    /// Datagrams are the better path, TLS the worst; RFC 8445 section 5.1.2.2 leaves that to the agent.
    var preference: UInt16 {
        let transport: UInt16 =
            switch self.url.transport {
            case .udp: 3
            case .tcp: 2
            case .tls: 1
            }
        return transport << 14 | UInt16(clamping: 1000 - min(self.rank, 1000))
    }

    func close() {
        self.linger?.cancel()
        self.retry?.cancel()
        for session in self.sessions { session.close() }
        self.sessions = []
    }
}

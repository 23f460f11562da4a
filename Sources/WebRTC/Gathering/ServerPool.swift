import NIOCore

/// The STUN and TURN servers that the connections of a transport use, each once however many use it.
final class ServerPool {
    private unowned let core: TransportCore
    private var entries: [ICEServerURL: ServerEntry] = [:]
    private var sessionsByID: [UInt32: any ServerSession] = [:]
    private var relaysByBase: [Int: RelaySession] = [:]
    /// Those that use the shared sockets, by the server's address: whose channel data a datagram is.
    private var relaysByServer: [TransportAddress: RelaySession] = [:]
    private var nextBase = 16
    private var isClosed = false

    private static let maximumRedirects = 3

    init(core: TransportCore) {
        self.core = core
    }

    /// Servers, by address, that are talked to.
    var sessionCount: Int { self.sessionsByID.count }
    func session(_ id: UInt32) -> (any ServerSession)? { self.sessionsByID[id] }
    func relay(base: Int) -> RelaySession? { self.relaysByBase[base] }
    func relay(at server: TransportAddress) -> RelaySession? { self.relaysByServer[server] }

    func networkChanged() {
        for session in self.sessionsByID.values { session.networkChanged() }
        // What was out of reach before may be in reach now.
        for entry in self.entries.values where entry.sessions.isEmpty && entry.retry != nil {
            entry.retry?.cancel()
            entry.retry = nil
            self.begin(entry)
        }
    }

    func close() {
        self.isClosed = true
        for entry in self.entries.values { entry.close() }
        self.entries = [:]
        self.sessionsByID = [:]
        self.relaysByBase = [:]
        self.relaysByServer = [:]
    }

    // MARK: - Users

    /// Lets a connection use these servers. What they have gathered already is told at once, the rest as it comes.
    func attach(_ connection: PeerConnection, _ servers: [ResolvedServer]) {
        for server in servers {
            guard let entry = self.entry(for: server) else { continue }
            entry.users.insert(connection.id)
            entry.linger?.cancel()
            entry.linger = nil
            for gathered in entry.candidates { connection.gathered(gathered) }
        }
    }

    func detach(_ connection: PeerConnection) {
        for entry in self.entries.values where entry.users.remove(connection.id) != nil && entry.users.isEmpty {
            self.linger(entry)
        }
    }

    /// Takes a connection from all servers but these.
    func detach(_ connection: PeerConnection, keeping servers: [ResolvedServer]) {
        let kept = Set(servers.map(\.url))
        for entry in self.entries.values where !kept.contains(entry.url) {
            if entry.users.remove(connection.id) != nil, entry.users.isEmpty { self.linger(entry) }
        }
    }

    /// Whether all servers of a connection have answered, or will not.
    func isSettled(for connection: PeerConnection) -> Bool {
        self.entries.values.allSatisfy { !$0.users.contains(connection.id) || $0.isSettled }
    }

    private func entry(for server: ResolvedServer) -> ServerEntry? {
        if let entry = self.entries[server.url] {
            // Newer credentials are for the next allocation; the one that exists keeps its own.
            if entry.credentials != server.credentials {
                entry.credentials = server.credentials
                if entry.lastError == .unauthorized { self.begin(entry) }
            }
            return entry
        }
        guard !self.isClosed, self.entries.count < self.core.configuration.ice.maximumServers else { return nil }
        let entry = ServerEntry(url: server.url, rank: self.entries.count)
        entry.credentials = server.credentials
        self.entries[server.url] = entry
        self.begin(entry)
        return entry
    }

    private func linger(_ entry: ServerEntry) {
        let delay = self.core.configuration.ice.serverLinger
        entry.linger = self.core.eventLoop.assumeIsolated().scheduleTask(in: delay) { [weak self] in
            guard let self, entry.users.isEmpty, self.entries[entry.url] === entry else { return }
            self.entries[entry.url] = nil
            let sessions = entry.sessions
            entry.close()
            for session in sessions { self.unregister(session) }
        }
    }

    // MARK: - Sessions

    private func begin(_ entry: ServerEntry) {
        entry.isResolved = false
        entry.lastError = nil
        let bound = NIOLoopBound((self, entry), eventLoop: self.core.eventLoop)
        let addresses = self.core.names.ofServers.resolve(entry.url.host, port: entry.url.port, on: self.core.eventLoop)
        addresses.whenSuccess { addresses in
            let (pool, entry) = bound.value
            guard !pool.isClosed, pool.entries[entry.url] === entry else { return }
            pool.resolved(entry, addresses)
        }
    }

    private func resolved(_ entry: ServerEntry, _ addresses: [TransportAddress]) {
        entry.isResolved = true
        if addresses.isEmpty {
            // The host may have no network yet, or the resolver a bad moment.
            entry.lastError = .unresolved(host: entry.url.host)
            entry.failures = max(entry.failures, 1)
            self.scheduleRetry(entry, .unresolved(host: entry.url.host))
        }
        for address in addresses { self.open(address, for: entry) }
        self.changed(entry)
    }

    /// Begins to talk to a server at an address, unless no socket can reach it.
    private func open(_ address: TransportAddress, for entry: ServerEntry) {
        let id = self.core.takeID()
        let session: any ServerSession
        if entry.url.isRelay {
            guard let relay = self.makeRelay(id, address, entry) else { return }
            session = relay
        } else {
            guard let base = self.core.socketIndex(for: address.family) else { return }
            session = ReflexiveSession(self.context(id, address, entry), base: base)
        }
        self.sessionsByID[id] = session
        entry.sessions.append(session)
        session.start()
    }

    private func context(_ id: UInt32, _ address: TransportAddress, _ entry: ServerEntry) -> SessionContext {
        SessionContext(id: id, server: address, preference: entry.preference, core: self.core) { [unowned self] event in
            self.handle(event, of: id, entry)
        }
    }

    private func makeRelay(_ id: UInt32, _ address: TransportAddress, _ entry: ServerEntry) -> RelaySession? {
        guard let credentials = entry.credentials else { return nil }
        if entry.url.transport == .udp {
            // A client's address can have one allocation at a server (RFC 8656 section 6.2).
            guard self.core.socketIndex(for: address.family) != nil, self.relaysByServer[address] == nil else {
                return nil
            }
        }
        let relay = RelaySession(
            self.context(id, address, entry),
            url: entry.url,
            credentials: credentials,
            base: self.nextBase
        )
        self.nextBase += 1
        self.relaysByBase[relay.base] = relay
        if relay.usesSocket { self.relaysByServer[address] = relay }
        return relay
    }

    private func unregister(_ session: any ServerSession) {
        self.sessionsByID[session.id] = nil
        guard let relay = session as? RelaySession else { return }
        self.relaysByBase[relay.base] = nil
        if self.relaysByServer[relay.server] === relay { self.relaysByServer[relay.server] = nil }
    }

    private func handle(_ event: ServerSessionEvent, of id: UInt32, _ entry: ServerEntry) {
        guard self.sessionsByID[id] != nil, self.entries[entry.url] === entry else { return }
        switch event {
        case .found(let gathered):
            entry.failures = 0
            entry.redirects = 0
            for connection in self.users(of: entry) { connection.gathered(gathered) }
        case .changed:
            self.changed(entry)
        case .redirected(let server):
            self.remove(id, from: entry)
            entry.redirects += 1
            if entry.redirects <= Self.maximumRedirects { self.open(server, for: entry) }
            self.changed(entry)
        case .lost(let base, let error):
            self.remove(id, from: entry)
            entry.lastError = error
            for connection in self.users(of: entry) { connection.lost(base: base) }
            self.changed(entry)
            self.scheduleRetry(entry, error)
        }
    }

    private func remove(_ id: UInt32, from entry: ServerEntry) {
        entry.sessions.removeAll { $0.id == id }
        if let session = self.sessionsByID[id] { self.unregister(session) }
    }

    /// Tries again while somebody uses the server: at once after the first loss, then less and less often. Wrong
    /// credentials do not get better by themselves.
    private func scheduleRetry(_ entry: ServerEntry, _ error: TURNError) {
        guard error != .unauthorized, entry.sessions.isEmpty, entry.retry == nil else { return }
        let unit = self.core.configuration.ice.serverRetry
        let pause = entry.failures == 0 ? .zero : unit * (1 << (min(entry.failures, 5) - 1))
        entry.failures += 1
        entry.retry = self.core.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
            entry.retry = nil
            guard let self, !self.isClosed, !entry.users.isEmpty, entry.sessions.isEmpty else { return }
            self.begin(entry)
        }
    }

    private func changed(_ entry: ServerEntry) {
        for connection in self.users(of: entry) { connection.gatheringAdvanced() }
    }

    private func users(of entry: ServerEntry) -> [PeerConnection] {
        entry.users.compactMap { self.core.table.connection($0) }
    }
}

/// An ICE server whose URL was understood.
struct ResolvedServer: Hashable {
    var url: ICEServerURL
    var credentials: TURNClient.Credentials?

    /// Reads servers as an application gives them.
    ///
    /// - Throws: `WebRTCError.invalidICEServer` for a URL that cannot be used, or TURN without credentials.
    static func parse(_ servers: [ICEServer]) throws(WebRTCError) -> [ResolvedServer] {
        var parsed: [ResolvedServer] = []
        for server in servers {
            for text in server.urls {
                let url = try ICEServerURL(text)
                guard url.isRelay else {
                    parsed.append(ResolvedServer(url: url, credentials: nil))
                    continue
                }
                guard let username = server.username, let credential = server.credential, username.utf8.count <= 508
                else {
                    throw .invalidICEServer(text, reason: "TURN needs a username of at most 508 bytes and a credential")
                }
                let credentials = TURNClient.Credentials(username: username, password: credential)
                parsed.append(ResolvedServer(url: url, credentials: credentials))
            }
        }
        return parsed
    }
}

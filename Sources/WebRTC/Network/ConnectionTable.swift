/// The connections of a transport, and by what a datagram finds the one it is for. On the event loop.
final class ConnectionTable {
    private var byNumber: [UInt32: PeerConnection] = [:]
    private var byUsernameFragment: [String: PeerConnection] = [:]
    /// Who is at an address. More than one only if two connections join the same two transports.
    private var routes: [TransportAddress: [PeerConnection]] = [:]
    /// Which of them a datagram is for.
    let shared = SharedSessions()
    private var lastID = UInt32.random(in: .min ... .max)

    var count: Int { self.byNumber.count }
    var all: Dictionary<UInt32, PeerConnection>.Values { self.byNumber.values }

    func connection(_ id: UInt32) -> PeerConnection? { self.byNumber[id] }

    func connection(usernameFragment: String) -> PeerConnection? { self.byUsernameFragment[usernameFragment] }

    func connections(at address: TransportAddress) -> [PeerConnection]? { self.routes[address] }

    /// The next number that no connection has, and nobody else.
    func takeID(unless isTaken: (UInt32) -> Bool) -> UInt32 {
        repeat {
            self.lastID &+= 1
        } while self.byNumber[self.lastID] != nil || isTaken(self.lastID)
        return self.lastID
    }

    func add(_ connection: PeerConnection) {
        self.byNumber[connection.id] = connection
        self.add(usernameFragment: connection.ice.agent.local.usernameFragment, of: connection)
    }

    func remove(_ connection: PeerConnection) {
        self.byNumber[connection.id] = nil
        self.shared.forget(connection)
        for agent in [connection.ice.agent, connection.ice.previousAgent].compactMap({ $0 }) {
            self.remove(usernameFragment: agent.local.usernameFragment)
        }
        for address in connection.ice.routes { self.removeRoute(address, to: connection) }
    }

    func add(usernameFragment: String, of connection: PeerConnection) {
        self.byUsernameFragment[usernameFragment] = connection
    }

    func remove(usernameFragment: String) {
        self.byUsernameFragment[usernameFragment] = nil
    }

    func addRoute(_ address: TransportAddress, to connection: PeerConnection) {
        self.routes[address, default: []].append(connection)
    }

    func removeRoute(_ address: TransportAddress, to connection: PeerConnection) {
        self.routes[address]?.removeAll { $0 === connection }
        if self.routes[address]?.isEmpty == true { self.routes[address] = nil }
    }
}

/// Memory of a transport's that is used within one call and holds nothing between two.
final class Scratch {
    /// Plaintext of one datagram, for all connections: it is emptied before anything else happens.
    let received = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    /// Plaintext of the packet that is just being sent.
    let sent = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    deinit {
        self.received.deallocate()
        self.sent.deallocate()
    }
}

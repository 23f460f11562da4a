#if os(Linux)
import Glibc

/// One simulated peer: a TCP connection, the WebSocket and Socket.IO on it, and its place in the tree.
final class Peer {
    enum Phase {
        case absent
        case connecting
        case upgrading
        case opening
        case joiningNamespace
        /// A Socket.IO client that is in no tree.
        case open
        case discovering
        /// It offered a link to its parent and waits for the answer.
        case linking
        case joined
    }

    let slot: Int
    var phase = Phase.absent
    var descriptor: Int32 = -1
    /// The beginning of a message whose end has not arrived.
    var received: [UInt8] = []
    /// What the socket did not take yet.
    var unsent: [UInt8] = []
    /// When the connection was begun.
    var began: UInt64 = 0
    /// When the discover was sent.
    var asked: UInt64 = 0
    /// Whether to join as soon as the socket is open.
    var joinsWhenOpen = false
    var isSource = false
    /// The parent of the current assignment.
    var parent = ""
    var epoch = 0
    /// How often it has departed.
    var generation = 0
    /// Seconds between its status reports, as the server wants it.
    var statusInterval = 2

    init(slot: Int) { self.slot = slot }

    /// Opens the socket; what follows is told by the poller.
    func connect(to server: ServerAddress, from source: UInt32?, poller: Poller) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw LoadError("A socket cannot be opened: \(errorText())") }
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
        if let source {
            // The port is chosen on connecting: the same one may serve other destinations.
            setsockopt(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, &one, size)
            var local = ServerAddress.make(address: source, port: 0)
            guard withSocketAddress(&local, { bind(descriptor, $0, $1) }) == 0 else {
                throw LoadError("A source address cannot be used: \(errorText())")
            }
        }
        var remote = server.address
        let result = withSocketAddress(&remote) { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else { throw LoadError("Connecting failed: \(errorText())") }
        phase = .connecting
        began = nanoseconds()
        received = []
        unsent = []
        try poller.add(descriptor, slot: slot, writable: true)
    }

    /// Sends what is in `bytes`, or keeps the rest until there is room.
    func send(_ bytes: [UInt8], poller: Poller) throws {
        guard descriptor >= 0 else { return }
        guard unsent.isEmpty else {
            unsent += bytes
            return
        }
        let sent = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        guard sent < bytes.count else { return }
        if sent < 0, errno != EAGAIN { return }
        unsent = Array(bytes[max(0, sent)...])
        try poller.change(descriptor, slot: slot, writable: true)
    }

    /// There is room for output again.
    func flush(poller: Poller) throws {
        let rest = unsent
        unsent = []
        if !rest.isEmpty { try send(rest, poller: poller) }
        if unsent.isEmpty, descriptor >= 0 { try poller.change(descriptor, slot: slot, writable: false) }
    }

    /// Ends the connection; `reset` as a machine does that dies.
    func disconnect(reset: Bool = false) {
        guard descriptor >= 0 else { return }
        if reset {
            var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        }
        Glibc.close(descriptor)
        descriptor = -1
        phase = .absent
        received = []
        unsent = []
        parent = ""
        epoch = 0
        statusInterval = 2
        generation += 1
    }
}

/// Where the server is, from a URL such as `http://127.0.0.1:3000/socket.io/`.
struct ServerAddress {
    let address: sockaddr_in
    /// The upgrade to a WebSocket that opens an Engine.IO 4 session.
    let request: [UInt8]
    let isLoopback: Bool

    init(url: String) throws {
        let scheme = "http://"
        guard url.hasPrefix(scheme) else { throw LoadError("\(url) must begin with \(scheme)") }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let parts = authority.split(separator: ":", maxSplits: 1)
        let port = parts.count == 2 ? UInt16(parts[1]) : 80
        let host = parts.first == "localhost" ? "127.0.0.1" : String(parts.first ?? "")
        var address = in_addr()
        guard let port, inet_pton(AF_INET, host, &address) == 1 else {
            throw LoadError("\(url) must have an IPv4 address, or localhost, and a port")
        }
        self.address = Self.make(address: address.s_addr, port: port)
        isLoopback = UInt32(bigEndian: address.s_addr) >> 24 == 127
        let endpoint = path.isEmpty || path == "/" ? "/socket.io/" : String(path)
        request = Array(
            """
            GET \(endpoint)?EIO=4&transport=websocket HTTP/1.1\r
            Host: \(authority)\r
            Connection: Upgrade\r
            Upgrade: websocket\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """.utf8
        )
    }

    static func make(address: UInt32, port: UInt16) -> sockaddr_in {
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = port.bigEndian
        result.sin_addr.s_addr = address
        return result
    }
}

private func withSocketAddress(
    _ address: inout sockaddr_in,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
#endif

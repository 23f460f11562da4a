/// A STUN or TURN server that a connection may use, after the W3C `RTCIceServer`.
public struct ICEServer: Hashable, Sendable {
    /// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`.
    public var urls: [String]
    /// The user name; TURN only.
    public var username: String?
    /// The password; TURN only.
    public var credential: String?

    /// A server, under one or several URLs.
    public init(urls: [String], username: String? = nil, credential: String? = nil) {
        self.urls = urls
        self.username = username
        self.credential = credential
    }
}

/// Which candidates may be used, after the W3C `RTCIceTransportPolicy`.
public enum ICETransportPolicy: String, Hashable, Sendable {
    /// All.
    case all
    /// Only those of TURN servers: the peer does not learn this side's own addresses.
    case relay
}

/// The URL of a STUN or TURN server (RFC 7064, RFC 7065).
public struct ICEServerURL: Hashable, Sendable, CustomStringConvertible {
    /// How the server is talked to.
    public enum Transport: String, Hashable, Sendable {
        /// Datagrams, on the port shared by all connections.
        case udp
        /// A TCP connection.
        case tcp
        /// TLS over TCP.
        case tls
    }

    /// Whether it is a TURN server.
    public let isRelay: Bool
    /// A host name or literal address, without brackets.
    public let host: String
    /// The port; by default 3478, with TLS 5349.
    public let port: UInt16
    /// How the server is talked to.
    public let transport: Transport

    /// Parses a URL.
    ///
    /// - Throws: `WebRTCError.invalidICEServer` with what is wrong. `stuns:`, STUN over TCP and TURN over DTLS are
    ///   refused: no candidate of a UDP socket could come of the first two, and hardly a server offers the third.
    public init(_ url: String) throws(WebRTCError) {
        func fail(_ reason: String) -> WebRTCError { .invalidICEServer(String(url.prefix(200)), reason: reason) }
        guard url.utf8.count <= 512 else { throw fail("longer than 512 bytes") }
        guard let colon = url.firstIndex(of: ":") else { throw fail("no scheme such as turn:") }
        let scheme = url[..<colon].lowercased()
        guard ["stun", "turn", "turns"].contains(scheme) else { throw fail("not a stun:, turn: or turns: URL") }
        self.isRelay = scheme != "stun"
        let isSecure = scheme == "turns"
        var rest = url[url.index(after: colon)...]
        var named: Substring?
        if let mark = rest.firstIndex(of: "?") {
            let query = rest[rest.index(after: mark)...]
            guard query.hasPrefix("transport="), self.isRelay else { throw fail("unknown query '\(query)'") }
            named = query.dropFirst("transport=".count)
            rest = rest[..<mark]
        }
        switch (named, isSecure) {
        case (nil, false), ("udp", false): self.transport = .udp
        case ("tcp", false): self.transport = .tcp
        case (nil, true), ("tcp", true): self.transport = .tls
        default: throw fail("the transport must be udp or tcp, and tcp for turns:")
        }
        guard let (host, portText) = Self.split(rest), !host.isEmpty, host.utf8.count <= 253,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") })
        else { throw fail("no host name or address") }
        self.host = String(host)
        if let portText {
            guard let port = UInt16(portText), port > 0 else { throw fail("the port is not 1 to 65535") }
            self.port = port
        } else {
            self.port = isSecure ? 5349 : 3478
        }
    }

    /// Host and port; an IPv6 address is in brackets. Nil when the brackets do not match, or there is a colon too many.
    private static func split(_ text: Substring) -> (host: Substring, port: Substring?)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return (host, nil) }
            return rest.hasPrefix(":") ? (host, rest.dropFirst()) : nil
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return (parts[0], nil)
        case 2: return (parts[0], parts[1])
        default: return nil
        }
    }

    /// The URL, with the port.
    public var description: String {
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        switch (self.isRelay, self.transport) {
        case (false, _): return "stun:\(name):\(self.port)"
        case (true, .tls): return "turns:\(name):\(self.port)"
        case (true, let transport): return "turn:\(name):\(self.port)?transport=\(transport.rawValue)"
        }
    }
}

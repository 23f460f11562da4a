import NIOHTTP1

/// What an HTTP request wants of the Engine.IO server, from its method and query.
enum EngineIORequest: Sendable, Hashable {
    /// Open a session by polling.
    case handshake
    /// Fetch packets.
    case poll(sid: String)
    /// Bring packets.
    case data(sid: String, isBinary: Bool)
    /// Open a WebSocket, for a new session or to upgrade one.
    case webSocket(sid: String?)
    /// A CORS preflight.
    case preflight

    /// Classifies a request whose path is the endpoint's, refusing what the reference server refuses.
    init(
        head: HTTPRequestHead,
        configuration: SocketIOServerConfiguration
    ) throws(EngineIORequestError) {
        if head.method == .OPTIONS, configuration.cors != nil {
            self = .preflight
            return
        }
        let query = QueryParameters(uri: head.uri)
        guard let transport = query["transport"].flatMap(SocketIOTransport.init),
            configuration.transports.contains(transport)
        else { throw .unknownTransport }
        let isUpgrade = head.isWebSocketUpgrade
        let sid = query["sid"].flatMap { $0.isEmpty ? nil : $0 }
        if sid == nil {
            guard head.method == .GET else { throw .badHandshakeMethod }
            guard (transport == .webSocket) == isUpgrade else { throw .badRequest }
            guard query["EIO"] == "4" else { throw .unsupportedProtocolVersion }
            if let allowRequest = configuration.allowRequest, !allowRequest(head) { throw .forbidden }
        }
        switch (transport, sid) {
        case (.webSocket, let sid):
            guard isUpgrade, head.method == .GET else { throw .badRequest }
            self = .webSocket(sid: sid)
        case (.polling, nil): self = .handshake
        case (.polling, let sid?):
            guard !isUpgrade else { throw .badRequest }
            switch head.method {
            case .GET: self = .poll(sid: sid)
            case .POST:
                let type = head.headers.first(name: "content-type")
                self = .data(sid: sid, isBinary: type == "application/octet-stream")
            default: throw .badRequest
            }
        }
    }
}

extension HTTPRequestHead {
    /// Whether the request asks to become a WebSocket (RFC 6455, section 4.1).
    var isWebSocketUpgrade: Bool {
        headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
            && headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
    }

    /// The URI without its query.
    var path: Substring { uri.prefix { $0 != "?" } }
}

/// The parameters of a URI's query; the last of equal names wins. Nothing is percent-decoded: the names and values
/// that Engine.IO uses never need it.
struct QueryParameters {
    private var parameters: [Substring: Substring] = [:]

    init(uri: String) {
        guard let mark = uri.firstIndex(of: "?") else { return }
        for pair in uri[uri.index(after: mark)...].split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first else { continue }
            parameters[name] = parts.count > 1 ? parts[1] : ""
        }
    }

    subscript(name: String) -> String? { parameters[name[...]].map(String.init) }
}

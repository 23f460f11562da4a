import NIOHTTP1

/// What an HTTP request wants of the Engine.IO server, from its method and query.
enum EngineIORequest: Sendable, Hashable {
    /// Open a session by polling.
    case handshake(EngineIOEncoding)
    /// Fetch packets.
    case poll(sid: String)
    /// Bring packets.
    case data(sid: String, isBinary: Bool)
    /// Upgrade a session to a WebSocket.
    case upgrade(sid: String)
    /// Open a session by WebSocket.
    case webSocket(EngineIOEncoding)
    /// A CORS preflight.
    case preflight

    /// Classifies a request whose path is the endpoint's, refusing what the reference server refuses.
    init(
        head: HTTPRequestHead,
        query: QueryParameters,
        configuration: SocketIOServerConfiguration
    ) throws(EngineIORequestError) {
        if head.method == .OPTIONS, configuration.cors != nil {
            self = .preflight
            return
        }
        guard let transport = query["transport"].flatMap(SocketIOTransport.init),
            configuration.transports.contains(transport)
        else { throw .unknownTransport }
        let isUpgrade = head.isWebSocketUpgrade
        guard let sid = query["sid"].flatMap({ $0.isEmpty ? nil : $0 }) else {
            guard head.method == .GET else { throw .badHandshakeMethod }
            guard (transport == .webSocket) == isUpgrade else { throw .badRequest }
            if let allowRequest = configuration.allowRequest, !allowRequest(head) { throw .forbidden }
            let encoding = try Self.encoding(query, configuration: configuration)
            self = transport == .webSocket ? .webSocket(encoding) : .handshake(encoding)
            return
        }
        guard (transport == .webSocket) == isUpgrade else { throw .badRequest }
        switch (transport, head.method) {
        case (.webSocket, .GET): self = .upgrade(sid: sid)
        case (.polling, .GET): self = .poll(sid: sid)
        case (.polling, .POST):
            let type = head.headers.first(name: "content-type")
            self = .data(sid: sid, isBinary: type == "application/octet-stream")
        default: throw .badRequest
        }
    }

    private static func encoding(
        _ query: QueryParameters,
        configuration: SocketIOServerConfiguration
    ) throws(EngineIORequestError) -> EngineIOEncoding {
        let supportsBinary = query["b64"].map { $0.isEmpty } ?? true
        switch query["EIO"] {
        case "4": return EngineIOEncoding(revision: .v4, supportsBinary: supportsBinary)
        case "3" where configuration.allowEIO3:
            return EngineIOEncoding(revision: .v3, supportsBinary: supportsBinary)
        default: throw .unsupportedProtocolVersion
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

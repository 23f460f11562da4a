package import NIOCore

/// Why the server refuses an Engine.IO request; codes, messages and statuses are those of the reference server.
package enum EngineIORequestError: Int, Sendable, Error {
    case unknownTransport = 0
    case unknownSessionID = 1
    case badHandshakeMethod = 2
    case badRequest = 3
    case forbidden = 4
    case unsupportedProtocolVersion = 5

    package var message: String {
        switch self {
        case .unknownTransport: "Transport unknown"
        case .unknownSessionID: "Session ID unknown"
        case .badHandshakeMethod: "Bad handshake method"
        case .badRequest: "Bad request"
        case .forbidden: "Forbidden"
        case .unsupportedProtocolVersion: "Unsupported protocol version"
        }
    }

    package var status: Int { self == .forbidden ? 403 : 400 }

    package var refusal: SocketIORefusal {
        switch self {
        case .unknownTransport: .unknownTransport
        case .unknownSessionID: .unknownSessionID
        case .badHandshakeMethod: .badHandshakeMethod
        case .badRequest: .badRequest
        case .forbidden: .forbidden
        case .unsupportedProtocolVersion: .unsupportedProtocolVersion
        }
    }
}

/// The answer to one polling request.
package struct EngineIOResponse: Sendable, Hashable {
    package var status: Int
    package var contentType: String
    package var body: ByteBuffer
    /// Whether the connection must not be used again.
    package var closesConnection = false
    /// What to count the answer as.
    package var refusal: SocketIORefusal?
    /// The value of a `Set-Cookie` header.
    package var cookie: String?

    /// The packets of a poll.
    package static func payload(_ payload: EngineIOEncoding.Payload) -> EngineIOResponse {
        EngineIOResponse(
            status: 200,
            contentType: payload.isBinary ? "application/octet-stream" : "text/plain; charset=UTF-8",
            body: payload.body
        )
    }

    /// The answer to data that was taken. HTML, because some user agents offer plain text for download.
    package static let accepted = EngineIOResponse(
        status: 200,
        contentType: "text/html",
        body: ByteBuffer(string: "ok")
    )

    package static func refused(_ error: EngineIORequestError, message: String? = nil) -> EngineIOResponse {
        let json: JSONValue = [
            "code": .number(Double(error.rawValue)), "message": .string(message ?? error.message),
        ]
        return EngineIOResponse(
            status: error.status,
            contentType: "application/json",
            body: ByteBuffer(bytes: json.jsonBytes),
            refusal: error.refusal
        )
    }
}

/// Why there is no allocation at a TURN server.
enum TURNError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The name of the server leads nowhere at present.
    case unresolved(host: String)
    /// No answer to any of the requests.
    case unreachable
    /// 401 or 441: the user name or the credential is wrong, or has expired.
    case unauthorized
    /// 437: the server knows no allocation of this client (any more), or an older one.
    case mismatch
    /// 486 or 508: too many allocations of this user, or of all.
    case noCapacity(code: Int)
    /// 440: no addresses of the IP version asked for.
    case unsupportedFamily
    /// Another error code.
    case refused(code: Int)
    /// The server's answer lacks what it must have.
    case malformed
    /// The stream to the server ended or carried something else than TURN.
    case disconnected(String)

    init(code: Int) {
        switch code {
        case 401, 441: self = .unauthorized
        case 437: self = .mismatch
        case 440: self = .unsupportedFamily
        case 486, 508: self = .noCapacity(code: code)
        default: self = .refused(code: code)
        }
    }

    var description: String {
        switch self {
        case .unresolved(let host): "'\(host)' was not found: is it spelt right, and does this host reach a resolver?"
        case .unreachable: "the server does not answer"
        case .unauthorized: "the server refuses the user name or the credential"
        case .mismatch: "the server has no such allocation"
        case .noCapacity(let code): "the server has no room for another allocation (\(code))"
        case .unsupportedFamily: "the server has no relay of this IP version (440)"
        case .refused(let code): "the server refuses with error \(code)"
        case .malformed: "the server's answer lacks the relayed address"
        case .disconnected(let reason): reason
        }
    }
}

import HTTPTypes
import PeerTreeSignalling

/// Who may look at the dashboard, which shows every tree: the ids by which it can be watched, and who watches.
public enum DashboardAccess: Sendable {
    /// There is no dashboard.
    case nobody
    /// Whoever reaches the server.
    case everybody
    /// Whoever sends this secret, as `Authorization: Bearer SECRET` (RFC 6750).
    case bearer(of: String)

    enum Verdict {
        case allowed
        case off
        case unauthorized
    }

    func verdict(_ headers: HTTPFields) -> Verdict {
        switch self {
        case .nobody: return .off
        case .everybody: return .allowed
        case .bearer(let secret):
            guard let given = headers[.authorization], given.hasPrefix("Bearer "),
                Credentials.isEqual(String(given.dropFirst("Bearer ".count)), secret)
            else { return .unauthorized }
            return .allowed
        }
    }
}

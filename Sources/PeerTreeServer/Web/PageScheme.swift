import HTTPTypes
import NIOCore
import SocketIO

/// Whether people reach the pages by `http` or by `https`: their links say the same.
struct PageScheme: Sendable {
    /// Whether the server has a certificate itself.
    var isSecure: Bool
    /// Who is believed about what the client used.
    var proxies: [AddressRange]

    private static let forwarded = HTTPField.Name("X-Forwarded-Proto")

    /// Where several proxies have written, the first one is the client's. Whoever lies, through a proxy that passes on what
    /// clients write, changes what is shown to itself.
    func scheme(of headers: HTTPFields, from peer: SocketAddress?) -> String {
        let own = isSecure ? "https" : "http"
        guard let name = Self.forwarded, proxies.contains(where: { $0.contains(peer) }) else { return own }
        let said = headers[name]?.split(separator: ",").first ?? ""
        switch said.filter({ $0 != " " && $0 != "\t" }).lowercased() {
        case "https": return "https"
        case "http": return "http"
        default: return own
        }
    }
}

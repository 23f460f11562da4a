/// Why there can be no client of an address.
public enum SocketIOURLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text is not a URL of the form `http://host[:port][/namespace][?query]`, or `https`, `ws` or `wss`.
    case malformed(String, reason: String)
    /// The certificates in ``SocketIOTLSConfiguration`` cannot be used.
    case unusableCertificates(String)

    /// A sentence for the user.
    public var description: String {
        switch self {
        case .malformed(let url, let reason): "\"\(url)\" is not the address of a Socket.IO server: \(reason)"
        case .unusableCertificates(let reason): reason
        }
    }
}

/// The address of a Socket.IO server: `http`, `https`, `ws` or `wss`, a host, and optionally a port, a namespace and a
/// query.
package struct SocketIOURL: Sendable, Hashable {
    package var isSecure: Bool
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    package var host: String
    package var port: Int
    /// The path, which names a namespace; `/` if there is none.
    package var namespace: String
    /// Without its question mark; empty if there is none.
    package var query: String

    package init(_ text: String) throws(SocketIOURLError) {
        func malformed(_ reason: String) -> SocketIOURLError { .malformed(text, reason: reason) }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw malformed("it must consist of printable ASCII characters")
        }
        guard let separator = text.firstRange(of: "://") else { throw malformed("it lacks http:// or ws://") }
        switch text[..<separator.lowerBound].lowercased() {
        case "http", "ws": isSecure = false
        case "https", "wss": isSecure = true
        default: throw malformed("its scheme must be http, https, ws or wss")
        }
        let rest = text[separator.upperBound...]
        guard !rest.contains("#") else { throw malformed("a fragment has no meaning here") }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { throw malformed("user names are not supported") }
        let portText: Substring?
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else {
                throw malformed("the ] of its address is missing")
            }
            host = String(authority[authority.index(after: authority.startIndex)..<bracket])
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else {
                throw malformed("\"\(host)\" is not an IPv6 address")
            }
            let tail = authority[authority.index(after: bracket)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { throw malformed("something stands behind the ]") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else {
            let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = parts.first.map(String.init) ?? ""
            guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else {
                throw malformed("its host is missing or has characters that a host cannot have")
            }
            portText = parts.count > 1 ? parts[1] : nil
        }
        if let portText {
            guard portText.count <= 5, portText.allSatisfy(\.isNumber), let port = Int(portText),
                (1...65535).contains(port)
            else { throw malformed("\"\(portText)\" is not a port") }
            self.port = port
        } else {
            port = isSecure ? 443 : 80
        }
        let target = rest[authority.endIndex...]
        let path = target.prefix { $0 != "?" }
        namespace = path.isEmpty ? "/" : String(path)
        query = String(target[path.endIndex...].dropFirst())
    }

    /// The value of the `Host` header.
    package var hostHeader: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }
}

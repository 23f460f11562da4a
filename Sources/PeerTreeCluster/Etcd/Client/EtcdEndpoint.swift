/// The address of a member of etcd's cluster, as its clients use it: `http://HOST:PORT` or `https://HOST:PORT`.
package struct EtcdEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// Without a slash at its end.
    package let description: String

    /// - Throws: ``EtcdOptionsError`` if `text` is no such address.
    package init(_ text: some StringProtocol) throws(EtcdOptionsError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3 || (parts.count == 4 && parts[3].isEmpty), ["http:", "https:"].contains(parts[0]),
            parts[1].isEmpty, Self.isAuthority(parts[2])
        else { throw EtcdOptionsError("'\(text)' is no address of etcd's: say http://HOST:PORT or https://HOST:PORT") }
        description = "\(parts[0])//\(parts[2])"
    }

    private static func isAuthority(_ text: some StringProtocol) -> Bool {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return false
        }
        let host = text[..<colon].utf8
        return (1...255).contains(host.count) && host.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: "@") }
    }
}

/// What is wrong with how etcd is to be reached.
package struct EtcdOptionsError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

import Foundation
import PeerTreeClient

/// The link that a broadcaster gives to viewers: `http://HOST:PORT/watch/TREE`, of an encrypted broadcast with
/// `#key=SECRET` at its end, which browsers and this program send to nobody.
struct WatchLink: CustomStringConvertible {
    /// The signalling server.
    var server: String
    /// The tree on it.
    var treeID: String
    /// What opens the broadcast; nil if it is not encrypted.
    var secret: BroadcastSecret?

    init(server: String, treeID: String, secret: BroadcastSecret? = nil) {
        self.server = server
        self.treeID = treeID
        self.secret = secret
    }

    /// Whether browsers that open it have the cryptography that checks signatures: over https, and on this machine.
    var isSecureContext: Bool {
        guard let url = URL(string: server), url.scheme == "http", let host = url.host else { return true }
        return host == "localhost" || host.hasPrefix("127.") || host == "::1" || host == "[::1]"
    }

    /// Reads a link.
    init(_ text: String) throws(WatchLinkError) {
        guard let range = text.range(of: "/watch/"), text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw .notALink(text)
        }
        let tree = text[range.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let base = text[..<range.lowerBound]
        guard !tree.isEmpty, base.count > "https://".count else { throw .notALink(text) }
        self.init(server: String(base), treeID: String(tree))
        secret = try Self.secret(in: text[range.upperBound...])
    }

    private static func secret(in text: Substring) throws(WatchLinkError) -> BroadcastSecret? {
        guard let hash = text.firstIndex(of: "#") else { return nil }
        let values = text[text.index(after: hash)...].split(separator: "&")
        guard let value = values.first(where: { $0.hasPrefix("key=") })?.dropFirst("key=".count) else { return nil }
        guard let secret = BroadcastSecret(String(value)) else { throw .brokenKey(characters: value.count) }
        return secret
    }

    var description: String {
        let fragment = secret.map { "#key=\($0.text)" } ?? ""
        return "\(server)/watch/\(treeID)\(fragment)"
    }
}

/// Why a text is no link to watch.
enum WatchLinkError: Error, CustomStringConvertible {
    case notALink(String)
    /// The key is not shown: it may be most of a secret.
    case brokenKey(characters: Int)

    var description: String {
        switch self {
        case .notALink(let text): "'\(text)' is not a link to watch, such as http://127.0.0.1:3000/watch/TREE."
        case .brokenKey(let characters):
            "The key at the end of the link is not whole: it has 43 letters, digits, - and _, and this one has "
                + "\(characters) characters. Ask for the link again."
        }
    }
}

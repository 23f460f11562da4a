import SocketIO
import WebRTC

/// The STUN and TURN servers that the signalling server names, and how long their credentials are good for.
struct ICEServerList {
    var servers: [ICEServer]
    /// In seconds; nil if nothing expires.
    var lifetime: Int?

    private static let maximumServers = 16
    private static let maximumURLs = 16

    /// Nil where none are named. What cannot be used is left out: a newer server may name kinds that this client does
    /// not know.
    init?(_ payload: JSONValue) {
        guard let list = payload["iceServers"]?.arrayValue else { return nil }
        servers = list.prefix(Self.maximumServers).compactMap { Self.server($0) }
        lifetime = payload["iceServersLifetime"]?.intValue.flatMap { $0 > 0 ? $0 : nil }
    }

    private static func server(_ value: JSONValue) -> ICEServer? {
        let texts = value["urls"]?.arrayValue?.compactMap { $0.stringValue } ?? value["urls"]?.stringValue.map { [$0] }
        let username = value["username"]?.stringValue
        let credential = value["credential"]?.stringValue
        let urls = (texts ?? []).prefix(Self.maximumURLs).filter { text in
            guard let url = try? ICEServerURL(text) else { return false }
            return !url.isRelay || (username != nil && credential != nil)
        }
        guard !urls.isEmpty, (username ?? "").utf8.count <= 508 else { return nil }
        return ICEServer(urls: Array(urls), username: username, credential: credential)
    }
}

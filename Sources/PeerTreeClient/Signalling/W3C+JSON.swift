import JSON
import PeerTreeCore
import WebRTC

// Dictionaries of the W3C's WebRTC as JSON.

extension IceCandidate {
    /// Reads an `RTCIceCandidateInit`.
    init(_ json: JSONValue) {
        self.init(
            candidate: json["candidate"]?.stringValue ?? "",
            sdpMid: json["sdpMid"]?.stringValue,
            sdpMLineIndex: json["sdpMLineIndex"]?.intValue
        )
    }

    /// As an `RTCIceCandidateInit`, its members in the order in which simple-peer sends them.
    var json: JSONValue {
        let index = sdpMLineIndex.map { JSONValue($0) } ?? .null
        let mid = sdpMid.map { JSONValue.string($0) } ?? .null
        return ["candidate": .string(candidate), "sdpMLineIndex": index, "sdpMid": mid]
    }
}

extension ICEServer {
    private static let maximumServers = 16
    private static let maximumURLs = 16

    /// Reads a list of `RTCIceServer`. What cannot be used is left out: a newer server may name kinds that this client
    /// does not know.
    static func list(_ json: JSONValue) -> [ICEServer] {
        (json.arrayValue ?? []).prefix(maximumServers).compactMap { ICEServer($0) }
    }

    private init?(_ json: JSONValue) {
        let texts = json["urls"]?.arrayValue?.compactMap { $0.stringValue } ?? json["urls"]?.stringValue.map { [$0] }
        let username = json["username"]?.stringValue
        let credential = json["credential"]?.stringValue
        let urls = (texts ?? []).prefix(Self.maximumURLs).filter { text in
            guard let url = try? ICEServerURL(text) else { return false }
            return !url.isRelay || (username != nil && credential != nil)
        }
        guard !urls.isEmpty, (username ?? "").utf8.count <= 508 else { return nil }
        self.init(urls: Array(urls), username: username, credential: credential)
    }
}

import JSON
import PeerTreeCore

extension Text {
    init(_ string: String) {
        self.init(Array(string.utf8))
    }

    /// A value as JSON.
    init(_ json: JSONValue) {
        self.init(json.jsonBytes)
    }

    var string: String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// The value that this is the JSON of; null if it is none.
    var json: JSONValue {
        (try? JSONValue(parsing: bytes)) ?? .null
    }
}

extension StaticString {
    var string: String {
        withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    }
}

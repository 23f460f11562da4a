import JSON

/// Reads the members of an object of etcd's JSON gateway, as protocol buffers are written in JSON: what is absent is zero
/// or empty, 64-bit integers are strings, bytes are base64.
struct EtcdFields {
    private let object: JSONObject
    private let name: String

    /// - Parameter name: What the object is, for error messages.
    init(_ value: JSONValue?, _ name: String) throws(EtcdError) {
        guard let object = value?.objectValue else { throw Self.wrong(name, "an object", value) }
        self.object = object
        self.name = name
    }

    func integer(_ key: String) throws(EtcdError) -> Int64 {
        switch object[key] {
        case nil, .null?: return 0
        case .string(let text)?: if let value = Int64(text) { return value }
        case .number(let number)?: if let value = Int64(exactly: number) { return value }
        default: break
        }
        throw Self.wrong("\(name).\(key)", "a 64-bit integer", object[key])
    }

    /// A revision, a count or a number of seconds: nothing of which the sum with another would be too large.
    func count(_ key: String) throws(EtcdError) -> Int64 {
        let value = try integer(key)
        guard (0...1 << 62).contains(value) else { throw Self.wrong("\(name).\(key)", "from 0 to 2^62", object[key]) }
        return value
    }

    func bytes(_ key: String, atMost limit: Int) throws(EtcdError) -> [UInt8] {
        let text = try string(key)
        guard let bytes = Base64.decode(text), bytes.count <= limit else {
            throw Self.wrong("\(name).\(key)", "base64 of at most \(limit) bytes", object[key])
        }
        return bytes
    }

    func string(_ key: String) throws(EtcdError) -> String {
        switch object[key] {
        case nil, .null?: return ""
        case .string(let text)?: return text
        default: throw Self.wrong("\(name).\(key)", "a string", object[key])
        }
    }

    func flag(_ key: String) throws(EtcdError) -> Bool {
        switch object[key] {
        case nil, .null?: return false
        case .bool(let value)?: return value
        default: throw Self.wrong("\(name).\(key)", "a Boolean", object[key])
        }
    }

    func list(_ key: String, atMost limit: Int) throws(EtcdError) -> [JSONValue] {
        switch object[key] {
        case nil, .null?: return []
        case .array(let elements)? where elements.count <= limit: return elements
        default: throw Self.wrong("\(name).\(key)", "at most \(limit) elements", object[key])
        }
    }

    func object(_ key: String) throws(EtcdError) -> EtcdFields { try EtcdFields(object[key], "\(name).\(key)") }

    func has(_ key: String) -> Bool { object[key].map { !$0.isNull } ?? false }

    /// The store's revision when it answered.
    func headerRevision() throws(EtcdError) -> Int64 { try object("header").count("revision") }

    private static func wrong(_ name: String, _ wanted: String, _ found: JSONValue?) -> EtcdError {
        let text = found.map { String($0.jsonString.prefix(80)) } ?? "nothing"
        return EtcdError(
            .malformed,
            "etcd's answer has \(text) as \(name), where \(wanted) belongs: is this address etcd's?"
        )
    }
}

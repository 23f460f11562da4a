package import JSON
import PeerTreeCore

/// The first argument of an event, read field by field; whatever is not as it must be is named in the error.
struct Payload {
    private let object: JSONObject
    private let prefix: String
    private let options: SignallingOptions

    init(_ value: JSONValue?, options: SignallingOptions) throws(SignallingError) {
        guard let object = value?.objectValue else {
            throw .badField("The first argument", "an object")
        }
        self.init(object, prefix: "", options: options)
    }

    private init(_ object: JSONObject, prefix: String, options: SignallingOptions) {
        self.object = object
        self.prefix = prefix
        self.options = options
    }

    /// A member that may be absent or null.
    func object(_ key: String) throws(SignallingError) -> Payload? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let object = value.objectValue else { throw .badField(prefix + key, "an object") }
        return Payload(object, prefix: prefix + key + ".", options: options)
    }

    /// A list of objects, empty if absent.
    func objects(_ key: String, limit: Int) throws(SignallingError) -> [Payload] {
        guard let value = object[key], !value.isNull else { return [] }
        let error = SignallingError.badField(prefix + key, "an array of at most \(limit) objects")
        guard let array = value.arrayValue, array.count <= limit else { throw error }
        var payloads: [Payload] = []
        for element in array {
            guard let object = element.objectValue else { throw error }
            payloads.append(Payload(object, prefix: prefix + key + ".", options: options))
        }
        return payloads
    }

    /// A resume token, which is longer than other strings.
    func optionalToken(_ key: String) throws(SignallingError) -> String? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let string = value.stringValue, string.utf8.count <= options.maximumTokenBytes else {
            throw .badField(prefix + key, "a string of at most \(options.maximumTokenBytes) bytes")
        }
        return string
    }

    func optionalString(_ key: String) throws(SignallingError) -> String? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let string = value.stringValue, string.utf8.count <= options.maximumStringBytes else {
            throw .badField(prefix + key, "a string of at most \(options.maximumStringBytes) bytes")
        }
        return string
    }

    /// Bytes in hexadecimal.
    func optionalBytes(_ key: String, count: Int) throws(SignallingError) -> [UInt8]? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let string = value.stringValue, string.utf8.count == 2 * count, let bytes = Text(string).unhexed else {
            throw .badField(prefix + key, "\(2 * count) hexadecimal digits in small letters")
        }
        return bytes
    }

    /// Bytes in hexadecimal.
    func bytes(_ key: String, upTo limit: Int) throws(SignallingError) -> [UInt8] {
        guard let string = object[key]?.stringValue, string.utf8.count <= 2 * limit, let bytes = Text(string).unhexed
        else { throw .badField(prefix + key, "at most \(2 * limit) hexadecimal digits in small letters") }
        return bytes
    }

    func string(_ key: String) throws(SignallingError) -> String {
        guard let string = try optionalString(key), !string.isEmpty else {
            throw .badField(prefix + key, "a string of 1 to \(options.maximumStringBytes) bytes")
        }
        return string
    }

    func flag(_ key: String) throws(SignallingError) -> Bool {
        guard let value = object[key], !value.isNull else { return false }
        guard let flag = value.boolValue else { throw .badField(prefix + key, "true or false") }
        return flag
    }

    func optionalInteger(_ key: String) throws(SignallingError) -> Int? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let integer = value.intValue, integer >= 0 else { throw .badField(prefix + key, "an integer from 0") }
        return integer
    }

    func integer(_ key: String) throws(SignallingError) -> Int {
        guard let integer = try optionalInteger(key) else { throw .badField(prefix + key, "an integer from 0") }
        return integer
    }

    func epoch() throws(SignallingError) -> UInt32 {
        UInt32(clamping: try integer("epoch"))
    }

    func lossReason() throws(SignallingError) -> LossReason {
        guard let reason = LossReason(try string("reason")) else { throw .badField("reason", LossReason.list) }
        return reason
    }

    func optionalNumber(_ key: String) throws(SignallingError) -> Double? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let number = value.doubleValue, number.isFinite else { throw .badField(prefix + key, "a number") }
        return number
    }

    func optionalMeasure(_ key: String) throws(SignallingError) -> Double? {
        let number = try optionalNumber(key)
        guard number ?? 0 >= 0 else { throw .badField(prefix + key, "a number from 0") }
        return number
    }

    /// A session description or candidate, to be passed on unread.
    func signal() throws(SignallingError) -> JSONValue {
        guard let value = object["signal"], value.objectValue != nil,
            value.fits(bytes: options.maximumSignalBytes, depth: options.maximumDepth)
        else {
            throw .badField(
                "signal",
                "an object of at most \(options.maximumSignalBytes) bytes, nested at most \(options.maximumDepth) deep"
            )
        }
        return value
    }

    /// What an application adds, to be passed on unread; nil if absent, which is not the same as null.
    func metadata() throws(SignallingError) -> JSONValue? {
        guard let value = object["metadata"] else { return nil }
        guard value.fits(bytes: options.maximumMetadataBytes, depth: options.maximumDepth) else {
            throw .badField(
                "metadata",
                "JSON of at most \(options.maximumMetadataBytes) bytes, nested at most \(options.maximumDepth) deep"
            )
        }
        return value
    }
}

extension JSONValue {
    /// Whether the value, as JSON text without escapes, is within bounds and has no binary part. Stops at the first
    /// excess, so it recurses no deeper than `depth`.
    package func fits(bytes: Int, depth: Int) -> Bool {
        var left = bytes
        return take(from: &left, depth: depth)
    }

    private func take(from left: inout Int, depth: Int) -> Bool {
        switch self {
        case .null, .bool: left -= 4
        case .number: left -= 8
        case .string(let string): left -= string.utf8.count + 2
        case .binary: return false
        case .array(let elements):
            guard depth > 0 else { return false }
            left -= 2
            for element in elements {
                left -= 1
                guard left >= 0, element.take(from: &left, depth: depth - 1) else { return false }
            }
        case .object(let object):
            guard depth > 0 else { return false }
            left -= 2
            for member in object {
                left -= member.key.utf8.count + 4
                guard left >= 0, member.value.take(from: &left, depth: depth - 1) else { return false }
            }
        }
        return left >= 0
    }
}

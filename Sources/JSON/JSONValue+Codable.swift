/// Bytes inside a `Codable` value, which become a ``JSONValue/binary(_:)`` leaf rather than an array of numbers.
public struct JSONBytes: Sendable, Hashable {
    /// The bytes.
    public var bytes: [UInt8]

    /// Some bytes.
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
}

extension JSONBytes: Codable {
    /// Only coders other than ours come here: an array of numbers.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode([UInt8].self))
    }

    /// Only coders other than ours come here: an array of numbers.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

/// So that a part of a `Codable` value may be any JSON.
extension JSONValue: Codable {
    /// From any decoder. Binary leaves come from ours only.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try JSONObject(from: decoder))
        }
    }

    /// To any encoder. To other encoders than ours, binary leaves are arrays of numbers.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try value.encode(to: encoder)
        case .binary(let value): try container.encode(JSONBytes(value))
        }
    }
}

extension JSONObject: Codable {
    /// The members that a keyed container has, in its order.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: IndexKey.self)
        self.init()
        for key in container.allKeys { self[key.stringValue] = try container.decode(JSONValue.self, forKey: key) }
    }

    /// The members in order.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: IndexKey.self)
        for member in self { try container.encode(member.value, forKey: IndexKey(stringValue: member.key)) }
    }
}

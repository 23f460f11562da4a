/// A JSON value as JavaScript sees it, plus the binary leaf that Socket.IO adds.
///
/// Objects keep their keys in the order they were given, so that what is serialized is byte for byte what
/// `JSON.stringify` prints for the same insertion order. (JavaScript itself moves integer-like keys to the front; this
/// type does not.) Numbers are IEEE 754 doubles, as in JavaScript: integers are exact up to 2^53.
public enum JSONValue: Sendable, Hashable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number. NaN and the infinities are serialized as `null`, as `JSON.stringify` does.
    case number(Double)
    /// A string of Unicode scalars. Lone surrogates cannot be represented; the parser replaces them by U+FFFD.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; `__proto__` is a key like any other.
    case object(JSONObject)
    /// Bytes, sent as a Socket.IO attachment. Plain JSON has no such value: outside a packet it prints as `null`.
    case binary([UInt8])
}

extension JSONValue {
    /// The string, or nil if this is not a string.
    public var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The Boolean, or nil if this is not a Boolean.
    public var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The number, or nil if this is not a number.
    public var doubleValue: Double? {
        guard case .number(let value) = self else { return nil }
        return value
    }

    /// The number as an integer, or nil if this is not a number, has a fraction, or does not fit.
    public var intValue: Int? {
        guard case .number(let value) = self else { return nil }
        return Int(exactly: value)
    }

    /// The elements, or nil if this is not an array.
    public var arrayValue: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    /// The members, or nil if this is not an object.
    public var objectValue: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// The bytes, or nil if this is not binary.
    public var binaryValue: [UInt8]? {
        guard case .binary(let value) = self else { return nil }
        return value
    }

    /// Whether this is `null`.
    public var isNull: Bool {
        guard case .null = self else { return false }
        return true
    }

    /// The member named `key`; nil if this is not an object or has no such member.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    /// The element at `index`; nil if this is not an array or the index is out of range.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let array) = self, array.indices.contains(index) else { return nil }
        return array[index]
    }

    /// Whether a binary leaf occurs anywhere inside.
    package var containsBinary: Bool {
        switch self {
        case .binary: true
        case .array(let array): array.contains { $0.containsBinary }
        case .object(let object): object.contains { $0.value.containsBinary }
        case .null, .bool, .number, .string: false
        }
    }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `null`
    public init(nilLiteral: ()) { self = .null }
    /// `true` or `false`
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer literal.
    public init(integerLiteral value: Int) { self = .number(Double(value)) }
    /// A floating point literal.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A string literal.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An array literal.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object literal; keys keep their order, the last of equal keys wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }

    /// An integer; exact up to 2^53.
    public init(_ value: some BinaryInteger) { self = .number(Double(value)) }
    /// A number.
    public init(_ value: Double) { self = .number(value) }
    /// A string.
    public init(_ value: some StringProtocol) { self = .string(String(value)) }
    /// A Boolean.
    public init(_ value: Bool) { self = .bool(value) }
}

extension JSONValue: CustomStringConvertible {
    /// The value as JSON text; binary leaves show as `null`.
    public var description: String { jsonString }
}

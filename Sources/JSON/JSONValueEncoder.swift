/// Turns `Encodable` values into JSON values. What is a ``JSONBytes`` inside becomes a binary leaf.
public struct JSONValueEncoder: Sendable {
    /// An encoder; it keeps nothing from one value to the next.
    public init() {}

    /// The value as JSON.
    ///
    /// - Throws: `EncodingError` if an integer is beyond what a double holds exactly, and what the value itself throws.
    public func encode(_ value: some Encodable) throws -> JSONValue {
        let box = EncodingBox()
        try box.encode(value, codingPath: [])
        return box.value
    }
}

/// The place for one value that is being encoded, shared by the containers that fill it.
final class EncodingBox {
    private enum Content {
        case single(JSONValue)
        case array([EncodingBox])
        case object([(key: String, box: EncodingBox)])
    }

    private var content = Content.single([:])

    var value: JSONValue {
        switch content {
        case .single(let value): value
        case .array(let boxes): .array(boxes.map(\.value))
        case .object(let members): .object(JSONObject(members.map { ($0.key, $0.box.value) }))
        }
    }

    func set(_ value: JSONValue) { content = .single(value) }

    func beginArray() { if case .array = content {} else { content = .array([]) } }

    func beginObject() { if case .object = content {} else { content = .object([]) } }

    var count: Int {
        guard case .array(let boxes) = content else { return 0 }
        return boxes.count
    }

    func appendElement() -> EncodingBox {
        let box = EncodingBox()
        if case .array(var boxes) = content {
            content = .array([])
            boxes.append(box)
            content = .array(boxes)
        }
        return box
    }

    func appendMember(_ key: String) -> EncodingBox {
        let box = EncodingBox()
        if case .object(var members) = content {
            content = .object([])
            members.append((key, box))
            content = .object(members)
        }
        return box
    }

    func encode(_ value: some Encodable, codingPath: [any CodingKey]) throws {
        switch value {
        case let value as JSONValue: set(value)
        case let value as Bool: set(.bool(value))
        case let value as String: set(.string(value))
        case let value as any BinaryInteger: set(.number(try Self.exact(value, codingPath: codingPath)))
        case let value as Double: set(.number(value))
        case let value as Float: set(.number(Double(value)))
        case let value as JSONBytes: set(.binary(value.bytes))
        default: try value.encode(to: BoxEncoder(box: self, codingPath: codingPath))
        }
    }

    private static func exact(_ value: any BinaryInteger, codingPath: [any CodingKey]) throws -> Double {
        guard let number = Double(exactly: value) else {
            let problem = "\(value) cannot be sent exactly: numbers are doubles, send it as a string"
            throw EncodingError.invalidValue(value, .init(codingPath: codingPath, debugDescription: problem))
        }
        return number
    }
}

private struct BoxEncoder: Encoder {
    let box: EncodingBox
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        box.beginObject()
        return KeyedEncodingContainer(KeyedBoxContainer<Key>(box: box, codingPath: codingPath))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        box.beginArray()
        return UnkeyedBoxContainer(box: box, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer {
        SingleBoxContainer(box: box, codingPath: codingPath)
    }
}

private struct KeyedBoxContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let box: EncodingBox
    let codingPath: [any CodingKey]

    func encodeNil(forKey key: Key) { box.appendMember(key.stringValue).set(.null) }

    func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        try box.appendMember(key.stringValue).encode(value, codingPath: codingPath + [key])
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type,
        forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        encoder(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { encoder(key).unkeyedContainer() }

    func superEncoder() -> any Encoder { encoder(IndexKey(stringValue: "super")) }

    func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }

    private func encoder(_ key: any CodingKey) -> BoxEncoder {
        BoxEncoder(box: box.appendMember(key.stringValue), codingPath: codingPath + [key])
    }
}

private struct UnkeyedBoxContainer: UnkeyedEncodingContainer {
    let box: EncodingBox
    let codingPath: [any CodingKey]
    var count: Int { box.count }

    func encodeNil() { box.appendElement().set(.null) }

    func encode<T: Encodable>(_ value: T) throws {
        let path = codingPath + [IndexKey(intValue: count)]
        try box.appendElement().encode(value, codingPath: path)
    }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        encoder().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder().unkeyedContainer() }

    func superEncoder() -> any Encoder { encoder() }

    private func encoder() -> BoxEncoder {
        let path = codingPath + [IndexKey(intValue: count)]
        return BoxEncoder(box: box.appendElement(), codingPath: path)
    }
}

private struct SingleBoxContainer: SingleValueEncodingContainer {
    let box: EncodingBox
    let codingPath: [any CodingKey]

    func encodeNil() { box.set(.null) }

    func encode<T: Encodable>(_ value: T) throws { try box.encode(value, codingPath: codingPath) }
}

/// A place in an array, for error messages.
struct IndexKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        stringValue = "\(intValue)"
        self.intValue = intValue
    }
}

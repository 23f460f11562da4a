/// The members of a JSON object in the order in which their keys first appeared.
///
/// Two objects are equal when they have equal members in the same order. Looking a key up is linear in small objects
/// and hashed in large ones, so an object sent by a stranger cannot make insertion quadratic.
public struct JSONObject: Sendable, Hashable {
    /// One member of an object.
    public struct Member: Sendable, Hashable {
        /// The key.
        public let key: String
        /// The value.
        public internal(set) var value: JSONValue
    }

    private var members: [Member] = []
    /// Key to position, kept only above `indexThreshold` members.
    private var positions: [String: Int]?

    private static let indexThreshold = 16

    /// An object without members.
    public init() {}

    /// An object with the given members; the last of equal keys wins and keeps the first one's place.
    public init(_ elements: some Sequence<(String, JSONValue)>) {
        for (key, value) in elements { self[key] = value }
    }

    /// The value of `key`. Setting nil removes the member; setting a new key appends it.
    public subscript(key: String) -> JSONValue? {
        get { position(of: key).map { members[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?): append(key, value)
            case (let position?, nil): remove(at: position)
            case (nil, nil): break
            }
        }
    }

    /// The keys in order.
    public var keys: [String] { members.map(\.key) }

    /// Equality of members and their order; the look-up table does not count.
    public static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }

    /// Hashes the members in order.
    public func hash(into hasher: inout Hasher) { hasher.combine(members) }

    private func position(of key: String) -> Int? {
        if let positions { return positions[key] }
        return members.firstIndex { $0.key == key }
    }

    private mutating func append(_ key: String, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
        if positions != nil {
            positions?[key] = members.count - 1
        } else if members.count > Self.indexThreshold {
            rebuildIndex()
        }
    }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        positions = nil
        if members.count > Self.indexThreshold { rebuildIndex() }
    }

    private mutating func rebuildIndex() {
        var table: [String: Int] = [:]
        table.reserveCapacity(members.count * 2)
        for (position, member) in members.enumerated() { table[member.key] = position }
        positions = table
    }
}

extension JSONObject: RandomAccessCollection {
    /// Always 0.
    public var startIndex: Int { members.startIndex }
    /// The number of members.
    public var endIndex: Int { members.endIndex }
    /// The member at `position`, which must be valid.
    public subscript(position: Int) -> Member { members[position] }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object literal; the last of equal keys wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}

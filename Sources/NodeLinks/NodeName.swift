/// What a node is called among the nodes of its cluster: 1 to 64 bytes of letters, digits, `.`, `-` and `_`.
///
/// Names have an order, that of their bytes: of two nodes the one whose name comes first dials the other.
package struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String

    package static let maximumLength = 64

    /// Nil if the name is empty, too long, or has another character.
    package init?(_ name: String) {
        guard (1...Self.maximumLength).contains(name.utf8.count) else { return nil }
        guard name.utf8.allSatisfy(Self.isAllowed) else { return nil }
        description = name
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Makes the names that nobody may guess.
package enum Credentials {
    private static let base36 = Array("0123456789abcdefghijklmnopqrstuvwxyz")

    /// A tree id that looks as the original's: `c` and 24 characters of base 36, 124 random bits.
    static func treeID(using random: inout some RandomNumberGenerator) -> String {
        var id = "c"
        for _ in 0..<24 { id.append(base36[Int.random(in: 0..<36, using: &random)]) }
        return id
    }

    /// Whether a text looks as ``treeID(using:)`` makes them.
    package static func isTreeID(_ text: String) -> Bool {
        text.utf8.count == 25 && text.hasPrefix("c") && text.allSatisfy(base36.contains)
    }

    /// Compares in a time that depends on the lengths only, so that a guess cannot be improved character by character.
    package static func isEqual(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for position in left.indices { difference |= left[position] ^ right[position] }
        return difference == 0
    }
}

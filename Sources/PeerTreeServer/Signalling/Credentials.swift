/// Makes the names that nobody may guess.
enum Credentials {
    private static let base36 = Array("0123456789abcdefghijklmnopqrstuvwxyz")
    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// A tree id that looks as the original's: `c` and 24 characters of base 36, 124 random bits.
    static func treeID(using random: inout some RandomNumberGenerator) -> String {
        var id = "c"
        for _ in 0..<24 { id.append(base36[Int.random(in: 0..<36, using: &random)]) }
        return id
    }

    /// A resume token for the member `number`: its number, by which it is found, and 192 random bits.
    static func resumeToken(number: UInt64, using random: inout some RandomNumberGenerator) -> String {
        var bytes: [UInt8] = []
        for word in [number, random.next(), random.next(), random.next()] {
            for shift in stride(from: 60, through: 0, by: -4) {
                bytes.append(hexadecimal[Int(word >> UInt64(shift) & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The member number a token claims to be for.
    static func number(inToken token: String) -> UInt64? {
        guard token.utf8.count == 64 else { return nil }
        return UInt64(token.prefix(16), radix: 16)
    }

    /// Compares in a time that depends on the lengths only, so that a guess cannot be improved character by character.
    static func isEqual(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for position in left.indices { difference |= left[position] ^ right[position] }
        return difference == 0
    }
}

import TestSupport

/// Damages good input, or makes input up.
///
/// The operations are the usual ones of mutational fuzzers, plus a few that know what protocols are made of: lengths in
/// two bytes, lines, numbers written in digits.
struct Mutator {
    /// Good inputs to begin with.
    let corpus: [[UInt8]]
    /// Largest input made.
    let limit: Int
    /// Whether inputs are text: then lines and numbers are worth damaging.
    let isText: Bool

    private static let interestingBytes: [UInt8] = [0, 1, 3, 4, 7, 8, 15, 16, 20, 127, 128, 254, 255]
    private static let interestingWords: [UInt16] = [0, 1, 3, 4, 8, 20, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF]
    private static let interestingNumbers = [
        "0", "-1", "1", "255", "256", "65535", "65536", "4294967295", "4294967296", "18446744073709551615",
        "18446744073709551616", "99999999999999999999999999", "",
    ]

    /// The input of a number. The first are the corpus as it is; of the others, one in eight is noise, and the rest come
    /// from the corpus with up to eight changes.
    func input(_ number: UInt64, _ random: inout SeededGenerator) -> [UInt8] {
        if number < UInt64(self.corpus.count) { return self.corpus[Int(number)] }
        guard let good = self.corpus.randomElement(using: &random), random.next() % 8 != 0 else {
            return random.bytes(Int.random(in: 0...128, using: &random))
        }
        var bytes = good
        for _ in 0..<(1 << Int.random(in: 0...3, using: &random)) {
            if self.isText, Bool.random(using: &random) {
                self.changeText(&bytes, &random)
            } else {
                self.changeBytes(&bytes, &random)
            }
        }
        if bytes.count > self.limit { bytes.removeLast(bytes.count - self.limit) }
        return bytes
    }

    private func changeBytes(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        guard !bytes.isEmpty else { return bytes = random.bytes(Int.random(in: 1...32, using: &random)) }
        let position = Int.random(in: 0..<bytes.count, using: &random)
        let length = Int.random(in: 1...(1 << Int.random(in: 0...6, using: &random)), using: &random)
        let end = min(bytes.count, position + length)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
        case 2: bytes[position] = Self.interestingBytes.randomElement(using: &random) ?? 0
        case 3: bytes[position] &+= UInt8(truncatingIfNeeded: Int.random(in: -4...4, using: &random))
        case 4: bytes.removeSubrange(position..<end)
        case 5: bytes.insert(contentsOf: bytes[position..<end], at: position)
        case 6: bytes.insert(contentsOf: random.bytes(length), at: position)
        case 7: bytes.removeLast(bytes.count - position)
        case 8:
            let word = Self.interestingWords.randomElement(using: &random) ?? 0
            bytes[position] = UInt8(word >> 8)
            if position + 1 < bytes.count { bytes[position + 1] = UInt8(truncatingIfNeeded: word) }
        default:
            // The head of this one and the tail of another.
            guard let other = self.corpus.randomElement(using: &random), !other.isEmpty else { return }
            let cut = Int.random(in: 0..<other.count, using: &random)
            bytes = Array(bytes[..<position]) + other[cut...]
        }
    }

    private func changeText(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        if Bool.random(using: &random) {
            self.changeNumber(&bytes, &random)
            return
        }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let index = Int.random(in: 0..<lines.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: lines.remove(at: index)
        case 1: lines.insert(lines[index], at: Int.random(in: 0...lines.count, using: &random))
        case 2: lines.swapAt(index, Int.random(in: 0..<lines.count, using: &random))
        default: lines += lines[index...].prefix(20)
        }
        bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    private func changeNumber(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard !bytes.isEmpty else { return }
        let from = Int.random(in: 0..<bytes.count, using: &random)
        guard let start = bytes[from...].firstIndex(where: isDigit) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.endIndex
        let number = Self.interestingNumbers.randomElement(using: &random) ?? "0"
        bytes.replaceSubrange(start..<end, with: Array(number.utf8))
    }
}

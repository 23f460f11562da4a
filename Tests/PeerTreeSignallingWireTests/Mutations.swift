import TestSupport

/// Damages what was written, as somebody might who wants to do harm.
struct Mutations {
    private var random: SeededGenerator

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
    }

    mutating func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &random) }

    mutating func mutate(_ bytes: inout [UInt8], with other: [UInt8]) {
        guard !bytes.isEmpty else { return bytes = other }
        let place = upTo(bytes.count - 1)
        switch upTo(7) {
        case 0: bytes[place] ^= 1 << UInt8(upTo(7))
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes[place] = bytes[place] &+ (upTo(1) == 0 ? 1 : .max)
        case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + upTo(8)))
        case 5: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 1 + upTo(40))], at: place)
        case 6: bytes.removeLast(upTo(bytes.count))
        default:
            let cut = other.isEmpty ? 0 : upTo(other.count - 1)
            bytes.replaceSubrange(place..., with: other[cut...])
        }
    }
}

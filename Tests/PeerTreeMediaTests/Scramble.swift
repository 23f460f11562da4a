import TestSupport

/// Changes, inserts and removes bytes in up to twenty places.
func scramble(_ stream: inout [UInt8], _ random: inout SeededGenerator) {
    for _ in 0..<Int.random(in: 1...20, using: &random) {
        let index = Int.random(in: stream.indices, using: &random)
        switch Int.random(in: 0...3, using: &random) {
        case 0: stream[index] = UInt8.random(in: 0...255, using: &random)
        case 1: stream[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 2: stream.insert(contentsOf: [0xFF, 0xFF, 0xFF], at: index)
        default: stream.removeSubrange(index..<min(stream.count - 1, index + 9))
        }
        if stream.count < 2 { break }
    }
}

import TestSupport

/// Breeds inputs from a corpus: most are one small change away from a real message.
struct Mutator {
    private let corpus: [[UInt8]]
    private static let longest = 4096
    /// Bytes that mean something to one of the parsers.
    private static let meaningful =
        Array("0123456789:-/,\"\\{}[]bu%&=?.eE+".utf8) + [0, 1, 0x1E, 0x7F, 0x80, 0xC3, 0xED, 0xF4, 0xFF]

    init(corpus: [[UInt8]]) { self.corpus = corpus }

    func next(using random: inout SeededGenerator) -> [UInt8] {
        var input = corpus.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...4, using: &random) { mutate(&input, using: &random) }
        return input
    }

    private func mutate(_ input: inout [UInt8], using random: inout SeededGenerator) {
        let place = Int.random(in: 0...input.count, using: &random)
        let end = min(place + Int.random(in: 1...8, using: &random), input.count)
        switch Int.random(in: 0..<9, using: &random) {
        case 0 where place < input.count: input[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1 where place < input.count: input[place] = UInt8(truncatingIfNeeded: random.next())
        case 2 where place < input.count: input[place] = Self.meaningful.randomElement(using: &random) ?? 0
        case 3: input.insert(Self.meaningful.randomElement(using: &random) ?? 0, at: place)
        case 4: input.removeSubrange(place..<end)
        case 5: input.removeSubrange(place...)
        case 6 where input.count < Self.longest:
            let times = Int.random(in: 1...40, using: &random)
            for _ in 0..<times { input.insert(contentsOf: input[place..<end], at: place) }
        case 7:
            let other = corpus.randomElement(using: &random) ?? []
            let start = Int.random(in: 0...other.count, using: &random)
            input.replaceSubrange(place..., with: other[start...])
        default: input.append(contentsOf: random.bytes(Int.random(in: 1...4, using: &random)))
        }
        if input.count > Self.longest { input.removeSubrange(Self.longest...) }
    }
}

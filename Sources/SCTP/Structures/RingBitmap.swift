/// A set of numbers that lie within a window which only moves forward, one bit each.
///
/// Numbers are unwrapped sequence numbers. Whoever uses it keeps the window: it calls `reserve` before the window grows and
/// `remove` for what leaves it.
struct RingBitmap {
    /// A power of two of words, or none. Number n is bit n mod 64 of word n / 64 mod count.
    private var words: ContiguousArray<UInt64> = []

    private static let minimumWords = 4

    /// Makes room for all numbers of `window`, which contains every number that is in the set.
    mutating func reserve(_ window: ClosedRange<Int>) {
        let first = window.lowerBound >> 6
        let last = window.upperBound >> 6
        guard last - first >= self.words.count else { return }
        var count = max(Self.minimumWords, self.words.count * 2)
        while count <= last - first { count *= 2 }
        var grown = ContiguousArray<UInt64>(repeating: 0, count: count)
        if !self.words.isEmpty {
            for word in first..<(first + self.words.count) { grown[word & (count - 1)] = self.words[self.slot(word)] }
        }
        self.words = grown
    }

    /// Gives the memory back. The set has to be empty.
    mutating func reset() {
        self.words = []
    }

    func contains(_ number: Int) -> Bool {
        guard !self.words.isEmpty else { return false }
        return self.words[self.slot(number >> 6)] & (1 << UInt64(number & 63)) != 0
    }

    mutating func insert(_ number: Int) {
        self.words[self.slot(number >> 6)] |= 1 << UInt64(number & 63)
    }

    mutating func remove(_ number: Int) {
        guard !self.words.isEmpty else { return }
        self.words[self.slot(number >> 6)] &= ~(1 << UInt64(number & 63))
    }

    mutating func remove(_ range: Range<Int>) {
        guard !range.isEmpty, !self.words.isEmpty else { return }
        Self.forEachWord(of: range) { word, mask in self.words[self.slot(word)] &= ~mask }
    }

    /// Calls `body` with every number of `range` that is not in the set, in order. Skips whole words.
    func forEachMissing(in range: Range<Int>, _ body: (Int) -> Void) {
        Self.forEachWord(of: range) { word, mask in
            var missing = mask & ~(self.words.isEmpty ? 0 : self.words[self.slot(word)])
            while missing != 0 {
                body(word << 6 + missing.trailingZeroBitCount)
                missing &= missing - 1
            }
        }
    }

    /// The first number of `range` that is in the set.
    func firstMember(in range: Range<Int>) -> Int? { self.first(in: range, inverted: false) }

    /// The first number of `range` that is not in the set.
    func firstMissing(in range: Range<Int>) -> Int? { self.first(in: range, inverted: true) }

    private func first(in range: Range<Int>, inverted: Bool) -> Int? {
        guard !range.isEmpty else { return nil }
        guard !self.words.isEmpty else { return inverted ? range.lowerBound : nil }
        let last = (range.upperBound - 1) >> 6
        var word = range.lowerBound >> 6
        var mask = ~UInt64(0) << UInt64(range.lowerBound & 63)
        while word <= last {
            let bits = (inverted ? ~self.words[self.slot(word)] : self.words[self.slot(word)]) & mask
            if bits != 0 {
                let number = word << 6 + bits.trailingZeroBitCount
                return number < range.upperBound ? number : nil
            }
            mask = ~0
            word += 1
        }
        return nil
    }

    private func slot(_ word: Int) -> Int { word & (self.words.count - 1) }

    private static func forEachWord(of range: Range<Int>, _ body: (_ word: Int, _ mask: UInt64) -> Void) {
        guard !range.isEmpty else { return }
        let last = (range.upperBound - 1) >> 6
        for word in (range.lowerBound >> 6)...last {
            var mask = ~UInt64(0)
            if word == range.lowerBound >> 6 { mask &= ~0 << UInt64(range.lowerBound & 63) }
            if word == last { mask &= ~0 >> UInt64(63 - (range.upperBound - 1) & 63) }
            body(word, mask)
        }
    }
}

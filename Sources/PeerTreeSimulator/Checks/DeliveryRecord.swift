package import PeerTreeCore

/// What one application got, checked as it comes: every message as the source wrote it, in order, and whatever is left
/// out is reported as a gap before the next message comes.
package struct DeliveryRecord {
    /// Where every message began that was delivered, in order, retained ones from before the start included.
    package private(set) var sequences: [UInt64] = []
    /// The message that came last.
    package private(set) var newest: Message<SimulatedBuffer>?
    /// Gaps reported, in order.
    package private(set) var gaps: [Gap] = []
    /// Where the next message begins; nil until the first one has come, and after the stream was replaced.
    package private(set) var expected: UInt64?
    /// Where every message began that was delivered since ``forget()``. Only looked up.
    private var delivered: Set<UInt64> = []
    /// How many of ``gaps`` are older than ``forget()``.
    private var forgottenGaps = 0

    package init() {}

    /// Begins anew: what comes first from here on may begin anywhere.
    mutating func forget() {
        expected = nil
        delivered.removeAll()
        forgottenGaps = gaps.count
    }

    func has(_ sequence: UInt64) -> Bool { delivered.contains(sequence) }

    /// Gaps since ``forget()``.
    var recentGaps: ArraySlice<Gap> { gaps[forgottenGaps...] }

    /// Takes a message; what is wrong with it or its place, or nil.
    mutating func deliver(_ message: Message<SimulatedBuffer>, _ log: inout SourceLog) -> String? {
        sequences.append(message.sequence)
        newest = message
        if let fault = log.fault(in: message) { return fault }
        if message.retainedKey != nil, expected.map({ message.sequence < $0 }) ?? true {
            // A newcomer gets it before the stream. If it is the stream's first, nothing before it is waited for.
            delivered.insert(message.sequence)
            return nil
        }
        delivered.insert(message.sequence)
        if let expected, message.sequence != expected {
            return message.sequence < expected
                ? "the message at \(message.sequence) came after everything below \(expected)"
                : "nothing came for \(expected) to \(message.sequence), and no gap was reported"
        }
        expected = log.boundary(from: message.lastSequence + 1)
        return nil
    }

    /// Takes a gap; what is wrong with it, or nil.
    mutating func report(_ gap: Gap, _ log: SourceLog) -> String? {
        gaps.append(gap)
        guard let range = gap.range else {
            expected = nil
            return nil
        }
        guard let expected else { return nil }
        guard range.end > expected else { return "a gap is reported that ends at \(range.end), before \(expected)" }
        if let index = log.index(of: expected), log.entries[index].lastSequence < range.start {
            return "nothing came for \(expected) to \(range.start), and the gap reported begins behind"
        }
        self.expected = log.boundary(from: range.end)
        return nil
    }

    /// The messages of the source from `first` on, whose delivery or loss nobody spoke of.
    func unaccounted(in log: SourceLog, from first: Int) -> [Int] {
        guard !recentGaps.contains(where: { $0.range == nil }) else { return [] }
        return log.entries.indices.dropFirst(first).filter { index in
            let entry = log.entries[index]
            return !delivered.contains(entry.sequence)
                && !recentGaps.contains { gap in
                    gap.range.map { $0.start <= entry.lastSequence && entry.sequence < $0.end } ?? true
                }
        }
    }
}

import PeerTreeCore
import TestSupport

/// Everything the source wrote, and where it lies in the stream: what deliveries are compared with.
///
/// What a message consists of follows from its number, so a byte that is forged or in the wrong place is seen.
struct SourceLog {
    struct Entry {
        /// The message's first and last chunk of data.
        let sequence: UInt64
        let lastSequence: UInt64
        let bytes: [UInt8]
        let at: Instant
        /// The parts in which it was delivered before, known to be right: whoever gets the same memory has the same
        /// bytes.
        var verified: [SimulatedBuffer] = []
    }

    private(set) var entries: [Entry] = []
    private(set) var nextSequence: UInt64 = 0
    /// How many bytes of a message one chunk carries.
    var maximumPayload = ChunkHeader.maximumPayload
    /// How many chunks make a row with parity; 0 if there are no rows.
    var rowWidth = 0
    /// Only looked up.
    private var indexOfSequence: [UInt64: Int] = [:]

    /// The payload of the next message.
    func nextPayload(_ count: Int) -> [UInt8] {
        Self.payload(of: UInt64(entries.count), count)
    }

    private static func payload(of number: UInt64, _ count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: number)
        return Array(unsafeUninitializedCapacity: count + 8) { buffer, initialized in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for offset in stride(from: 0, to: count, by: 8) {
                bytes.storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
            }
            initialized = count
        }
    }

    mutating func append(_ bytes: [UInt8], at now: Instant) {
        let chunks =
            rowWidth > 0 ? codedCount(bytes.count) : max(1, (bytes.count + maximumPayload - 1) / maximumPayload)
        let end = nextSequence + UInt64(chunks)
        indexOfSequence[nextSequence] = entries.count
        let last = rowWidth > 0 ? end - 2 : end - 1
        entries.append(Entry(sequence: nextSequence, lastSequence: last, bytes: bytes, at: now))
        nextSequence = end
    }

    /// A message takes whole rows. In a chunk of parity there are, before what is combined of the payloads, the lengths and
    /// the headers.
    private func codedCount(_ bytes: Int) -> Int {
        let perRow = (rowWidth - 1) * (maximumPayload - ChunkHeader.length - 2)
        return max(1, (bytes + perRow - 1) / perRow) * rowWidth
    }

    /// The stream's end is a chunk too.
    mutating func finish() {
        nextSequence += 1
    }

    /// Which message has these bytes, of those from `first` on.
    func index(of bytes: ArraySlice<UInt8>, from first: Int) -> Int? {
        entries[min(first, entries.count)...].firstIndex { $0.bytes[...] == bytes }
    }

    func index(of sequence: UInt64) -> Int? { indexOfSequence[sequence] }

    /// Where the first message begins that begins at `sequence` or behind it.
    func boundary(from sequence: UInt64) -> UInt64 {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low < entries.count ? entries[low].sequence : max(nextSequence, sequence)
    }

    /// What is wrong with a delivered message; nil if the source wrote it just so.
    mutating func fault(in message: Message<SimulatedBuffer>) -> String? {
        guard let index = indexOfSequence[message.sequence] else {
            return "no message of the source begins at \(message.sequence)"
        }
        let entry = entries[index]
        guard entry.lastSequence == message.lastSequence else {
            return "message \(index) ends at \(message.lastSequence) instead of \(entry.lastSequence)"
        }
        let isKnown =
            entry.verified.count == message.parts.count
            && zip(entry.verified, message.parts).allSatisfy { $0.isSameStorage(as: $1) }
        if isKnown { return nil }
        guard Self.isEqual(entry.bytes, message.parts) else {
            return "message \(index) has bytes that the source did not write"
        }
        if entry.verified.isEmpty { entries[index].verified = message.parts }
        return nil
    }

    private static func isEqual(_ whole: [UInt8], _ parts: [SimulatedBuffer]) -> Bool {
        guard parts.reduce(0, { $0 + $1.count }) == whole.count else { return false }
        var offset = 0
        for part in parts {
            guard part.bytes == whole[offset..<offset + part.count] else { return false }
            offset += part.count
        }
        return true
    }
}

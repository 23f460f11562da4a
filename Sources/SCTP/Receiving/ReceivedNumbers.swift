/// Which TSNs have come: the cumulative one, those beyond it, and those that came twice.
struct ReceivedNumbers {
    /// All up to this one have come, or need not come any more.
    private(set) var cumulative: Int
    /// The highest that has come.
    private(set) var highest: Int
    private(set) var duplicates: [UInt32] = []
    private var beyond = RingBitmap()

    /// What gap offsets of 16 bits can say.
    static let maximumOffset = 65_535
    private static let maximumDuplicates = 32

    init(initialTSN: UInt32) {
        self.cumulative = SequenceNumber.initial(initialTSN) - 1
        self.highest = self.cumulative
    }

    var hasGaps: Bool { self.highest > self.cumulative }

    enum Arrival: Equatable {
        case new
        case duplicate
        /// Too far ahead to be acknowledged.
        case tooFar
    }

    func judge(_ tsn: Int) -> Arrival {
        if tsn <= self.cumulative || (tsn <= self.highest && self.beyond.contains(tsn)) { return .duplicate }
        return tsn - self.cumulative > Self.maximumOffset ? .tooFar : .new
    }

    mutating func noteDuplicate(_ tsn: UInt32) {
        if self.duplicates.count < Self.maximumDuplicates { self.duplicates.append(tsn) }
    }

    /// Takes a new TSN.
    mutating func insert(_ tsn: Int) {
        if tsn == self.cumulative + 1, tsn > self.highest {
            self.cumulative = tsn
            self.highest = tsn
            return
        }
        self.highest = max(self.highest, tsn)
        self.beyond.reserve((self.cumulative + 1)...self.highest)
        self.beyond.insert(tsn)
        if tsn == self.cumulative + 1 { self.advance(to: tsn) }
    }

    /// The other side will not send what is missing up to `tsn`.
    mutating func skip(to tsn: Int) {
        guard tsn > self.cumulative else { return }
        self.advance(to: tsn)
    }

    private mutating func advance(to tsn: Int) {
        let old = self.cumulative
        if tsn >= self.highest {
            self.cumulative = tsn
        } else {
            self.cumulative = (self.beyond.firstMissing(in: (tsn + 1)..<(self.highest + 1)) ?? self.highest + 1) - 1
        }
        let end = min(self.cumulative, self.highest)
        if end > old { self.beyond.remove((old + 1)..<(end + 1)) }
        self.highest = max(self.highest, self.cumulative)
        if !self.hasGaps { self.beyond.reset() }
    }

    /// Writes the end of a SACK: as many gap blocks and duplicates as there is room for. Forgets the duplicates.
    mutating func writeSelectiveAcknowledgement(window: Int, into writer: inout PacketWriter) {
        writer.beginChunk(ChunkType.selectiveAcknowledgement)
        writer.write(UInt32(truncatingIfNeeded: self.cumulative))
        writer.write(UInt32(clamping: window))
        let counts = writer.count
        writer.write(UInt32(0))
        let gaps = self.writeGaps(into: &writer)
        let count = min(self.duplicates.count, writer.room / 4)
        for duplicate in self.duplicates.prefix(count) { writer.write(duplicate) }
        writer.patch(UInt16(truncatingIfNeeded: gaps), at: counts)
        writer.patch(UInt16(truncatingIfNeeded: count), at: counts + 2)
        writer.endChunk()
        self.duplicates.removeAll(keepingCapacity: true)
    }

    private func writeGaps(into writer: inout PacketWriter) -> Int {
        guard self.hasGaps else { return 0 }
        var gaps = 0
        var from = self.cumulative + 1
        let end = self.highest + 1
        while writer.room >= 4, let start = self.beyond.firstMember(in: from..<end) {
            from = self.beyond.firstMissing(in: start..<end) ?? end
            writer.write(UInt16(truncatingIfNeeded: start - self.cumulative))
            writer.write(UInt16(truncatingIfNeeded: from - 1 - self.cumulative))
            gaps += 1
        }
        return gaps
    }
}

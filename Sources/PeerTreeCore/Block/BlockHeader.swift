/// What the source says of a block beside the chunks in it. A block is what it closes at once: a message, a part of a
/// large one, or several small ones.
package struct BlockHeader: Hashable, Sendable {
    /// How long it is in what a source signs, in bytes.
    static let length = 46
    /// The most chunks of a block: of full size they make a little less than 1 MiB.
    package static let maximumCount: UInt16 = 64

    /// Which stream the block belongs to.
    package var streamID: SignedStreamID
    /// Counted from 0 without gaps.
    package var number: UInt64
    /// The sequence number of the first chunk; the others follow it.
    package var firstSequence: UInt64
    /// That of the first chunk, as the two below.
    package var timestamp: UInt64
    /// How many chunks there are, 1 to ``maximumCount``.
    package var count: UInt16
    /// The marks of the first chunk.
    package var flags: ChunkHeader.Flags
    /// Under which key the message is retained; 0 without ``ChunkHeader/Flags/retained``.
    package var retainedKey: UInt16

    /// The header of a block that begins with this chunk.
    package init(streamID: SignedStreamID, number: UInt64, first: ChunkHeader, count: UInt16) {
        self.streamID = streamID
        self.number = number
        firstSequence = first.sequence
        timestamp = first.timestamp
        self.count = count
        flags = first.flags
        retainedKey = first.retainedKey
    }

    /// What of it a source signs; on the wire it is shorter.
    func write(to writer: inout WireWriter) {
        streamID.write(to: &writer)
        writer.uint64(number)
        writer.uint64(firstSequence)
        writer.uint64(timestamp)
        writer.uint16(count)
        writer.uint16(flags.rawValue)
        writer.uint16(retainedKey)
    }

    /// Where a chunk stands in the block; nil if it is none of it.
    package func index(of chunk: ChunkHeader) -> Int? {
        guard chunk.sequence >= firstSequence, chunk.sequence - firstSequence < UInt64(count) else { return nil }
        let index = Int(chunk.sequence - firstSequence)
        let agrees = chunk.timestamp == timestamp && chunk.flags == flags && chunk.retainedKey == retainedKey
        return index > 0 || agrees ? index : nil
    }

    /// Whether it can hold rows of so many chunks, all of them whole; 0 is for chunks of none.
    func hasWholeRows(of width: UInt8) -> Bool {
        width == 0 || (firstSequence % UInt64(width) == 0 && count % UInt16(width) == 0)
    }

    /// Whether a source can have written it.
    var isPossible: Bool {
        count > 0 && count <= Self.maximumCount && number <= firstSequence
            && firstSequence < ChunkHeader.sequenceLimit - UInt64(Self.maximumCount)
    }
}

/// What tells a signed or sealed stream from every other, of the same source, too: 128 random bits.
package struct SignedStreamID: Hashable, Sendable {
    /// The first eight bytes.
    package var high: UInt64
    /// The last eight.
    package var low: UInt64

    /// Makes it of both.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ reader: inout WireReader) {
        high = reader.uint64()
        low = reader.uint64()
    }

    func write(to writer: inout WireWriter) {
        writer.uint64(high)
        writer.uint64(low)
    }
}

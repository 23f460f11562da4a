/// Chunks that follow each other, one of each stripe, of which the last is the parity of the others: any one of them can be
/// missing. A message that is coded takes whole rows.
package struct Row: Equatable, Sendable {
    /// The number of its first chunk.
    package let start: UInt64
    /// How many chunks it has, parity included.
    package let width: UInt8

    /// How many chunks a row may have: as many as the stream has stripes.
    package static let widths: ClosedRange<UInt8> = 2...ChunkHeader.maximumStripes

    /// The row that a chunk is of; nil if it is of none.
    package init?(of header: ChunkHeader) {
        guard header.rowWidth > 0 else { return nil }
        width = header.rowWidth
        start = header.sequence - header.sequence % UInt64(header.rowWidth)
    }

    /// The number of the chunk that is parity.
    package var parity: UInt64 { start + UInt64(width) - 1 }

    /// The numbers of all of its chunks.
    var sequences: ClosedRange<UInt64> { start...parity }

    /// Where in the row the chunk with this number stands, which is of the row.
    func place(of sequence: UInt64) -> Int { Int(sequence - start) }
}

extension ChunkHeader {
    /// Whether the chunk carries nothing of a message, but what gives back another one of its row.
    package var isParity: Bool { Row(of: self)?.parity == sequence }
}

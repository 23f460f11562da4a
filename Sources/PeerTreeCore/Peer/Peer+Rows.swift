// Streams with parity: what one stripe lacks the others give back.

extension Peer {
    /// With all chunks of a row here but one, that one is here, too: for this peer and for its children, who cannot tell it
    /// from what came.
    ///
    /// - Returns: the stripe that did not have to bring it; nil if there was none.
    mutating func completeRow(of header: ChunkHeader) -> UInt8? {
        guard let row = Row(of: header), stream.policy != .lossless else { return nil }
        switch stream.replay.completion(of: row, isSigned: needsProof) {
        case .none:
            return nil
        case .contradiction:
            counters.contradictions += 1
            return nil
        case .chunk(let chunk):
            guard case .inserted = stream.replay.insert(chunk) else { return nil }
            counters.chunksRebuilt += 1
            finishFetches(with: chunk.header.sequence)
            return chunk.header.stripe
        }
    }
}

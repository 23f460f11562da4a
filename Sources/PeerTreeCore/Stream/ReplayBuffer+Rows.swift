// The chunk that a row lacks, from the others.

extension ReplayBuffer {
    enum Completion {
        /// Nothing is missing, or more than one chunk.
        case none
        /// This is the one that was missing.
        case chunk(Chunk)
        /// The others do not belong together: who wrote them made a mistake, or it was several who did.
        case contradiction
    }

    /// Gives back what a row lacks, if it is one chunk.
    ///
    /// - Parameter isSigned: whether the frames are proven; that of the chunk is, too, then.
    func completion(of row: Row, isSigned: Bool) -> Completion {
        var missing: UInt64?
        var held: [Chunk] = []
        for sequence in row.sequences {
            if let chunk = self[sequence] {
                held.append(chunk)
            } else if missing == nil {
                missing = sequence
            } else {
                return .none
            }
        }
        guard let missing, missing >= start else { return .none }
        guard held.allSatisfy({ Row(of: $0.header) == row }),
            let (header, payload) = missing == row.parity
                ? Self.parity(of: held) : Self.data(missing, of: row, from: held)
        else { return .contradiction }
        let prefix = isSigned ? Self.proof(of: header, payload, in: row, with: held) : header.encoded()
        guard let prefix else { return .contradiction }
        let frame = Buffer(header: prefix, payload: payload)
        return .chunk(Chunk(header: header, frame: frame, payloadOffset: prefix.count))
    }

    private static func parity(of data: [Chunk]) -> (header: ChunkHeader, payload: Buffer)? {
        guard var header = data.last?.header else { return nil }
        header.sequence += 1
        header.stripe += 1
        header.fragment = header.fragment.addingReportingOverflow(1).partialValue
        header.flags.remove(.first)
        var parity = Parity()
        for chunk in data { parity.add(chunk.header, chunk.payload) }
        return (header, Buffer(bytes: parity.bytes))
    }

    /// - Parameter others: all but one; the last one is the parity.
    private static func data(
        _ sequence: UInt64,
        of row: Row,
        from others: [Chunk]
    ) -> (header: ChunkHeader, payload: Buffer)? {
        var parity = Parity()
        for chunk in others {
            if chunk.header.isParity {
                parity.add(parity: chunk.payload)
            } else {
                parity.add(chunk.header, chunk.payload)
            }
        }
        guard let entry: (header: ChunkHeader, payload: Buffer) = parity.entry(), entry.header.sequence == sequence,
            Row(of: entry.header) == row
        else { return nil }
        return entry
    }

    /// What stands before the payload of a proven chunk: with all leaves of its row there is its path, of which the part
    /// above the row is that of the others.
    private static func proof(
        of header: ChunkHeader,
        _ payload: Buffer,
        in row: Row,
        with others: [Chunk]
    ) -> [UInt8]? {
        guard let sibling = others.first, let (known, _) = try? SignedChunk.decode(sibling.frame) else { return nil }
        var leaves = others.map { $0.header.leaf($0.payload) }
        let place = row.place(of: header.sequence)
        leaves.insert(header.leaf(payload), at: place)
        let tree = MerkleTree(leaves: leaves, hash: Buffer.hash)
        let within = BlockTree.lengthWithinRow(to: row.place(of: known.header.sequence), rowWidth: row.width)
        guard known.path.count >= within,
            tree.path(to: row.place(of: known.header.sequence)) == Array(known.path.prefix(within))
        else { return nil }
        let path = tree.path(to: place) + known.path.dropFirst(within)
        return SignedChunk(header: header, block: known.block, signature: known.signature, path: path).encoded()
    }
}

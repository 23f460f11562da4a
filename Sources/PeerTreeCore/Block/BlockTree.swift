/// The Merkle tree over the chunks of a block. Where they are cut into rows it is a tree over the roots of the rows: so who
/// has all chunks of a row but one can prove the one, too.
package struct BlockTree {
    private let rows: [MerkleTree]
    private let top: MerkleTree
    private let width: Int

    /// - Parameters:
    ///   - leaves: of the chunks, of which there is at least one.
    ///   - rowWidth: ``ChunkHeader/rowWidth`` of all of them; if it is not 0, so many make a row, and all rows are whole.
    ///   - hash: SHA-256.
    init(leaves: [Hash256], rowWidth: UInt8, hash: ([UInt8]) -> Hash256) {
        let width = rowWidth > 0 ? Int(rowWidth) : 1
        rows = stride(from: 0, to: leaves.count, by: width).map { start in
            MerkleTree(leaves: Array(leaves[start..<min(start + width, leaves.count)]), hash: hash)
        }
        top = MerkleTree(leaves: rows.compactMap { $0.root }, hash: hash)
        self.width = width
    }

    /// What is signed of the chunks; nil if there are none.
    var root: Hash256? { top.root }

    /// From a chunk to the root.
    func path(to index: Int) -> [Hash256] {
        rows[index / width].path(to: index % width) + top.path(to: index / width)
    }

    /// How many hashes of a path lead to the root of the chunk's row.
    static func lengthWithinRow(to index: Int, rowWidth: UInt8) -> Int {
        rowWidth > 0 ? MerkleTree.pathLength(to: index % Int(rowWidth), of: Int(rowWidth)) : 0
    }

    /// How many hashes a path has.
    static func pathLength(to index: Int, of count: Int, rowWidth: UInt8) -> Int {
        let width = rowWidth > 0 ? Int(rowWidth) : 1
        return lengthWithinRow(to: index, rowWidth: rowWidth)
            + MerkleTree.pathLength(to: index / width, of: count / width)
    }

    /// The root of the block that has a chunk at this place, if the path is true.
    ///
    /// - Returns: nil for a path that is too short or too long for the place.
    static func root(
        over leaf: Hash256,
        at index: Int,
        of count: Int,
        rowWidth: UInt8,
        by path: [Hash256],
        hash: ([UInt8]) -> Hash256
    ) -> Hash256? {
        guard rowWidth > 0 else { return MerkleTree.root(over: leaf, at: index, of: count, by: path, hash: hash) }
        let width = Int(rowWidth)
        let inner = Array(path.prefix(lengthWithinRow(to: index, rowWidth: rowWidth)))
        guard let row = MerkleTree.root(over: leaf, at: index % width, of: width, by: inner, hash: hash) else {
            return nil
        }
        let outer = Array(path.dropFirst(inner.count))
        return MerkleTree.root(over: row, at: index / width, of: count / width, by: outer, hash: hash)
    }
}

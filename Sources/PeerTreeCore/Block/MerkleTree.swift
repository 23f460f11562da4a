/// The hashes over a list of entries, by which each of them can be shown to belong to it (RFC 9162, section 2.1).
///
/// Level by level two neighbours make a node, and one that has no neighbour on its right goes up as it is: that is the
/// standard's tree, which splits a list at the largest power of two below its length.
package struct MerkleTree {
    /// From the leaves up to the root.
    private let levels: [[Hash256]]

    /// Makes the tree over entries, of which there is at least one.
    ///
    /// - Parameters:
    ///   - leaves: the ``leaf(_:)`` of each.
    ///   - hash: SHA-256; the core's own by default.
    package init(leaves: [Hash256], hash: ([UInt8]) -> Hash256 = SHA256Hasher.hash) {
        var levels = [leaves]
        while var level = levels.last, level.count > 1 {
            let unpaired = level.count % 2 == 1 ? level.removeLast() : nil
            var above = stride(from: 0, to: level.count, by: 2).map { Self.node(level[$0], level[$0 + 1], hash) }
            if let unpaired { above.append(unpaired) }
            levels.append(above)
        }
        self.levels = levels
    }

    /// The hash that stands for the whole list; nil if it is empty.
    package var root: Hash256? { levels.last?.first }

    /// What has to be known beside an entry to come to the root, from the bottom up.
    package func path(to index: Int) -> [Hash256] {
        var path: [Hash256] = []
        var position = index
        for level in levels {
            let neighbour = position ^ 1
            if level.indices.contains(neighbour) { path.append(level[neighbour]) }
            position >>= 1
        }
        return path
    }

    /// How many hashes a path has.
    package static func pathLength(to index: Int, of count: Int) -> Int {
        var length = 0
        var (position, last) = (index, count - 1)
        while last > 0 {
            if position & 1 == 1 || position < last { length += 1 }
            position >>= 1
            last >>= 1
        }
        return length
    }

    /// The root of the list that has an entry at this place, if the path is true.
    ///
    /// - Parameter hash: SHA-256; the core's own by default.
    /// - Returns: nil for a place that is not in the list, or a path that is too short or too long for it.
    package static func root(
        over leaf: Hash256,
        at index: Int,
        of count: Int,
        by path: [Hash256],
        hash: ([UInt8]) -> Hash256 = SHA256Hasher.hash
    ) -> Hash256? {
        guard index >= 0, index < count, path.count == pathLength(to: index, of: count) else { return nil }
        var node = leaf
        var (position, last) = (index, count - 1)
        for neighbour in path {
            // Whoever has no neighbour goes up as it is.
            while position & 1 == 0, position == last {
                position >>= 1
                last >>= 1
            }
            node = position & 1 == 1 ? Self.node(neighbour, node, hash) : Self.node(node, neighbour, hash)
            position >>= 1
            last >>= 1
        }
        return node
    }

    /// The hash of an entry. Its first byte is what no node's is, so that none can pass for the other.
    package static func leaf(_ entry: [UInt8]) -> Hash256 {
        SHA256Hasher.hash(leafPrefix + entry)
    }

    /// What stands before an entry.
    static var leafPrefix: [UInt8] { [0] }

    /// The hash of two neighbours.
    private static func node(_ left: Hash256, _ right: Hash256, _ hash: ([UInt8]) -> Hash256) -> Hash256 {
        var writer = WireWriter(capacity: 1 + 2 * Hash256.length)
        writer.uint8(1)
        writer.hash(left)
        writer.hash(right)
        return hash(writer.bytes)
    }
}

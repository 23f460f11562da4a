import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Merkle trees", .timeLimit(.minutes(5)))
struct MerkleTreeTests {
    /// The entries and roots that implementations of RFC 9162 and its predecessor test each other with.
    private static let entries = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    private static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    private static func known(_ count: Int) -> MerkleTree {
        MerkleTree(leaves: entries.prefix(count).map { MerkleTree.leaf(unhexed($0)) })
    }

    private static func leaves(_ count: Int) -> [Hash256] {
        (0..<count).map { MerkleTree.leaf([UInt8(truncatingIfNeeded: $0)]) }
    }

    @Test("Known lists have the known roots", arguments: 1...8)
    func knownRoots(count: Int) throws {
        let root = try #require(Self.known(count).root)
        #expect(hexadecimal(root.bytes) == Self.roots[count - 1])
    }

    @Test(
        "Known lists have the known paths",
        arguments: [
            (
                count: 8, index: 0,
                path: [
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ]
            ),
            (
                count: 8, index: 5,
                path: [
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ]
            ),
            (count: 3, index: 2, path: ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                count: 7, index: 6,
                path: [
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ]
            ),
        ]
    )
    func knownPaths(count: Int, index: Int, path: [String]) {
        #expect(Self.known(count).path(to: index).map { hexadecimal($0.bytes) } == path)
    }

    /// Computed by the standard's recursive definition in another language: one hash over the roots and all paths.
    @Test("Lists of 1 to 130 entries have the roots and paths of the standard's definition")
    func everyCount() throws {
        var all = SHA256Hasher()
        for count in 1...130 {
            let tree = MerkleTree(leaves: Self.leaves(count))
            all.update(try #require(tree.root).bytes)
            for index in 0..<count { for hash in tree.path(to: index) { all.update(hash.bytes) } }
        }
        #expect(hexadecimal(all.finish().bytes) == "6fae92d7ec5a7f50d8f2fe22a6a21734d934ec35176eafcbe32cec6ef34aa1a3")
    }

    @Test("Every path leads from its entry to the root, and has the length that its place says")
    func paths() {
        for count in 1...64 {
            let leaves = Self.leaves(count)
            let tree = MerkleTree(leaves: leaves)
            for index in 0..<count {
                let path = tree.path(to: index)
                #expect(path.count == MerkleTree.pathLength(to: index, of: count))
                #expect(MerkleTree.root(over: leaves[index], at: index, of: count, by: path) == tree.root)
            }
        }
    }

    @Test("So does every path through the tree of a block in rows, none longer than seven", arguments: Row.widths)
    func rows(width: UInt8) throws {
        var longest = 0
        for count in stride(from: Int(width), through: 64, by: Int(width)) {
            let leaves = Self.leaves(count)
            let tree = BlockTree(leaves: leaves, rowWidth: width, hash: SHA256Hasher.hash)
            for index in 0..<count {
                let path = tree.path(to: index)
                #expect(path.count == BlockTree.pathLength(to: index, of: count, rowWidth: width))
                longest = max(longest, path.count)
                func root(at place: Int, by path: [Hash256]) -> Hash256? {
                    BlockTree.root(
                        over: leaves[index],
                        at: place,
                        of: count,
                        rowWidth: width,
                        by: path,
                        hash: SHA256Hasher.hash
                    )
                }
                #expect(root(at: index, by: path) == tree.root)
                #expect(root(at: index, by: Array(path.dropLast())) != tree.root)
                #expect(root(at: index, by: path + [leaves[0]]) == nil)
                for other in 0..<count where other != index { #expect(root(at: other, by: path) != tree.root) }
            }
        }
        #expect(longest <= SignedChunk.maximumPathLength)
    }

    @Test("The longest path of all is as long as a chunk may bring")
    func longestPath() {
        let longest = Row.widths.map { width in
            BlockTree.pathLength(to: 0, of: 64 / Int(width) * Int(width), rowWidth: width)
        }
        #expect(longest.max() == SignedChunk.maximumPathLength)
    }

    @Test("No entry leads to the root from another place, in another list, by another path, or as another entry")
    func forgeries() {
        for count in 1...20 {
            let leaves = Self.leaves(count)
            let tree = MerkleTree(leaves: leaves)
            for index in 0..<count {
                let path = tree.path(to: index)
                func isTrue(_ leaf: Hash256, _ index: Int, _ count: Int, _ path: [Hash256]) -> Bool {
                    MerkleTree.root(over: leaf, at: index, of: count, by: path) == tree.root
                }
                for other in -1...count where other != index { #expect(!isTrue(leaves[index], other, count, path)) }
                #expect(!isTrue(MerkleTree.leaf([0xFF]), index, count, path))
                #expect(!isTrue(leaves[index], index, count, path + [leaves[0]]))
                for position in path.indices {
                    var damaged = path
                    damaged[position] = MerkleTree.leaf([0xFF])
                    #expect(!isTrue(leaves[index], index, count, damaged))
                    damaged.remove(at: position)
                    #expect(!isTrue(leaves[index], index, count, damaged))
                }
            }
        }
    }

    @Test("A node does not pass for an entry: a list is not the list of its own nodes")
    func secondPreimage() throws {
        let leaves = Self.leaves(2)
        let root = try #require(MerkleTree(leaves: leaves).root)
        #expect(MerkleTree.leaf(leaves[0].bytes + leaves[1].bytes) != root)
        #expect(MerkleTree(leaves: []).root == nil)
    }
}

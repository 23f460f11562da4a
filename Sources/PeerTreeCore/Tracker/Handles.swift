/// Names one tree of a ``Tracker``.
///
/// The generation grows each time the tracker reuses the index, so a handle kept too long is refused, never mistaken
/// for the tree that came after.
public struct TreeHandle: Hashable, Sendable {
    /// The tree's place in the tracker's table.
    public let index: UInt32
    /// How often that place was given away before.
    public let generation: UInt32
}

/// Names one peer's membership in one tree of a ``Tracker``.
///
/// A peer that leaves and joins again gets a new handle; a peer that discovers its own tree again keeps the one it has.
public struct PeerHandle: Hashable, Sendable {
    /// The tree the peer is in.
    public let tree: TreeHandle
    /// The peer's place in the tree's table; 0 is the source.
    public let index: UInt32
    /// How often that place was given away before.
    public let generation: UInt32

    /// Whether this is the source of its tree.
    public var isSource: Bool { index == 0 }

    /// Handles are the keys of most tables: one number is hashed faster than four, and those with other generations are seldom
    /// in the same table.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(UInt64(tree.index) << 32 | UInt64(index))
    }
}

/// Why a ``Tracker`` refused an input. A refused input changed nothing.
public enum TrackerError: Error, Equatable, Sendable {
    /// The tree has ended or the handle was never given out.
    case unknownTree
    /// The peer has left, was removed, or the handle was never given out.
    case unknownPeer
    /// There are ``TrackerOptions/maximumTrees`` trees already.
    case tooManyTrees(limit: Int)
    /// The tree has ``TrackerOptions/maximumPeersPerTree`` peers already.
    case tooManyPeers(limit: Int)
    /// No peer within ``TrackerOptions/maximumDepth`` levels of the source has a free slot in more stripes than carry
    /// parity; or the last one is left, and the joiner brings none.
    case treeFull
    /// A tree has from 1 to `limit` stripes (``TrackerOptions/maximumStripes``).
    case stripesOutOfRange(limit: Int)
    /// Of the stripes of a tree none carries parity, or one if there are at least ``StripeLayout/fewestWithParity``.
    case parityOutOfRange(parity: Int, stripes: Int)
    /// The stripe does not exist in this tree.
    case unknownStripe
    /// The epoch is newer than any this peer was given.
    case unknownEpoch
    /// The source cannot be a viewer of its own tree.
    case sourceJoinsOwnTree
    /// The input is meaningless for a source: it has no parent.
    case sourceHasNoParent
    /// The peer named is not a child of the one that speaks.
    case notAChild
    /// There can be no such tree: peers that are not there are named, or are below themselves, or have more than they may.
    case unsoundSnapshot
}

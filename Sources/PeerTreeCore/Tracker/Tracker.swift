/// Decides who hangs under whom, in any number of trees.
///
/// A state machine without I/O. Call ``createTree(isNative:capacity:stripes:parity:at:)``,
/// ``join(_:isNative:capacity:isLeaf:origin:at:)`` and ``rejoin(_:at:)`` where an answer is needed at once, and
/// ``handle(_:at:)`` for everything else; after each of them drain ``nextOutput()`` until it returns nil, and call
/// ``handle(_:at:)`` with ``Input/deadlineReached`` when ``deadline`` has come. Time must not run backwards; if it does, the
/// latest time seen is used.
///
/// Every operation costs O(depth), whatever the size of the tree. Handles of trees and peers that are gone are refused.
public struct Tracker: Sendable {
    /// What may be reported to a tracker without an immediate answer.
    public enum Input: Equatable, Sendable {
        /// ``Tracker/deadline`` has come.
        case deadlineReached
        /// The peer leaves. If it is the source, its tree ends.
        case leave(PeerHandle)
        /// The peer's signalling socket is gone without a word. A native peer keeps its place for a while.
        case signallingLost(PeerHandle)
        /// Whether the peer's signalling socket is still there cannot be told. It keeps its place, for as long as that takes, and
        /// gets no new children.
        case signallingUnreachable(PeerHandle)
        /// The peer's signalling socket is back.
        case signallingResumed(PeerHandle)
        /// The source, whose signalling socket is gone, was heard of by another way: its tree goes on as if the socket was gone
        /// only since now. A source that has its socket is none of this.
        case sourceHeard(PeerHandle)
        /// The peer's link to the parent of `epoch` is open. An old epoch is ignored.
        case attached(PeerHandle, stripe: Int, epoch: UInt32)
        /// The peer lost the parent of `epoch`. An old epoch is answered with the current assignment.
        case orphaned(PeerHandle, stripe: Int, epoch: UInt32, reason: LossReason)
        /// The peer lost the parent of `epoch` and has turned to its standby. It may stay there, or gets another parent.
        case promoted(PeerHandle, stripe: Int, epoch: UInt32, reason: LossReason, standby: PeerHandle)
        /// The peer lost the link to one of its children.
        case childLost(PeerHandle, child: PeerHandle, stripe: Int, reason: LossReason = .closed)
        /// The operator ends the tree.
        case endTree(TreeHandle)
    }

    var context: TrackerContext
    var trees: [BroadcastTree] = []
    private var freeTrees: [UInt32] = []

    /// A tracker without trees.
    public init(options: TrackerOptions = TrackerOptions()) {
        context = TrackerContext(options: options)
    }

    /// What the tracker has done so far.
    public var statistics: TrackerStatistics { context.statistics }

    /// The options the tracker was made with.
    public var options: TrackerOptions { context.options }

    /// The number of trees that are not over.
    public var treeCount: Int { trees.count - freeTrees.count - context.endingTrees.count }

    /// When to call ``handle(_:at:)`` again at the latest, or nil if nothing is pending.
    public var deadline: Instant? { context.timers.deadline }

    /// Begins a tree and returns its source.
    ///
    /// - Parameters:
    ///   - isNative: Whether the source speaks our protocol, so that it can come back under a new socket.
    ///   - capacity: Children the source offers to serve with the whole stream; nil for
    ///     ``TrackerOptions/childrenOfSource``. At least 1, and at most the larger of that default and the upper
    ///     ``TrackerOptions/capacityBounds``.
    ///   - stripes: The number of stripes. A source that serves fewer children than that gets fewer: see ``layout(of:)``.
    ///   - parity: How many of them carry the parity of the others, 0 or 1. With 1 the stream is not dealt at all where there
    ///     is a single stripe left, or viewers serve a single child (``TrackerOptions/childrenPerPeer``).
    /// - Throws: ``TrackerError/tooManyTrees(limit:)``, ``TrackerError/stripesOutOfRange(limit:)``,
    ///   ``TrackerError/parityOutOfRange(parity:stripes:)``.
    public mutating func createTree(
        isNative: Bool,
        capacity: Int? = nil,
        stripes: Int = 1,
        parity: Int = 0,
        at now: Instant
    ) throws(TrackerError) -> PeerHandle {
        let children = sourceChildren(capacity)
        let layout = try layout(stripes: stripes, parity: parity, ofSourceWith: children)
        let index = try makeRoom(at: now)
        trees[index].begin(isNative: isNative, children: children, layout: layout, at: context.now)
        context.statistics.treesCreated += 1
        return trees[index].handle(of: SpanningTree.source)
    }

    /// Takes an entry of the table for a new tree.
    mutating func makeRoom(at now: Instant) throws(TrackerError) -> Int {
        advance(to: now)
        guard treeCount < options.maximumTrees else { throw .tooManyTrees(limit: options.maximumTrees) }
        if let free = freeTrees.popLast() { return Int(free) }
        trees.append(BroadcastTree(index: UInt32(truncatingIfNeeded: trees.count), generation: 0))
        return trees.count - 1
    }

    /// Gives an entry of the table back.
    mutating func free(_ index: Int) { freeTrees.append(UInt32(truncatingIfNeeded: index)) }

    /// How many children a source serves that declares `capacity`.
    func sourceChildren(_ capacity: Int?) -> Int {
        let most = max(options.childrenOfSource, options.capacityBounds.upperBound)
        return min(max(capacity ?? options.childrenOfSource, 1), min(most, Int(UInt16.max)))
    }

    /// The layout that a source is granted which asks for so many stripes and serves `children`.
    ///
    /// - Throws: as ``createTree(isNative:capacity:stripes:parity:at:)``.
    public func layout(
        stripes: Int,
        parity: Int,
        ofSourceWith children: Int
    ) throws(TrackerError) -> StripeLayout {
        try checkedLayout(stripes: stripes, parity: parity)
            .reduced(toSourceWith: children, childrenPerPeer: options.childrenPerPeer)
    }

    /// A layout that trees of this tracker may have.
    func checkedLayout(stripes: Int, parity: Int) throws(TrackerError) -> StripeLayout {
        let limit = min(options.maximumStripes, StripeLayout.most)
        guard stripes >= 1, stripes <= limit else { throw .stripesOutOfRange(limit: limit) }
        guard parity == 0 || (parity == 1 && stripes >= StripeLayout.fewestWithParity) else {
            throw .parityOutOfRange(parity: parity, stripes: stripes)
        }
        return StripeLayout(stripes: stripes, parity: parity)
    }

    /// Adds a viewer to a tree; where it hangs is in ``assignment(of:stripe:)``, and not announced by an output.
    ///
    /// - Parameters:
    ///   - capacity: Children the viewer offers to serve with the whole stream; nil for
    ///     ``TrackerOptions/childrenPerPeer``, and always that for legacy peers. In a tree of several stripes it takes
    ///     `capacity` times the number of stripes without parity in one of them, and none in the others; a legacy peer
    ///     takes none there, and has a single parent for all stripes.
    ///   - isLeaf: Whether it gets no children, whatever it offers.
    ///   - origin: Stands for the network address it comes from; nil if that is unknown. Votes are counted by it, too.
    /// - Throws: ``TrackerError/unknownTree``, ``TrackerError/tooManyPeers(limit:)``, ``TrackerError/treeFull``.
    public mutating func join(
        _ tree: TreeHandle,
        isNative: Bool,
        capacity: Int? = nil,
        isLeaf: Bool = false,
        origin: UInt64? = nil,
        at now: Instant
    ) throws(TrackerError) -> PeerHandle {
        advance(to: now)
        let index = try liveIndex(of: tree)
        var slots = options.childrenPerPeer
        if isNative, let capacity {
            slots = min(max(capacity, options.capacityBounds.lowerBound), options.capacityBounds.upperBound)
        }
        if isLeaf { slots = 0 }
        let peer = try trees[index].join(isNative: isNative, capacity: slots, origin: origin, &context)
        return trees[index].handle(of: peer)
    }

    /// A viewer discovers its own tree again. It keeps its subtree and the capacity it declared first; its parent too,
    /// unless that one evidently does not serve it. Its new epoch is in ``assignment(of:stripe:)``.
    ///
    /// - Throws: ``TrackerError/unknownTree``, ``TrackerError/unknownPeer``, ``TrackerError/sourceJoinsOwnTree``.
    public mutating func rejoin(_ peer: PeerHandle, at now: Instant) throws(TrackerError) {
        advance(to: now)
        let (tree, index) = try locate(peer)
        try trees[tree].rejoin(index, &context)
    }

    /// Takes in what happened. An input that throws changed nothing.
    public mutating func handle(_ input: Input, at now: Instant) throws(TrackerError) {
        advance(to: now)
        switch input {
        case .deadlineReached:
            break
        case .leave(let peer):
            let (tree, index) = try locate(peer)
            if index == SpanningTree.source {
                trees[tree].end(.sourceLeft, &context)
            } else {
                trees[tree].removePeer(index, reason: .left, &context)
            }
        case .signallingLost(let peer):
            let (tree, index) = try locate(peer)
            trees[tree].signallingLost(index, &context)
        case .signallingUnreachable(let peer):
            let (tree, index) = try locate(peer)
            trees[tree].signallingUnreachable(index, &context)
        case .signallingResumed(let peer):
            let (tree, index) = try locate(peer)
            trees[tree].resume(index, &context)
            trees[tree].readmit(index, &context)
        case .sourceHeard(let peer):
            let (tree, index) = try locate(peer)
            if index == SpanningTree.source { trees[tree].sourceHeard(&context) }
        case .attached(let peer, let stripe, let epoch):
            let (tree, index, stripe) = try locate(peer, stripe: stripe)
            try trees[tree].attached(index, stripe: stripe, epoch: epoch, &context)
        case .orphaned(let peer, let stripe, let epoch, let reason):
            let (tree, index, stripe) = try locate(peer, stripe: stripe)
            try trees[tree].orphaned(index, stripe: stripe, epoch: epoch, reason: reason, &context)
        case .promoted(let peer, let stripe, let epoch, let reason, let standby):
            let (tree, index, stripe) = try locate(peer, stripe: stripe)
            let standbyIndex = standby.tree == peer.tree ? trees[tree].index(of: standby) : nil
            try trees[tree].orphaned(
                index,
                stripe: stripe,
                epoch: epoch,
                reason: reason,
                standby: standbyIndex,
                &context
            )
        case .childLost(let peer, let child, let stripe, let reason):
            let (tree, index, _) = try locate(peer, stripe: stripe)
            guard child.tree == peer.tree, let childIndex = trees[tree].index(of: child) else { throw .notAChild }
            let stripe = trees[tree].stripe(stripe, of: childIndex)
            try trees[tree].childLost(index, child: childIndex, stripe: stripe, reason, &context)
        case .endTree(let tree):
            trees[try liveIndex(of: tree)].end(.ended, &context)
        }
    }

    /// The next thing to tell a peer, or nil if all is told for now.
    public mutating func nextOutput() -> TrackerOutput? {
        if let output = context.outputs.popFirst() { return output }
        guard let index = context.endingTrees.first else { return nil }
        let output = trees[Int(index)].nextEnding(&context)
        if trees[Int(index)].state == .free {
            context.endingTrees.removeFirst()
            freeTrees.append(index)
        }
        return output
    }

    // MARK: Time and handles

    /// Fires every timer that is due.
    mutating func advance(to now: Instant) {
        context.now = max(context.now, now)
        while let subject = context.timers.due(at: context.now) {
            let index = Int(subject.tree)
            trees[index].cancelTimer(of: subject, &context)
            guard trees[index].state == .live else { continue }
            switch subject.kind {
            case .attach:
                trees[index].attachTimedOut(subject.peer, stripe: Int(subject.stripe), &context)
            case .viewerResume:
                trees[index].removePeer(subject.peer, reason: .vanished, &context)
            case .sourceResume:
                trees[index].searchSource(&context)
            case .sourceSearch:
                trees[index].sourceNotFound(&context)
            case .restore:
                trees[index].restorationTimedOut(subject.peer, &context)
            case .eviction:
                trees[index].evictionRoundEnded(subject.peer, &context)
            case .shun:
                trees[index].endShun(subject.peer, &context)
            case .probe:
                trees[index].settle(&context)
            }
        }
    }

    /// The index of a tree that is not over.
    func liveIndex(of tree: TreeHandle) throws(TrackerError) -> Int {
        let index = Int(tree.index)
        guard index < trees.count, trees[index].generation == tree.generation, trees[index].state == .live else {
            throw .unknownTree
        }
        return index
    }

    /// The indices of a peer that is in a tree that is not over.
    func locate(_ peer: PeerHandle) throws(TrackerError) -> (tree: Int, peer: Int32) {
        let tree = try liveIndex(of: peer.tree)
        guard let index = trees[tree].index(of: peer) else { throw .unknownPeer }
        return (tree, index)
    }

    /// The indices of a peer, and the stripe in which it has its place for `stripe`.
    func locate(_ peer: PeerHandle, stripe: Int) throws(TrackerError) -> (tree: Int, peer: Int32, stripe: Int) {
        let (tree, index) = try locate(peer)
        guard trees[tree].stripes.indices.contains(stripe) else { throw .unknownStripe }
        return (tree, index, trees[tree].stripe(stripe, of: index))
    }
}

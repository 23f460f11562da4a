/// A second parent in reach: a peer that is attached gets a standby in another branch, to which it keeps a link, and to
/// which it turns by itself should its parent fail.
///
/// Only in a tree of one stripe: with several, the parents of the other stripes are such peers already.
extension BroadcastTree {
    private var hasStandbys: Bool { stripes.count == 1 }

    /// A peer may have a standby now: it waits for one unless it has one.
    mutating func wantStandby(_ peer: Int32, _ options: TrackerOptions) {
        guard options.assignsStandbys, hasStandbys, mayHaveStandby(peer), standbys.standby(of: peer) == nil,
            !standbys.isLacking(peer)
        else { return }
        standbys.enqueue(peer)
    }

    private func mayHaveStandby(_ peer: Int32) -> Bool {
        let node = stripes[0].nodes[Int(peer)]
        return peer != SpanningTree.source && node.parent != SpanningTree.none
            && node.flags.isSuperset(of: [.occupied, .native, .attached])
    }

    /// Gives standbys to some of those that lack one. Whoever none is found for waits for the next time.
    mutating func assignStandbys(_ context: inout TrackerContext) {
        for _ in 0..<min(standbys.lackingCount, Self.standbysPerInput) {
            guard let peer = standbys.dequeue() else { return }
            guard mayHaveStandby(peer) else { continue }
            guard let standby = findStandby(for: peer) else {
                standbys.enqueue(peer)
                continue
            }
            standbys.assign(standby, to: peer)
            sayStandby(of: peer, &context)
        }
    }

    /// How many peers a standby is looked for in the handling of one input.
    private static let standbysPerInput = 4

    // MARK: Finding one

    /// A sibling of the parent, or of one of the next above it, which the end of the parent does not touch; where there
    /// is none, the grandparent. A child of the source, whose end is everybody's, has a sibling of its own.
    private func findStandby(for peer: Int32) -> Int32? {
        let tree = stripes[0]
        var branch = peer
        var top = tree.nodes[Int(peer)].parent
        for level in 0..<Self.standbyLevels where top != SpanningTree.none {
            if level > 0 || top == SpanningTree.source, let found = leastBurdened(below: top, besides: branch, peer) {
                return found
            }
            branch = top
            top = tree.nodes[Int(top)].parent
        }
        let grandparent = tree.nodes[Int(tree.nodes[Int(peer)].parent)].parent
        guard grandparent != SpanningTree.none, mayStandBy(grandparent, for: peer) else { return nil }
        return grandparent
    }

    /// How many levels are searched, and how many children of a peer are looked at: a standby need not be the best.
    private static let standbyLevels = 4
    private static let standbyCandidates = 16

    /// Of the children of a peer the one with the fewest wards; between equals one with a free slot.
    private func leastBurdened(below top: Int32, besides branch: Int32, _ peer: Int32) -> Int32? {
        let nodes = stripes[0].nodes
        var best: (peer: Int32, burden: Int)?
        var candidate = nodes[Int(top)].firstChild
        for _ in 0..<Self.standbyCandidates where candidate != SpanningTree.none {
            let burden = 2 * standbys.wardCount(of: candidate) + (nodes[Int(candidate)].ownSlot == nil ? 1 : 0)
            if candidate != branch, burden < best?.burden ?? .max, mayStandBy(candidate, for: peer) {
                best = (candidate, burden)
            }
            candidate = nodes[Int(candidate)].nextSibling
        }
        return best?.peer
    }

    /// Whether a peer is fit to become the standby of another one.
    private func mayStandBy(_ standby: Int32, for peer: Int32) -> Bool {
        let node = stripes[0].nodes[Int(standby)]
        return node.flags.isSuperset(of: [.occupied, .native, .attached])
            && node.flags.isDisjoint(with: [.suspect, .shunned, .doubted])
            && standbys.wardCount(of: standby) < Self.wardsPerSlot * Int(node.capacity)
            && !excludedParents(of: peer, stripe: 0).contains(standby)
    }

    /// How many others a peer stands by for, for each child that it takes.
    static let wardsPerSlot = 2

    // MARK: Keeping it

    /// A peer has another parent: its standby stays, and so do those of the peers above it, unless the standby depends on
    /// the very peer that it stands by for, or hangs under the same parent.
    mutating func reviewStandbys(afterMoveOf peer: Int32, _ context: inout TrackerContext) {
        guard hasStandbys, stripes[0].nodes[Int(peer)].parent != SpanningTree.none else { return }
        let parent = stripes[0].nodes[Int(peer)].parent
        if let standby = standbys.standby(of: peer) {
            if standby == parent {
                // It is the parent now. Both know by that that it stands by no more.
                standbys.clear(peer)
            } else if !isApart(standby, from: peer, under: parent) {
                dismissStandby(of: peer, &context)
            }
        }
        guard stripes[0].nodes[Int(peer)].childCount > 0 || standbys.wardCount(of: peer) > 0 else { return }
        var above = parent
        while above != SpanningTree.none {
            if let standby = standbys.standby(of: above), stripes[0].isAncestor(peer, of: standby) {
                dismissStandby(of: above, &context)
            }
            above = stripes[0].nodes[Int(above)].parent
        }
    }

    private func isApart(_ standby: Int32, from peer: Int32, under parent: Int32) -> Bool {
        !stripes[0].isAncestor(parent == SpanningTree.source ? peer : parent, of: standby)
    }

    /// Takes a peer's standby away; it waits for another one.
    mutating func dismissStandby(of peer: Int32, _ context: inout TrackerContext) {
        guard hasStandbys, let standby = standbys.standby(of: peer) else { return }
        standbys.clear(peer)
        context.outputs.append(.wardGone(standby: handle(of: standby), ward: handle(of: peer)))
        context.outputs.append(.standby(peer: handle(of: peer), standby: nil))
        wantStandby(peer, context.options)
    }

    /// A peer stands by for nobody any more, since it goes or takes no children.
    mutating func dismissWards(of standby: Int32, _ context: inout TrackerContext) {
        guard hasStandbys else { return }
        for ward in standbys.wards(of: standby) { dismissStandby(of: ward, &context) }
    }

    /// Forgets what a peer that goes is to others.
    mutating func leaveStandbys(_ peer: Int32, _ context: inout TrackerContext) {
        guard hasStandbys else { return }
        dismissWards(of: peer, &context)
        if let standby = standbys.standby(of: peer) {
            context.outputs.append(.wardGone(standby: handle(of: standby), ward: handle(of: peer)))
        }
        standbys.clear(peer)
    }

    // MARK: Saying so

    private func sayStandby(of ward: Int32, _ context: inout TrackerContext) {
        guard let standby = standbys.standby(of: ward) else { return }
        context.outputs.append(.admitWard(standby: handle(of: standby), ward: handle(of: ward)))
        context.outputs.append(.standby(peer: handle(of: ward), standby: handle(of: standby)))
    }

    /// Says once more who stands by for a peer whose socket is back, and for whom it does.
    func repeatStandbys(of peer: Int32, _ context: inout TrackerContext) {
        guard hasStandbys else { return }
        sayStandby(of: peer, &context)
        for ward in standbys.wards(of: peer) { sayStandby(of: ward, &context) }
    }

    // MARK: Turning to it

    /// Whether a peer that turned to its standby may stay there.
    func mayStay(_ peer: Int32, at standby: Int32) -> Bool {
        hasStandbys && standbys.standby(of: peer) == standby && stripes[0].nodes[Int(standby)].ownSlot != nil
            && stripes[0].isAncestor(SpanningTree.source, of: standby) && !stripes[0].isAncestor(peer, of: standby)
    }
}

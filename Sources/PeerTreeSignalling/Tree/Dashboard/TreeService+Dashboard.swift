import PeerTreeCore

/// What a dashboard is told. See ``DashboardFeed``.
extension TreeService {
    mutating func answer(_ question: DashboardQuestion, of slot: Slot, to watcher: Int, at gateway: GatewayID) {
        do throws(SignallingError) {
            let id = WatcherID(gateway: gateway, number: watcher)
            guard let answer = try answer(question, to: id) else { return }
            tell(.answer(watcher: watcher, answer), of: slot, to: gateway)
        } catch {
            tell(.answer(watcher: watcher, .refused(error)), of: slot, to: gateway)
        }
    }

    private mutating func answer(
        _ question: DashboardQuestion,
        to watcher: WatcherID
    ) throws(SignallingError) -> DashboardAnswer? {
        switch question {
        case .watch(let treeID): return .watching(try watch(treeID, as: watcher))
        case .look: return .changes(try changes(for: watcher))
        case .shape(let treeID): return .shape(try shape(of: treeID))
        case .unwatch:
            dashboard.remove(watcher)
            return nil
        }
    }

    private mutating func watch(_ treeID: String, as watcher: WatcherID) throws(SignallingError) -> DashboardWelcome {
        guard let tree = treeIDs[treeID], let entry = trees[tree] else { throw .unknownTree }
        var peers: [PeerHandle] = []
        try? tracker.forEachPeer(of: tree) { peers.append($0.peer) }
        dashboard.add(watcher, tree, peers: peers)
        return DashboardWelcome(
            treeID: treeID,
            source: label(of: entry.source),
            stripes: entry.layout.stripes,
            k: options.tracker.childrenPerPeer,
            k1: options.tracker.childrenOfSource
        )
    }

    private mutating func changes(for watcher: WatcherID) throws(SignallingError) -> DashboardChanges {
        guard let batch = dashboard.take(watcher, limit: DashboardChanges.maximumPeers) else { throw .notWatching }
        return DashboardChanges(
            sequence: batch.sequence,
            peers: batch.changed.compactMap { dashboardPeer($0) },
            gone: batch.gone,
            isComplete: batch.isComplete,
            isOver: batch.isOver,
            viewers: (try? tracker.viewerCount(of: batch.tree)) ?? 0,
            activity: trees[batch.tree]?.activity ?? TreeActivity()
        )
    }

    private func dashboardPeer(_ peer: PeerHandle) -> DashboardChanges.Peer? {
        guard let member = members[peer] else { return nil }
        let stripes = peer.isSource ? 0 : trees[peer.tree]?.layout.stripes ?? 0
        var isAttached = true
        let parents = (0..<stripes).map { stripe -> String? in
            guard let parent = try? tracker.parent(of: peer, stripe: stripe) else { return nil }
            isAttached = isAttached && (try? tracker.isAttached(peer, stripe: stripe)) ?? false
            return label(of: parent)
        }
        return DashboardChanges.Peer(
            label: label(of: peer),
            parents: parents,
            isAttached: isAttached,
            isNative: member.isNative,
            isConnected: member.isConnected,
            report: member.report
        )
    }

    /// The trees with the most viewers, those first.
    func largestTrees(_ limit: Int) -> [DashboardTree] {
        var found: [(tree: TreeHandle, viewers: Int)] = trees.keys.map { ($0, (try? tracker.viewerCount(of: $0)) ?? 0) }
        found.sort { $0.viewers != $1.viewers ? $0.viewers > $1.viewers : $0.tree.index < $1.tree.index }
        return found.prefix(limit).map { tree, viewers in
            DashboardTree(
                treeID: trees[tree]?.id ?? "",
                viewers: viewers,
                depth: (try? tracker.maximumDepth(of: tree)) ?? 0
            )
        }
    }

    // MARK: Notes

    mutating func noteGone(_ peer: PeerHandle) {
        if !peer.isSource { trees[peer.tree]?.activity.leaves += 1 }
        dashboard.gone(peer, label: label(of: peer), limit: DashboardChanges.maximumGone)
    }

    /// A peer says that it has lost its parent.
    mutating func noteLoss(by peer: PeerHandle, _ reason: LossReason) {
        if reason == .forged { trees[peer.tree]?.activity.forgeries += 1 }
        dashboard.changed(peer)
    }

    /// The source of a restored tree is back: until now it had no label of its own.
    mutating func noteSourceIsBack(_ source: PeerHandle, insteadOf label: String) {
        dashboard.gone(source, label: label, limit: DashboardChanges.maximumGone)
        dashboard.changed(source)
        for stripe in 0..<(trees[source.tree]?.layout.stripes ?? 0) {
            for child in (try? tracker.children(of: source, stripe: stripe)) ?? [] { dashboard.changed(child) }
        }
    }

    mutating func noteAssignment(of peer: PeerHandle, _ reason: AssignmentReason) {
        dashboard.changed(peer)
        switch reason {
        case .parentLeft, .parentLost, .refused, .evicted: trees[peer.tree]?.activity.repairs += 1
        case .promoted, .rebalanced: trees[peer.tree]?.activity.moves += 1
        case .joined, .restored: break
        }
    }
}

import JSON
import PeerTreeCore

/// What a source is told of its tree.
extension TreeService {
    /// Notes that a tree has changed. All summaries wait equally long, so they are due in the order of these notes, and
    /// no tree has two within the interval.
    mutating func summarySoon(_ tree: TreeHandle) {
        guard let entry = trees[tree], !entry.isSummaryPending, let source = members[entry.source], source.isNative
        else { return }
        trees[tree]?.isSummaryPending = true
        summaries.append(tree, due: now + options.summaryInterval)
    }

    mutating func sendDueSummaries() {
        while let tree = summaries.popDue(at: now) {
            guard let entry = trees[tree] else { continue }
            trees[tree]?.isSummaryPending = false
            renewToken(of: entry.source)
            if let summary = summary(of: tree, entry) { emit(.tree, summary, to: entry.source) }
        }
    }

    private func summary(of tree: TreeHandle, _ entry: TreeEntry) -> JSONValue? {
        guard let viewers = try? tracker.viewerCount(of: tree), let depth = try? tracker.maximumDepth(of: tree) else {
            return nil
        }
        var summary: JSONObject = [
            "treeID": .string(entry.id), "viewers": JSONValue(viewers), "depth": JSONValue(depth),
        ]
        guard viewers <= options.maximumPeersInSummary else { return .object(summary) }
        var peers: [JSONValue] = []
        try? tracker.forEachPeer(of: tree) { peer in
            guard !peer.peer.isSource, let member = members[peer.peer] else { return }
            let parent = peer.parent.flatMap { members[$0]?.id }
            peers.append([
                "id": .string(member.id), "parent": parent.map { .string($0) } ?? .null,
                "depth": JSONValue(peer.depth), "native": .bool(peer.isNative), "attached": .bool(peer.isAttached),
                "lag": member.report.lag.map { .number($0) } ?? .null,
            ])
        }
        summary["peers"] = .array(peers)
        return .object(summary)
    }
}

/// Trees whose sources are due a summary, earliest first.
struct SummaryQueue: Sendable {
    private var entries: [(tree: TreeHandle, due: Instant)] = []
    private var head = 0

    var deadline: Instant? { head < entries.count ? entries[head].due : nil }

    /// `due` must not be before that of an earlier entry.
    mutating func append(_ tree: TreeHandle, due: Instant) {
        entries.append((tree, due))
    }

    mutating func popDue(at now: Instant) -> TreeHandle? {
        guard head < entries.count, entries[head].due <= now else { return nil }
        let tree = entries[head].tree
        head += 1
        if head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
        return tree
    }
}

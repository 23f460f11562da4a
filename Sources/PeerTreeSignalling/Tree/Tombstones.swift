import PeerTreeCore

/// Trees that are over, for as long as somebody may come back with a token of them.
struct Tombstones {
    private struct Entry {
        let tree: String
        let until: Instant
    }

    /// When each may be forgotten.
    private var ends: [String: Instant] = [:]
    /// In the order of their ends. A tree that is there again has entries here that count no more.
    private var entries: [Entry] = []
    private var head = 0

    /// How many trees are remembered.
    var count: Int { ends.count }

    func contains(_ tree: String) -> Bool { ends[tree] != nil }

    /// A tree is over. Tokens of it live on for ``SignallingOptions/resumeTokenLifetime``.
    mutating func insert(_ tree: String, at now: Instant, options: SignallingOptions) {
        let until = now + options.resumeTokenLifetime
        ends[tree] = until
        entries.append(Entry(tree: tree, until: until))
        while head < entries.count, entries[head].until <= now || ends.count > options.maximumEndedTrees {
            let oldest = entries[head]
            if ends[oldest.tree] == oldest.until { ends[oldest.tree] = nil }
            head += 1
        }
        if head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }

    /// Other services know better.
    mutating func removeAll(of slots: Set<Slot>) {
        ends = ends.filter { !slots.contains(Slot(ofTree: $0.key)) }
    }

    /// A tree is there again: its source has proved that it is its own.
    mutating func remove(_ tree: String) {
        ends[tree] = nil
    }
}

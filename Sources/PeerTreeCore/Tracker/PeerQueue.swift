/// Peers in the order in which they came to wait. Whoever waits can be taken out, too; all of it costs O(1).
struct PeerQueue {
    private struct Entry {
        var previous = SpanningTree.none
        var next = SpanningTree.none
        var isWaiting = false
    }

    private var entries: [Entry] = []
    private var last = SpanningTree.none

    /// Who has waited longest, or ``SpanningTree/none``.
    private(set) var first = SpanningTree.none

    func contains(_ peer: Int32) -> Bool {
        Int(peer) < entries.count && entries[Int(peer)].isWaiting
    }

    /// Who has come next behind a peer that waits, or ``SpanningTree/none``.
    func next(after peer: Int32) -> Int32 { entries[Int(peer)].next }

    mutating func append(_ peer: Int32) {
        guard !contains(peer) else { return }
        while Int(peer) >= entries.count { entries.appendGrowingByQuarters(Entry()) }
        entries[Int(peer)] = Entry(previous: last, isWaiting: true)
        if last == SpanningTree.none { first = peer } else { entries[Int(last)].next = peer }
        last = peer
    }

    mutating func remove(_ peer: Int32) {
        guard contains(peer) else { return }
        let entry = entries[Int(peer)]
        if entry.previous == SpanningTree.none {
            first = entry.next
        } else {
            entries[Int(entry.previous)].next = entry.next
        }
        if entry.next == SpanningTree.none {
            last = entry.previous
        } else {
            entries[Int(entry.next)].previous = entry.previous
        }
        entries[Int(peer)] = Entry()
    }
}

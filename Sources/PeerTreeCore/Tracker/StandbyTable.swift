/// Who stands by for whom in a tree: a peer has at most one standby, and stands by for a bounded number of others, its
/// wards. Peers that lack a standby wait in a queue.
///
/// All of it is links between entries of one array: every operation but the list of wards costs O(1).
struct StandbyTable {
    private struct Entry {
        var standby = SpanningTree.none
        var firstWard = SpanningTree.none
        /// Neighbours among the standby's wards, or in the queue of those that lack one.
        var previous = SpanningTree.none
        var next = SpanningTree.none
        var wardCount: UInt16 = 0
        var isLacking = false
    }

    private var entries: [Entry] = []
    private var firstLacking = SpanningTree.none
    private var lastLacking = SpanningTree.none

    /// How many wait for a standby.
    private(set) var lackingCount = 0

    /// Makes room for the peer at `index`, which is in use by nobody or the next one.
    mutating func insert(_ index: Int32) {
        if Int(index) == entries.count { entries.appendGrowingByQuarters(Entry()) }
    }

    func standby(of ward: Int32) -> Int32? {
        let standby = entries[Int(ward)].standby
        return standby == SpanningTree.none ? nil : standby
    }

    func wardCount(of standby: Int32) -> Int {
        Int(entries[Int(standby)].wardCount)
    }

    /// The wards of a peer, newest first.
    func wards(of standby: Int32) -> [Int32] {
        var wards: [Int32] = []
        var ward = entries[Int(standby)].firstWard
        while ward != SpanningTree.none {
            wards.append(ward)
            ward = entries[Int(ward)].next
        }
        return wards
    }

    func isLacking(_ peer: Int32) -> Bool { entries[Int(peer)].isLacking }

    /// Gives a peer a standby instead of the one that it had or waited for.
    mutating func assign(_ standby: Int32, to ward: Int32) {
        clear(ward)
        let next = entries[Int(standby)].firstWard
        entries[Int(ward)].standby = standby
        entries[Int(ward)].next = next
        if next != SpanningTree.none { entries[Int(next)].previous = ward }
        entries[Int(standby)].firstWard = ward
        entries[Int(standby)].wardCount &+= 1
    }

    /// Lets a peer wait for a standby, behind those that wait already.
    mutating func enqueue(_ peer: Int32) {
        clear(peer)
        entries[Int(peer)].isLacking = true
        entries[Int(peer)].previous = lastLacking
        if lastLacking == SpanningTree.none { firstLacking = peer } else { entries[Int(lastLacking)].next = peer }
        lastLacking = peer
        lackingCount += 1
    }

    /// Takes out who has waited longest.
    mutating func dequeue() -> Int32? {
        let peer = firstLacking
        guard peer != SpanningTree.none else { return nil }
        clear(peer)
        return peer
    }

    /// The peer has no standby any more, and waits for none.
    mutating func clear(_ peer: Int32) {
        let entry = entries[Int(peer)]
        if entry.standby != SpanningTree.none {
            if entry.previous == SpanningTree.none { entries[Int(entry.standby)].firstWard = entry.next }
            entries[Int(entry.standby)].wardCount &-= 1
        } else if entry.isLacking {
            if entry.previous == SpanningTree.none { firstLacking = entry.next }
            if entry.next == SpanningTree.none { lastLacking = entry.previous }
            lackingCount -= 1
        }
        if entry.previous != SpanningTree.none { entries[Int(entry.previous)].next = entry.next }
        if entry.next != SpanningTree.none { entries[Int(entry.next)].previous = entry.previous }
        entries[Int(peer)].standby = SpanningTree.none
        entries[Int(peer)].previous = SpanningTree.none
        entries[Int(peer)].next = SpanningTree.none
        entries[Int(peer)].isLacking = false
    }
}

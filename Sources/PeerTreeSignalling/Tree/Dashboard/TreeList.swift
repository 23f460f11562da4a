/// What there is at a server, or at several: all of it in numbers, and the largest trees.
package struct TreeList: Sendable, Equatable {
    /// Connected sockets.
    package var clients: Int
    package var treeCount: Int
    /// Of those trees, sources included.
    package var peers: Int
    /// The largest trees, those first; at most ``DashboardTree/mostListed``.
    package private(set) var largest: [DashboardTree]
    /// The names of servers that cannot be reached. What they have is not in the list.
    package var missing: [String]

    package init(clients: Int, treeCount: Int, peers: Int, largest: [DashboardTree], missing: [String] = []) {
        self.clients = clients
        self.treeCount = treeCount
        self.peers = peers
        self.largest = Self.merged(largest)
        self.missing = missing
    }

    /// Nothing.
    package init() { self.init(clients: 0, treeCount: 0, peers: 0, largest: []) }

    /// What is at one more server. The sums are no more than there can be, whatever it says.
    package mutating func add(_ other: TreeList) {
        clients = Self.sum(clients, other.clients)
        treeCount = Self.sum(treeCount, other.treeCount)
        peers = Self.sum(peers, other.peers)
        largest = Self.merged(largest + other.largest)
        missing += other.missing
    }

    /// A tree that has just gone from one server to another may be named by both: it is there once.
    private static func merged(_ trees: [DashboardTree]) -> [DashboardTree] {
        var seen: Set<String> = []
        let sorted = trees.sorted { $0.viewers != $1.viewers ? $0.viewers > $1.viewers : $0.treeID < $1.treeID }
        return Array(sorted.filter { seen.insert($0.treeID).inserted }.prefix(DashboardTree.mostListed))
    }

    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, isOver) = left.addingReportingOverflow(right)
        return isOver ? .max : sum
    }
}

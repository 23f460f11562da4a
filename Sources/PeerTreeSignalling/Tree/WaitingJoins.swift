import PeerTreeCore

/// Clients that ask for a tree which a server that was just started may have had: they wait for the first of its peers
/// to come back.
struct WaitingJoins {
    /// Those who wait for one tree.
    private struct Queue {
        /// Until when they do.
        let until: Instant
        /// In the order in which they came.
        var sockets: [String] = []
    }

    /// By the tree's id.
    private var byTree: [String: Queue] = [:]
    /// What each of them asks for, by socket.
    private var entries: [String: (entry: Entry, gateway: GatewayID)] = [:]

    /// When the first of them has waited for long enough, or before; nil if nobody waits.
    private(set) var deadline: Instant?

    var count: Int { entries.count }

    /// Whether anybody waits for a tree of this slot.
    func isWaiting(for slot: Slot) -> Bool { byTree.keys.contains { Slot(ofTree: $0) == slot } }

    mutating func add(_ entry: Entry, from gateway: GatewayID, until: Instant) {
        var entry = entry
        entry.request.place = ClaimedPlace()
        entries[entry.socket] = (entry, gateway)
        byTree[entry.tree, default: Queue(until: until)].sockets.append(entry.socket)
        deadline = min(deadline ?? until, until)
    }

    /// The client asks for something else, or is gone.
    mutating func remove(_ socket: String) {
        guard let tree = entries.removeValue(forKey: socket)?.entry.tree else { return }
        byTree[tree]?.sockets.removeAll { $0 == socket }
        if byTree[tree]?.sockets.isEmpty ?? false { byTree[tree] = nil }
        if byTree.isEmpty { deadline = nil }
    }

    /// A node is gone, and the clients of its gateways with it.
    mutating func removeAll(of node: NodeSession) {
        for (socket, waiting) in entries where waiting.gateway.node == node { remove(socket) }
    }

    /// Slots are another service's: gateways ask that.
    mutating func removeAll(of slots: Set<Slot>) {
        for tree in byTree.keys where slots.contains(Slot(ofTree: tree)) { _ = take(tree) }
    }

    /// Takes out those that wait for a tree.
    mutating func take(_ tree: String) -> [(entry: Entry, gateway: GatewayID)] {
        let taken = (byTree.removeValue(forKey: tree)?.sockets ?? []).compactMap { entries.removeValue(forKey: $0) }
        if byTree.isEmpty { deadline = nil }
        return taken
    }

    /// Takes out those that have waited for long enough.
    mutating func takeDue(at now: Instant) -> [(entry: Entry, gateway: GatewayID)] {
        guard let deadline, deadline <= now else { return [] }
        let due = byTree.filter { $0.value.until <= now }.keys.sorted().flatMap { take($0) }
        self.deadline = byTree.values.lazy.map(\.until).min()
        return due
    }
}

/// Clients that ask for a tree which a server that was just started may have had: they wait for the first of its peers
/// to come back.
struct WaitingJoins {
    /// By the tree's id, in the order in which they came.
    private var byTree: [String: [String]] = [:]
    /// What each of them asks for, by socket.
    private var entries: [String: (entry: Entry, gateway: GatewayID)] = [:]

    var count: Int { entries.count }

    mutating func add(_ entry: Entry, from gateway: GatewayID) {
        var entry = entry
        entry.request.place = ClaimedPlace()
        entries[entry.socket] = (entry, gateway)
        byTree[entry.tree, default: []].append(entry.socket)
    }

    /// The client asks for something else, or is gone.
    mutating func remove(_ socket: String) {
        guard let tree = entries.removeValue(forKey: socket)?.entry.tree else { return }
        byTree[tree]?.removeAll { $0 == socket }
        if byTree[tree]?.isEmpty ?? false { byTree[tree] = nil }
    }

    /// A gateway is gone, and its clients with it.
    mutating func removeAll(of gateway: GatewayID) {
        for (socket, waiting) in entries where waiting.gateway == gateway { remove(socket) }
    }

    /// Takes out those that wait for a tree.
    mutating func take(_ tree: String) -> [(entry: Entry, gateway: GatewayID)] {
        (byTree.removeValue(forKey: tree) ?? []).compactMap { entries.removeValue(forKey: $0) }
    }

    /// Takes out all.
    mutating func takeAll() -> [(entry: Entry, gateway: GatewayID)] {
        byTree.keys.sorted().flatMap { take($0) }
    }
}

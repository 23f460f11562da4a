import PeerTreeCore

/// Clients that ask for a tree which a server that was just started may have had: they wait for the first of its peers
/// to come back.
struct WaitingJoins {
    /// By the tree's id, in the order in which they came.
    private var byTree: [String: [String]] = [:]
    /// What each of them asks for.
    private var requests: [String: DiscoverRequest] = [:]

    var count: Int { requests.count }

    mutating func add(_ id: String, _ treeID: String, _ request: DiscoverRequest) {
        requests[id] = request
        byTree[treeID, default: []].append(id)
    }

    /// The client asks for something else, or is gone.
    mutating func remove(_ id: String) {
        guard let treeID = requests.removeValue(forKey: id)?.treeID else { return }
        byTree[treeID]?.removeAll { $0 == id }
        if byTree[treeID]?.isEmpty ?? false { byTree[treeID] = nil }
    }

    /// Takes out those that wait for a tree.
    mutating func take(_ treeID: String) -> [(id: String, request: DiscoverRequest)] {
        (byTree.removeValue(forKey: treeID) ?? []).compactMap { id in
            requests.removeValue(forKey: id).map { (id, $0) }
        }
    }

    /// Takes out all.
    mutating func takeAll() -> [(id: String, request: DiscoverRequest)] {
        byTree.keys.sorted().flatMap { take($0) }
    }
}

/// Which of a gateway's clients are in trees of which slot: when a slot changes its owner, only those are looked at.
struct SlotMembers {
    private var sockets: [Slot: Set<String>] = [:]

    mutating func add(_ socket: String, tree: String) {
        sockets[Slot(ofTree: tree), default: []].insert(socket)
    }

    mutating func remove(_ socket: String, tree: String) {
        let slot = Slot(ofTree: tree)
        sockets[slot]?.remove(socket)
        if sockets[slot]?.isEmpty ?? false { sockets[slot] = nil }
    }

    /// Whoever is in a tree of one of these slots.
    func members(of slots: Set<Slot>) -> [String] {
        slots.flatMap { sockets[$0] ?? [] }
    }
}

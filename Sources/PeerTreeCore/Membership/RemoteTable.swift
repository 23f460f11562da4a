/// Numbers the ids that the server gives to peers: what the peer's own machine and links are called by.
///
/// Arrays rather than dictionaries, here and in ``SessionTable``: a peer knows a few hundred others at most.
struct RemoteTable {
    private var entries: [(id: RemoteID, name: Text)] = []
    private var next: UInt32 = 1

    /// The number of a name; a new one if it was never seen, or was forgotten.
    mutating func number(of name: Text) -> RemoteID {
        if let known = known(name) { return known }
        let id = RemoteID(next)
        next &+= 1
        entries.append((id, name))
        return id
    }

    /// The number of a name that is remembered.
    func known(_ name: Text) -> RemoteID? {
        entries.first { $0.name == name }?.id
    }

    /// The name behind a number; nothing behind one that was forgotten.
    func name(of id: RemoteID) -> Text {
        entries.first { $0.id == id }?.name ?? .empty
    }

    var count: Int { entries.count }

    /// Forgets names that nothing refers to, the oldest first, once there are many: the newest may be in reports that
    /// are under way.
    mutating func trim(keeping isUsed: (RemoteID) -> Bool) {
        guard entries.count > Self.limit else { return }
        var excess = entries.count - Self.limit / 2
        entries.removeAll { entry in
            guard excess > 0, !isUsed(entry.id) else { return false }
            excess -= 1
            return true
        }
    }

    /// So many names are remembered without a thought.
    private static let limit = 128
}

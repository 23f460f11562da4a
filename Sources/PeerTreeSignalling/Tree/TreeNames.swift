import PeerTreeCore

/// Trees by their ids, and by the slots into which these fall.
struct TreeNames {
    private var handles: [String: TreeHandle] = [:]
    private var bySlot: [Slot: Set<String>] = [:]

    subscript(id: String) -> TreeHandle? {
        get { handles[id] }
        set {
            let slot = Slot(ofTree: id)
            if newValue != nil { bySlot[slot, default: []].insert(id) } else { bySlot[slot]?.remove(id) }
            if bySlot[slot]?.isEmpty ?? false { bySlot[slot] = nil }
            handles[id] = newValue
        }
    }

    var ids: some Collection<String> { handles.keys }

    /// In the same order whenever the same trees are there.
    func ids(in slot: Slot) -> [String] { (bySlot[slot] ?? []).sorted() }
}

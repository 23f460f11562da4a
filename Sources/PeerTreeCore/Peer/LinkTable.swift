/// The links of a peer in the order in which they came.
///
/// An array rather than a dictionary: a peer has a handful of links, and what it does must not depend on hash seeds, so
/// that one seed reproduces a whole simulated run.
struct LinkTable {
    private(set) var values: [Link] = []
    /// The links to children, in that order.
    private(set) var children: [LinkID] = []
    /// Children whose links broke a short while ago.
    var absences = Absences()

    var count: Int { values.count }
    var isEmpty: Bool { values.isEmpty }
    var keys: [LinkID] { values.map { $0.id } }

    subscript(id: LinkID) -> Link? {
        get {
            index(of: id).map { values[$0] }
        }
        set {
            guard let newValue else {
                _ = removeValue(forKey: id)
                return
            }
            if let index = index(of: id) {
                values[index] = newValue
            } else {
                values.append(newValue)
                if newValue.role == .child { children.append(id) }
            }
        }
    }

    /// Changes a link in place.
    mutating func update(_ id: LinkID, _ change: (inout Link) -> Void) {
        if let index = index(of: id) { change(&values[index]) }
    }

    mutating func removeValue(forKey id: LinkID) -> Link? {
        guard let index = index(of: id) else { return nil }
        children.removeAll { $0 == id }
        return values.remove(at: index)
    }

    mutating func removeAll() {
        values.removeAll()
        children.removeAll()
    }

    private func index(of id: LinkID) -> Int? {
        values.firstIndex { $0.id == id }
    }
}

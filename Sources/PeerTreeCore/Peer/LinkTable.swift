/// The links of a peer in the order in which they came.
///
/// An array rather than a dictionary: a peer has a handful of links, and what it does must not depend on hash seeds, so
/// that one seed reproduces a whole simulated run.
struct LinkTable {
    private(set) var values: [Link] = []

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
            }
        }
    }

    mutating func removeValue(forKey id: LinkID) -> Link? {
        index(of: id).map { values.remove(at: $0) }
    }

    mutating func removeAll() {
        values.removeAll()
    }

    private func index(of id: LinkID) -> Int? {
        values.firstIndex { $0.id == id }
    }
}

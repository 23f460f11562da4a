/// What a client may do.
package struct Access: Sendable {
    package var mayCreate = true
    package var mayJoin = true
    /// The only tree that may be joined.
    package var tree: String?
    /// Unix times between which all this is so.
    package var beginning: Double?
    package var expiry: Double?

    /// By default everything.
    package init(mayCreate: Bool = true, mayJoin: Bool = true) {
        self.mayCreate = mayCreate
        self.mayJoin = mayJoin
    }

    func mayCreate(at unixTime: UInt64) -> Bool {
        mayCreate && isCurrent(at: unixTime)
    }

    func mayJoin(_ tree: String, at unixTime: UInt64) -> Bool {
        mayJoin && isCurrent(at: unixTime) && (self.tree == nil || self.tree == tree)
    }

    private func isCurrent(at unixTime: UInt64) -> Bool {
        Double(unixTime) < expiry ?? .infinity && Double(unixTime) >= beginning ?? 0
    }
}

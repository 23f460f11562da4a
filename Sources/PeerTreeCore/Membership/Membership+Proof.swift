// Whose tree it is: of a signed one the id says so.

extension Membership {
    /// Whether the tree is whose its id says, and the own one whose key this client has; the key is kept.
    mutating func isProven(_ answer: ServerEvent.Discovery) -> Bool {
        let key = answer.additions?.key
        if isSource, key != configuration.identity { return false }
        guard key.map({ $0.treeID == answer.treeID }) ?? !SourceKey.isTreeID(answer.treeID) else { return false }
        sourceKey = key
        return true
    }

    /// Names the tree's key: a source's own, when it asks for a tree; else that of the tree it is in, since a server that was
    /// started again learns it from whoever comes back.
    func name(_ request: inout DiscoverRequest, _ question: ServerLine.Question) {
        request.key = question == .enter && isSource ? configuration.identity : sourceKey
    }
}

/// The link that a broadcaster gives to viewers: `http://HOST:PORT/watch/TREE`.
struct WatchLink: CustomStringConvertible {
    /// The signalling server.
    var server: String
    /// The tree on it.
    var treeID: String

    init(server: String, treeID: String) {
        self.server = server
        self.treeID = treeID
    }

    /// Reads a link; nil if it has no server or no tree.
    init?(_ text: String) {
        guard let range = text.range(of: "/watch/"), text.hasPrefix("http://") || text.hasPrefix("https://") else {
            return nil
        }
        let tree = text[range.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let base = text[..<range.lowerBound]
        guard !tree.isEmpty, base.count > "https://".count else { return nil }
        self.init(server: String(base), treeID: String(tree))
    }

    var description: String { "\(server)/watch/\(treeID)" }
}

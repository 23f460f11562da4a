import NIOCore

/// Which process has a node's name: the newest one.
struct KnownRuns {
    private(set) var current: LinkID?
    private var replaced: [LinkID] = []

    private static let maximumReplaced = 8

    enum Verdict {
        case same
        case new
        /// One that was replaced, and lives: there are two.
        case taken
    }

    /// A process has proved itself. `isReachable` tells of the current one: when that is gone, the name is free again.
    mutating func meet(_ run: LinkID, isReachable: Bool) -> Verdict {
        guard run != current else { return .same }
        if isReachable, replaced.contains(run) { return .taken }
        if let current { replaced.append(current) }
        replaced.removeAll { $0 == run }
        if replaced.count > Self.maximumReplaced { replaced.removeFirst() }
        current = run
        return .new
    }
}

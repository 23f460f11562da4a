/// What a node's links hold, for its metrics.
package struct LinkFigures: Hashable, Sendable {
    /// What was not acknowledged yet, of all links.
    package var queuedFrames = 0
    package var queuedBytes = 0
    /// Connections, proven or not.
    package var connections = 0
    /// Links with a session.
    package var sessions = 0
    package var reachable = 0

    package init() {}
}

extension LinkNode {
    package var figures: LinkFigures {
        var figures = LinkFigures()
        figures.connections = connections.count
        for link in links.values {
            if link.agreedSession != nil { figures.sessions += 1 }
            if link.reachability.isReachable { figures.reachable += 1 }
            figures.queuedFrames += link.session?.queue.count ?? 0
            figures.queuedBytes += link.session?.queue.bytes ?? 0
        }
        return figures
    }
}

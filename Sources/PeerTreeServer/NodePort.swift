package import JSON
package import PeerTreeSignalling

/// How a server that is a node of a cluster speaks to the other nodes.
package struct NodePort: Sendable {
    /// Sends what a loop has to say to another node, all of it and in this order. Called on the loop's thread.
    package var send: @Sendable ([NodeMessage], NodeSession) -> Void

    /// Gives another node what a loop has frozen for it; nil if it could not. Called on the loop's thread.
    package var handOver: @Sendable (Slot, SlotTerm, SlotSnapshot?) -> Void

    /// What is known of the nodes, as JSON for `/status`.
    package var status: @Sendable () async -> JSONValue

    /// What the other nodes have.
    package var elsewhere: @Sendable () async -> TreeList

    /// What the node is and has done, for metrics.
    package var figures: @Sendable () async -> NodeFigures

    package init(
        send: @escaping @Sendable ([NodeMessage], NodeSession) -> Void,
        handOver: @escaping @Sendable (Slot, SlotTerm, SlotSnapshot?) -> Void,
        status: @escaping @Sendable () async -> JSONValue,
        elsewhere: @escaping @Sendable () async -> TreeList,
        figures: @escaping @Sendable () async -> NodeFigures
    ) {
        self.send = send
        self.handOver = handOver
        self.status = status
        self.elsewhere = elsewhere
        self.figures = figures
    }
}

/// Figures of a node of a cluster, by the name of the metric without what all of them begin with.
package struct NodeFigures: Sendable {
    /// What is now.
    package var gauges: [String: Int]
    /// How often, or how long, something was since the start.
    package var totals: [String: UInt64]

    package init(gauges: [String: Int], totals: [String: UInt64]) {
        self.gauges = gauges
        self.totals = totals
    }
}

/// What a cluster tells a server that is one of its nodes.
extension PeerTreeServer {
    /// Over how many loops its gateways and trees are spread.
    package var loopCount: Int { driver.loopCount }

    /// All loops hear it, each in the order in which it is called.
    package func hear(_ input: SignallingService.Input) { driver.hear(input) }

    /// What this node has.
    package var ownTrees: TreeList {
        get async { await driver.list }
    }

    /// The loop of this number hears what other nodes say, after all that was said to it before.
    ///
    /// - Parameter read: Makes the messages out of what came, on the loop's thread.
    package func hear(at loop: Int, _ read: @escaping @Sendable () -> [PartMessage]) { driver.hear(at: loop, read) }
}

package import JSON
package import PeerTreeSignalling

/// How a server that is a node of a cluster speaks to the other nodes.
package struct NodePort: Sendable {
    /// Sends what a loop has to say to another node, all of it and in this order. Called on the loop's thread.
    package var send: @Sendable ([NodeMessage], NodeSession) -> Void

    /// What is known of the nodes, as JSON for `/status`.
    package var status: @Sendable () async -> JSONValue

    /// Passes the node's own figures on to the metrics system.
    package var recordMetrics: @Sendable () async -> Void

    package init(
        send: @escaping @Sendable ([NodeMessage], NodeSession) -> Void,
        status: @escaping @Sendable () async -> JSONValue,
        recordMetrics: @escaping @Sendable () async -> Void
    ) {
        self.send = send
        self.status = status
        self.recordMetrics = recordMetrics
    }
}

/// What a cluster tells a server that is one of its nodes.
extension PeerTreeServer {
    /// Over how many loops its gateways and trees are spread.
    package var loopCount: Int { driver.loopCount }

    /// All loops hear it, each in the order in which it is called.
    package func hear(_ input: SignallingService.Input) { driver.hear(input) }

    /// The loop of this number hears what other nodes say, after all that was said to it before.
    ///
    /// - Parameter read: Makes the messages out of what came, on the loop's thread.
    package func hear(at loop: Int, _ read: @escaping @Sendable () -> [PartMessage]) { driver.hear(at: loop, read) }
}

package import JSON
import NodeLinks
import PeerTreeSignalling
package import PeerTreeSignallingWire

/// The nodes of a cluster, as one of them knows them.
package struct ClusterStatus: Sendable {
    package struct Node: Sendable {
        package var name: String
        /// nil for the one that answers.
        package var address: String?
        package var version: String?
        package var isReachable: Bool
        /// Slots that it has, as it has said.
        package var slots: Int
        /// What it has, as it said last; nil if it has not yet.
        package var report: NodeReport?
    }

    /// The one that answers first, the others by their names.
    package var nodes: [Node]
}

extension ClusterNode {
    package var status: ClusterStatus {
        var counts: [NodeSession: Int] = [:]
        for owner in owners.values { counts[owner.node, default: 0] += 1 }
        let me = ClusterStatus.Node(
            name: me.name,
            address: nil,
            version: version,
            isReachable: true,
            slots: self.own.count,
            report: report
        )
        let others = nodes.sorted { $0.key < $1.key }.map { name, node in
            ClusterStatus.Node(
                name: name.description,
                address: node.address,
                version: node.version,
                isReachable: node.isReachable && node.greeted != nil,
                slots: node.greeted.flatMap { counts[$0.session] } ?? 0,
                report: node.report
            )
        }
        return ClusterStatus(nodes: [me] + others)
    }
}

extension ClusterStatus {
    /// As `/status` shows it; the node that answers comes first.
    package var json: JSONValue {
        let nodes = nodes.map { node -> JSONValue in
            [
                "name": .string(node.name), "address": node.address.map { .string($0) } ?? .null,
                "version": node.version.map { .string($0) } ?? .null, "reachable": .bool(node.isReachable),
                "confirmed": node.report.map { .bool($0.isConfirmed) } ?? .null,
                "leaving": node.report.map { .bool($0.isLeaving) } ?? .null, "slots": JSONValue(node.slots),
                "clients": node.report.map { .number(Double($0.clients)) } ?? .null,
                "trees": node.report.map { .number(Double($0.trees)) } ?? .null,
                "peers": node.report.map { .number(Double($0.peers)) } ?? .null,
            ]
        }
        return ["nodes": .array(nodes)]
    }
}

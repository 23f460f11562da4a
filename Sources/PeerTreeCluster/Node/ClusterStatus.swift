package import JSON
import NodeLinks
package import PeerTreeSignalling
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
                isReachable: node.speaks,
                slots: node.greeted.flatMap { counts[$0.session] } ?? 0,
                report: node.report
            )
        }
        return ClusterStatus(nodes: [me] + others)
    }
}

extension ClusterNode {
    /// What the other nodes have, as they said last; those that cannot be reached are missing.
    package var listElsewhere: TreeList {
        nodes.sorted { $0.key < $1.key }.reduce(into: TreeList()) { list, other in
            guard other.value.speaks, let report = other.value.report else {
                return list.missing.append(other.key.description)
            }
            list.add(TreeList(report))
        }
    }
}

extension TreeList {
    init(_ report: NodeReport) {
        self.init(
            clients: Int(clamping: report.clients),
            treeCount: Int(clamping: report.trees),
            peers: Int(clamping: report.peers),
            largest: report.largest
        )
    }
}

extension ClusterStatus {
    /// Of all nodes that can be reached, the one that answers included.
    private var total: TreeList {
        nodes.filter(\.isReachable).compactMap(\.report).reduce(into: TreeList()) { $0.add(TreeList($1)) }
    }

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
        let total = total
        return [
            "clients": JSONValue(total.clients), "trees": JSONValue(total.treeCount), "peers": JSONValue(total.peers),
            "nodes": .array(nodes),
        ]
    }
}
